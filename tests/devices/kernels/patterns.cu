// Access patterns with a cost that is counted on paper; for tests of the profiler. REAL is float, blocks have 64 threads.

#include "minigan.cuh"

KERNEL load_stride(const float* x, float* y, int stride) { y[threadIdx.x] = x[threadIdx.x * stride]; }

KERNEL load_offset(const float* x, float* y, int offset) { y[threadIdx.x] = x[threadIdx.x + offset]; }

KERNEL load_four(const float4* x, float4* y) { y[threadIdx.x] = x[threadIdx.x]; }

KERNEL load_same(const float* x, float* y) { y[threadIdx.x] = x[0]; }

KERNEL shared_stride(float* y, int stride) {
    __shared__ float tile[64 * 33];
    for (int i = threadIdx.x; i < 64 * 33; i += 64) tile[i] = 0;
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x % 32 * stride];
}

KERNEL shared_doubles(float* y) {
    __shared__ double tile[64];
    tile[threadIdx.x] = 0;
    __syncthreads();
    y[threadIdx.x] = float(tile[63 - threadIdx.x]);
}

KERNEL transposed(const float* x, float* y, int padded) {  // 32×32 by 64 threads, through a tile
    __shared__ float tile[32 * 33];
    const int width = padded ? 33 : 32, lane = threadIdx.x % 32;
    for (int row = threadIdx.x / 32; row < 32; row += 2) tile[row * width + lane] = x[row * 32 + lane];
    __syncthreads();
    for (int row = threadIdx.x / 32; row < 32; row += 2) y[row * 32 + lane] = tile[lane * width + row];
}

KERNEL diverging(float* y) {
    float value = 1;
    if (threadIdx.x % 4 == 0) value = sqrtf(y[threadIdx.x] + 3.0f) / 5.0f;
    y[threadIdx.x] = value;
}

KERNEL multiplied(const float* x, float* y, int n) {
    float sum = 0;
    for (int i = 0; i < n; ++i) sum += x[i] * x[threadIdx.x];
    y[threadIdx.x] = sum;
}

KERNEL copied_four(const float* x, float* y) {
    __shared__ __align__(16) float tile[64 * 4];
    copy_async(tile + 4 * threadIdx.x, x + 4 * threadIdx.x, true);
    commit_copies();
    wait_copies<0>();
    y[threadIdx.x] = tile[4 * threadIdx.x];
}
