// Batch normalization by group, forward and backward, with the activation inside.
//
// Layout: x (groups·rows, channels), the rows of a group side by side; mean and variance (groups, channels).
// Reductions run over parts of a group's rows, 32 channels side by side and 8 rows at a time. Their
// block is (32, 8), their grid (⌈channels/32⌉, parts, groups). The parts are merged in order by a
// second kernel. Bound: memory. Forward reads x twice and writes y. It reads x once where the
// product that made x left the moments of its tiles (tile.cuh). Backward reads x and dy twice and
// writes dx.

#include "minigan.cuh"

constexpr int kRowThreads = 8;

struct Moments { real mean, m2, count; };

// Chan, Golub & LeVeque (1983): the moments of two sets of values from those of each.
__device__ __forceinline__ Moments merge(const Moments& a, const Moments& b) {
    if (b.count == real(0)) return a;
    const real count = a.count + b.count, difference = b.mean - a.mean, share = b.count / count;
    return {a.mean + difference * share, a.m2 + b.m2 + difference * difference * (a.count * share), count};
}

__device__ __forceinline__ int part_begin(int rows, int part, int parts) { return int((long long)rows * part / parts); }

// Mean and Σ(value − mean)² of each channel over one part, (groups, parts, 2, channels): Welford (1962) in each thread, then
// merged across threads. `value(i, channel)` is element i.
template <class Value>
__device__ __forceinline__ void moments_of_part(const Value& value, real* __restrict__ moments, int rows, int channels) {
    __shared__ Moments shared[kRowThreads][kWarp];
    const int channel = blockIdx.x * kWarp + threadIdx.x, part = blockIdx.y, parts = gridDim.y, group = blockIdx.z;
    const int begin = part_begin(rows, part, parts), end = part_begin(rows, part + 1, parts);
    Moments own = {0, 0, 0};
    if (channel < channels) {
        for (int row = begin + threadIdx.y; row < end; row += kRowThreads) {
            const real x = value(((long long)group * rows + row) * channels + channel, channel);
            own.count += real(1);
            const real difference = x - own.mean;
            own.mean += difference / own.count;
            own.m2 += difference * (x - own.mean);
        }
    }
    shared[threadIdx.y][threadIdx.x] = own;
    __syncthreads();
    if (threadIdx.y == 0 && channel < channels) {
        for (int i = 1; i < kRowThreads; ++i) own = merge(own, shared[i][threadIdx.x]);
        real* of_part = moments + ((long long)group * parts + part) * 2 * channels + channel;
        of_part[0] = own.mean;
        of_part[channels] = own.m2;
    }
}

KERNEL batch_norm_parts(const real* __restrict__ x, real* __restrict__ moments, int rows, int channels) {
    moments_of_part([&](long long i, int) { return x[i]; }, moments, rows, channels);
}

// The same, of a product with sums divided among splits (splits, size), and the product, which `sum_parts` would store.
KERNEL sum_parts_moments(const real* __restrict__ partial, const real* __restrict__ bias, real slope,
                         real* __restrict__ moments, real* __restrict__ result, int splits, int rows, int channels,
                         long long size) {
    const Epilogue epilogue{bias, slope};
    const auto value = [&](long long i, int channel) {
        return result[i] = epilogue.finish(sum_of_parts(partial, splits, size, i), channel);
    };
    moments_of_part(value, moments, rows, channels);
}

constexpr int kGroups = 16;
struct Running {  // by group; null where there are none
    real* mean[kGroups];
    real* variance[kGroups];
};

// The parts of up to 16 groups, from `first` on, merged in order; and running ← momentum·running + (1 − momentum)·batch,
// the variance unbiased. The moments are (phases, groups, parts, 2, channels), of `rows` rows of a
// group in each phase. They are of a product's tiles, or with one phase those that
// `batch_norm_parts` leaves.
//
// Launch: grid ⌈channels/32⌉, block (32, 8): 32 channels side by side; 8 threads share the parts of each. Groups are taken in
// order, since one may be named twice.
KERNEL batch_norm_merge(const real* __restrict__ moments, real* __restrict__ mean, real* __restrict__ variance,
                        const Running running, real momentum, int rows, int channels, int phases, int parts, int groups,
                        int first) {
    __shared__ Moments shared[kRowThreads][kWarp];
    const int channel = blockIdx.x * kWarp + threadIdx.x;
    for (int i = 0; i < min(kGroups, groups - first); ++i) {
        const int group = first + i;
        Moments own = {0, 0, 0};
        for (int p = threadIdx.y; p < phases * parts && channel < channels; p += kRowThreads) {
            const int phase = p / parts, part = p % parts;
            const int count = part_begin(rows, part + 1, parts) - part_begin(rows, part, parts);
            const real* of_part = moments + (((long long)phase * groups + group) * parts + part) * 2 * channels + channel;
            own = merge(own, {of_part[0], of_part[channels], real(count)});
        }
        __syncthreads();  // the group before has been read
        shared[threadIdx.y][threadIdx.x] = own;
        __syncthreads();
        if (threadIdx.y > 0 || channel >= channels) continue;
        for (int t = 1; t < kRowThreads; ++t) own = merge(own, shared[t][threadIdx.x]);
        mean[group * channels + channel] = own.mean;
        variance[group * channels + channel] = own.m2 / own.count;
        if (running.mean[i] == nullptr) continue;
        real &m = running.mean[i][channel], &v = running.variance[i][channel];
        m = momentum * m + (real(1) - momentum) * own.mean;
        v = momentum * v + (real(1) - momentum) * (own.m2 / (own.count - real(1)));
    }
}

