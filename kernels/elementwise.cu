// Elementwise kernels: one pass over memory, which bounds them.
//
// Layout: flat arrays of n elements. Launch: blocks of 256 threads, a grid-stride loop.
// Bytes: (arrays read + arrays written)·n·sizeof(real), named at each kernel.

#include "minigan.cuh"

// y = x if x > 0 else slope·x. Reads x, writes y.
KERNEL leaky_relu(const real* __restrict__ x, real* __restrict__ y, real slope, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) y[i] = leaky(x[i], slope);
}

// dx = dy if x > 0 else slope·dy. Reads dy and x, writes dx.
KERNEL leaky_relu_backward(const real* __restrict__ dy, const real* __restrict__ x, real* __restrict__ dx,
                           real slope, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) dx[i] = leaky_gradient(dy[i], x[i], slope);
}

// y = 1/(1 + e⁻ˣ); e⁻|ˣ| cannot overflow, and serves both halves of the curve. Reads x, writes y.
KERNEL sigmoid(const real* __restrict__ x, real* __restrict__ y, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const real e = exp(-fabs(x[i]));
        y[i] = (x[i] < real(0) ? e : real(1)) / (real(1) + e);
    }
}

// dx = dy·y·(1 − y). Reads dy and y, writes dx.
KERNEL sigmoid_backward(const real* __restrict__ dy, const real* __restrict__ y, real* __restrict__ dx,
                        long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) dx[i] = dy[i] * y[i] * (real(1) - y[i]);
}

// total += gradient. Reads both, writes total.
KERNEL accumulate(real* __restrict__ total, const real* __restrict__ gradient, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) total[i] += gradient[i];
}

// target[i] = source[i]. Reads source, writes target: a part of a concatenation.
KERNEL copy(const real* __restrict__ source, real* __restrict__ target, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) target[i] = source[i];
}

// result[row, i] = images[indices[row], i]·scale + low. Reads a byte a pixel, writes a real.
KERNEL gather_images(const unsigned char* __restrict__ images, const long long* __restrict__ indices,
                     real* __restrict__ result, real scale, real low, int pixels, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const long long row = i / pixels;
        result[i] = real(images[indices[row] * pixels + i % pixels]) * scale + low;
    }
}
