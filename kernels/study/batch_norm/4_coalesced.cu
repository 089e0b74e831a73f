// Batch normalization, step 4: a block takes 32 channels side by side.
//
// The idea: coalescing, with many threads. In a block of 32×8 threads a warp reads 32 neighbouring channels of one row, 8 warps 8 rows
// at a time. A sum now runs over the 8 threads of a column, one of each warp, so it needs shared memory and no shuffle. (A warp has no use
// for shuffles here: its lanes belong to different channels.)
//
// Launch: grid ⌈channels/32⌉, block (32, 8). Bound: latency again; for 128 channels there are 4 blocks, and a GPU has a hundred places
// for them.

#include "minigan.cuh"

constexpr int kRows = 8;

__device__ __forceinline__ real column_sum(real (&shared)[kRows][kWarp], real value) {
    shared[threadIdx.y][threadIdx.x] = value;
    __syncthreads();
    real sum = 0;
    for (int i = 0; i < kRows; ++i) sum += shared[i][threadIdx.x];
    __syncthreads();
    return sum;
}

KERNEL batch_norm(const real* __restrict__ x, const real* __restrict__ weight, const real* __restrict__ bias, real* __restrict__ y,
                  real epsilon, int rows, int channels) {
    __shared__ real shared[kRows][kWarp];
    const int channel = blockIdx.x * kWarp + threadIdx.x, first = threadIdx.y;
    const int end = channel < channels ? rows : 0;  // of an absent channel, no row

    real sum = 0, squares = 0;
    for (int row = first; row < end; row += kRows) sum += x[row * channels + channel];
    const real mean = column_sum(shared, sum) / real(rows);
    for (int row = first; row < end; row += kRows) {
        const real difference = x[row * channels + channel] - mean;
        squares += difference * difference;
    }
    const real variance = column_sum(shared, squares) / real(rows);
    for (int row = first; row < end; row += kRows) {
        const int i = row * channels + channel;
        y[i] = (x[i] - mean) * (weight[channel] / sqrt(variance + epsilon)) + bias[channel];
    }
}
