// Batch normalization, step 5: several blocks share the rows of a channel, and several kernels the work.
//
// The idea: fill the GPU. Blocks cannot wait for each other within a kernel; the end of a launch is
// the barrier between them. So each block leaves the sum over its part of the rows, and a second
// kernel adds the parts (in order: no atomics, so the same bits at every run). The normalization,
// where every element is for itself, has a thread an element. The price: 5 launches, and mean and
// variance go through memory.
//
// Launch: parts: grid (⌈channels/32⌉, parts), block (32, 8); merge: a thread a channel; normalize: a thread an element.
// Bound: memory: x is read three times. The kernel in use (normalization.cu) reads it twice: Welford's recurrence gives mean and
// variance in one pass, and Chan's formula merges those of two sets of rows. Last, the activation that follows goes into the normalization.

#include "minigan.cuh"

constexpr int kRows = 8;

// Σ x of each channel over one part of the rows, or Σ(x − mean)² if there is a mean: sums (parts, channels).
KERNEL sum_parts(const real* __restrict__ x, const real* __restrict__ mean, real* __restrict__ sums, int rows, int channels) {
    __shared__ real shared[kRows][kWarp];
    const int channel = blockIdx.x * kWarp + threadIdx.x, part = blockIdx.y, parts = gridDim.y;
    const int begin = rows * part / parts, end = channel < channels ? rows * (part + 1) / parts : 0;

    real sum = 0;
    for (int row = begin + threadIdx.y; row < end; row += kRows) {
        const real value = x[row * channels + channel];
        sum += mean == nullptr ? value : (value - mean[channel]) * (value - mean[channel]);
    }
    shared[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || channel >= channels) return;
    for (int i = 1; i < kRows; ++i) sum += shared[i][threadIdx.x];
    sums[part * channels + channel] = sum;
}

KERNEL merge_parts(const real* __restrict__ sums, real* __restrict__ average, int rows, int channels, int parts) {
    const int channel = int(grid_index());
    if (channel >= channels) return;
    real sum = 0;
    for (int part = 0; part < parts; ++part) sum += sums[part * channels + channel];
    average[channel] = sum / real(rows);
}

KERNEL normalize(const real* __restrict__ x, const real* __restrict__ mean, const real* __restrict__ variance,
                 const real* __restrict__ weight, const real* __restrict__ bias, real* __restrict__ y, real epsilon, int channels,
                 long long n) {
    const long long i = grid_index();
    if (i >= n) return;
    const int channel = int(i % channels);
    y[i] = (x[i] - mean[channel]) * (weight[channel] / sqrt(variance[channel] + epsilon)) + bias[channel];
}
