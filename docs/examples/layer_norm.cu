// Layer normalization of each row, y = (x − mean)/√(variance + ε), and its gradient.
//
// Layout: x (rows, columns), a row contiguous. Launch: a block of 128 threads a row; its sums go from the lanes of a warp
// to shared memory, and are added there in order. Bound: memory. Forward reads x (from DRAM once, then from a cache) and
// writes y; backward reads dy and y and writes dx.

#include "minigan.cuh"

constexpr int kThreads = 128, kWarps = kThreads / kWarp;

// Σ over the threads of the block; every thread gets it.
__device__ real block_sum(real value) {
    __shared__ real sums[kWarps];
    value = warp_sum(value);
    __syncthreads();  // no thread still reads the sums of the call before
    if (threadIdx.x % kWarp == 0) sums[threadIdx.x / kWarp] = value;
    __syncthreads();
    real total = 0;
    for (int warp = 0; warp < kWarps; ++warp) total += sums[warp];
    return total;
}

// y, and 1/√(variance + ε) of each row for the gradient.
KERNEL __launch_bounds__(kThreads) layer_norm(const real* __restrict__ x, real* __restrict__ y, real* __restrict__ scale,
                                              real epsilon, int columns) {
    const real* row = x + (long long)blockIdx.x * columns;
    real sum = 0, squares = 0;
    for (int i = threadIdx.x; i < columns; i += kThreads) sum += row[i];
    const real mean = block_sum(sum) / columns;
    for (int i = threadIdx.x; i < columns; i += kThreads) squares += (row[i] - mean) * (row[i] - mean);
    const real factor = real(1) / sqrt(block_sum(squares) / columns + epsilon);
    for (int i = threadIdx.x; i < columns; i += kThreads)
        y[(long long)blockIdx.x * columns + i] = (row[i] - mean) * factor;
    if (threadIdx.x == 0) scale[blockIdx.x] = factor;
}

// dx = scale·(dy − mean(dy) − y·mean(dy·y)).
KERNEL __launch_bounds__(kThreads) layer_norm_backward(const real* __restrict__ dy, const real* __restrict__ y,
                                                       const real* __restrict__ scale, real* __restrict__ dx, int columns) {
    const long long start = (long long)blockIdx.x * columns;
    real sum = 0, product = 0;
    for (int i = threadIdx.x; i < columns; i += kThreads) {
        sum += dy[start + i];
        product += dy[start + i] * y[start + i];
    }
    const real mean = block_sum(sum) / columns, projection = block_sum(product) / columns;
    for (int i = threadIdx.x; i < columns; i += kThreads)
        dx[start + i] = scale[blockIdx.x] * (dy[start + i] - mean - y[start + i] * projection);
}
