// Batch normalization, step 3: within a warp, values go from register to register.
//
// The idea: the lanes of a warp run together, so they need neither shared memory nor a barrier to
// add up. Five shuffles (warp_sum of minigan.cuh) give each lane the sum of 32. Only the 8 sums of
// the warps meet in shared memory: 2 barriers a sum instead of 10.
//
// Launch: as step 2. Bound: as step 2; the sectors are as they were.

#include "minigan.cuh"

constexpr int kThreads = 256, kWarps = kThreads / kWarp;

__device__ __forceinline__ real block_sum(real (&shared)[kWarps], real value) {
    value = warp_sum(value);
    if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = value;
    __syncthreads();
    real sum = 0;
    for (int warp = 0; warp < kWarps; ++warp) sum += shared[warp];
    __syncthreads();  // everybody has read them before the next sums are written
    return sum;
}

KERNEL batch_norm(const real* __restrict__ x, const real* __restrict__ weight, const real* __restrict__ bias, real* __restrict__ y,
                  real epsilon, int rows, int channels) {
    __shared__ real shared[kWarps];
    const int channel = blockIdx.x;

    real sum = 0, squares = 0;
    for (int row = threadIdx.x; row < rows; row += kThreads) sum += x[row * channels + channel];
    const real mean = block_sum(shared, sum) / real(rows);
    for (int row = threadIdx.x; row < rows; row += kThreads) {
        const real difference = x[row * channels + channel] - mean;
        squares += difference * difference;
    }
    const real scale = weight[channel] / sqrt(block_sum(shared, squares) / real(rows) + epsilon);
    for (int row = threadIdx.x; row < rows; row += kThreads) {
        const int i = row * channels + channel;
        y[i] = (x[i] - mean) * scale + bias[channel];
    }
}
