// Swish, y = x/(1 + e⁻ˣ), and its gradient.
//
// Layout: flat arrays of n elements. Launch: blocks of 256 threads, a grid-stride loop.
// Bound: memory. Forward reads x and writes y, 2n·sizeof(real) bytes; backward reads dy and x and writes dx, 3n·sizeof(real).

#include "minigan.cuh"

__device__ __forceinline__ real sigmoid(real x) { return real(1) / (real(1) + exp(-x)); }

KERNEL swish(const real* __restrict__ x, real* __restrict__ y, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) y[i] = x[i] * sigmoid(x[i]);
}

// dx = dy·s·(1 + x·(1 − s)), s = sigmoid(x).
KERNEL swish_backward(const real* __restrict__ dy, const real* __restrict__ x, real* __restrict__ dx, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const real s = sigmoid(x[i]);
        dx[i] = dy[i] * s * (real(1) + x[i] * (real(1) - s));
    }
}
