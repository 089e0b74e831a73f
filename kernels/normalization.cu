// Batch normalization by group, forward and backward, with the activation inside.
//
// Layout: x (groups·rows, channels), the rows of a group side by side; mean and variance (groups, channels).
// Reductions run over parts of a group's rows, 32 channels side by side and 8 rows at a time (block (32, 8), grid
// (⌈channels/32⌉, parts, groups)); the parts are merged in order by a second kernel. Bound: memory. Forward reads x
// twice and writes y; backward reads x and dy twice and writes dx.

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

// Mean and Σ(x − mean)² of each channel over one part: Welford (1962) in each thread, then merged across threads.
KERNEL batch_norm_parts(const real* __restrict__ x, real* __restrict__ part_mean, real* __restrict__ part_m2, int rows,
                        int channels) {
    __shared__ Moments shared[kRowThreads][kWarp];
    const int channel = blockIdx.x * kWarp + threadIdx.x, part = blockIdx.y, parts = gridDim.y, group = blockIdx.z;
    const int begin = part_begin(rows, part, parts), end = part_begin(rows, part + 1, parts);
    Moments own = {0, 0, 0};
    if (channel < channels) {
        for (int row = begin + threadIdx.y; row < end; row += kRowThreads) {
            const real value = x[((long long)group * rows + row) * channels + channel];
            own.count += real(1);
            const real difference = value - own.mean;
            own.mean += difference / own.count;
            own.m2 += difference * (value - own.mean);
        }
    }
    shared[threadIdx.y][threadIdx.x] = own;
    __syncthreads();
    if (threadIdx.y == 0 && channel < channels) {
        for (int i = 1; i < kRowThreads; ++i) own = merge(own, shared[i][threadIdx.x]);
        const long long at = ((long long)group * parts + part) * channels + channel;
        part_mean[at] = own.mean;
        part_m2[at] = own.m2;
    }
}

constexpr int kGroups = 16;
struct Running {  // by group; null where there are none
    real* mean[kGroups];
    real* variance[kGroups];
};

// The parts of each group merged in order, of up to 16 groups; and running ← momentum·running + (1 − momentum)·batch,
// the variance unbiased. Launch: a thread a channel, which takes the groups in order: one may be named twice.
KERNEL batch_norm_merge(const real* __restrict__ part_mean, const real* __restrict__ part_m2, real* __restrict__ mean,
                        real* __restrict__ variance, const Running running, real momentum, int rows, int channels,
                        int parts, int groups) {
    const int channel = int(grid_index());
    if (channel >= channels) return;
    for (int group = 0; group < groups; ++group) {
        Moments total = {0, 0, 0};
        for (int part = 0; part < parts; ++part) {
            const long long at = ((long long)group * parts + part) * channels + channel;
            const int count = part_begin(rows, part + 1, parts) - part_begin(rows, part, parts);
            total = merge(total, {part_mean[at], part_m2[at], real(count)});
        }
        mean[group * channels + channel] = total.mean;
        variance[group * channels + channel] = total.m2 / real(rows);
        if (running.mean[group] == nullptr) continue;
        real &m = running.mean[group][channel], &v = running.variance[group][channel];
        m = momentum * m + (real(1) - momentum) * total.mean;
        v = momentum * v + (real(1) - momentum) * (total.m2 / real(rows - 1));
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