// y = activation(weight·(x − mean)/√(variance + ε) + bias). Launch: blocks of 256, grid-stride; n elements.
KERNEL batch_norm(const real* __restrict__ x, const real* __restrict__ mean, const real* __restrict__ variance,
                  const real* __restrict__ weight, const real* __restrict__ bias, real* __restrict__ y, real epsilon,
                  real slope, int rows, int channels, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const int channel = int(i % channels);
        const long long s = i / channels / rows * channels + channel;
        const real scale = weight[channel] / sqrt(variance[s] + epsilon);
        y[i] = leaky((x[i] - mean[s]) * scale + bias[channel], slope);
    }
}

// Σ g and Σ g·x̂ of each channel over one part, g = dy behind the activation: sums (groups, parts, 2, channels).
KERNEL batch_norm_backward_parts(const real* __restrict__ dy, const real* __restrict__ x, const real* __restrict__ mean,
                                 const real* __restrict__ variance, const real* __restrict__ weight,
                                 const real* __restrict__ bias, real* __restrict__ sums, real epsilon, real slope,
                                 int rows, int channels) {
    __shared__ real shared[2][kRowThreads][kWarp];
    const int channel = blockIdx.x * kWarp + threadIdx.x, part = blockIdx.y, parts = gridDim.y, group = blockIdx.z;
    const int begin = part_begin(rows, part, parts), end = part_begin(rows, part + 1, parts);
    real sum = 0, sum_normalized = 0;
    if (channel < channels) {
        const long long s = (long long)group * channels + channel;
        const real inverse = real(1) / sqrt(variance[s] + epsilon);
        for (int row = begin + threadIdx.y; row < end; row += kRowThreads) {
            const long long i = ((long long)group * rows + row) * channels + channel;
            const real normalized = (x[i] - mean[s]) * inverse;
            const real g = leaky_gradient(dy[i], normalized * weight[channel] + bias[channel], slope);
            sum += g;
            sum_normalized += g * normalized;
        }
    }
    shared[0][threadIdx.y][threadIdx.x] = sum;
    shared[1][threadIdx.y][threadIdx.x] = sum_normalized;
    __syncthreads();
    if (threadIdx.y < 2 && channel < channels) {  // one row of threads a sum
        real total = 0;
        for (int i = 0; i < kRowThreads; ++i) total += shared[threadIdx.y][i][threadIdx.x];
        sums[(((long long)group * parts + part) * 2 + threadIdx.y) * channels + channel] = total;
    }
}

// The parts in order: sums of each group (groups, 2, channels), and of all groups, dbias and dweight. A thread a channel.
KERNEL batch_norm_backward_merge(const real* __restrict__ sums, real* __restrict__ group_sums, real* __restrict__ dweight,
                                 real* __restrict__ dbias, int channels, int parts, int groups) {
    const int channel = int(grid_index());
    if (channel >= channels) return;
    real total[2] = {0, 0};
    for (int group = 0; group < groups; ++group) {
        for (int which = 0; which < 2; ++which) {
            real sum = 0;
            for (int part = 0; part < parts; ++part)
                sum += sums[(((long long)group * parts + part) * 2 + which) * channels + channel];
            group_sums[((long long)group * 2 + which) * channels + channel] = sum;
            total[which] += sum;
        }
    }
    dbias[channel] = total[0];
    dweight[channel] = total[1];
}

// dx = weight/√(variance + ε)·(g − Σ g/N − x̂·Σ g·x̂/N), without the sums if the statistics are not x's own.
KERNEL batch_norm_backward_data(const real* __restrict__ dy, const real* __restrict__ x, const real* __restrict__ mean,
                                const real* __restrict__ variance, const real* __restrict__ weight,
                                const real* __restrict__ bias, const real* __restrict__ group_sums,
                                real* __restrict__ dx, real epsilon, real slope, int batch_statistics, int rows,
                                int channels, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const int channel = int(i % channels);
        const long long group = i / channels / rows, s = group * channels + channel;
        const real inverse = real(1) / sqrt(variance[s] + epsilon), normalized = (x[i] - mean[s]) * inverse;
        real g = leaky_gradient(dy[i], normalized * weight[channel] + bias[channel], slope);
        if (batch_statistics) {
            const real* sums = group_sums + group * 2 * channels + channel;
            g -= (sums[0] + normalized * sums[channels]) / real(rows);
        }
        dx[i] = weight[channel] * inverse * g;
    }
}
