// Batch normalization, step 2: a block a channel; its threads add up in a tree.
//
// The idea: 256 threads share the rows of a channel. Each adds its own, then the partial sums meet
// in shared memory. Half of the threads add the other half's, half of these theirs, and so on. That
// is 8 rounds for 256 numbers, with a barrier after each. The order is fixed, and so are the
// roundings.
//
// But look at the sectors: neighbouring threads now take neighbouring rows, which are `channels` elements apart. And while the tree
// narrows, ever fewer lanes work.
//
// Launch: a block of 256 threads a channel. Bound: memory, sectors with one element in use.

#include "minigan.cuh"

constexpr int kThreads = 256;

__device__ __forceinline__ real block_sum(real (&shared)[kThreads], real value) {
    const int thread = threadIdx.x;
    shared[thread] = value;
    __syncthreads();
    for (int half = kThreads / 2; half > 0; half /= 2) {
        if (thread < half) shared[thread] += shared[thread + half];
        __syncthreads();
    }
    const real sum = shared[0];
    __syncthreads();  // everybody has read it before the next sum is written
    return sum;
}

KERNEL batch_norm(const real* __restrict__ x, const real* __restrict__ weight, const real* __restrict__ bias, real* __restrict__ y,
                  real epsilon, int rows, int channels) {
    __shared__ real shared[kThreads];
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
