// Convolution, step 3: a block loads a tile of each matrix into shared memory, and multiplies there.
//
// The idea: reuse. The outputs of 16 windows and 16 channels need only 16 rows of A and 16 columns of W. The block's 256 threads
// copy a slice of both, 16 taps at a time, each thread one element of each. Then every value in shared memory serves
// 16 threads. Global memory is read 16 times less often. Two barriers keep copying and multiplying apart.
//
// Launch: grid (⌈windows/16⌉, ⌈o/16⌉), block (16, 16): a thread an output. Bound: shared memory, two loads for each product.

#include "study/conv2d/geometry.cuh"

constexpr int kTile = 16;

KERNEL conv2d(const real* __restrict__ x, const real* __restrict__ w, real* __restrict__ y, GEOMETRY_PARAMETERS) {
    const Geometry g = GEOMETRY;
    __shared__ real a[kTile][kTile];
    __shared__ real b[kTile][kTile];
    const int down = threadIdx.y, across = threadIdx.x;
    const int window = blockIdx.x * kTile + down, channel = blockIdx.y * kTile + across;

    real sum = 0;
    for (int k0 = 0; k0 < g.taps(); k0 += kTile) {
        const int in_x = g.element(window, k0 + across), in_w = g.filter_element(k0 + down, channel);
        a[down][across] = in_x < 0 ? real(0) : x[in_x];
        b[down][across] = in_w < 0 ? real(0) : w[in_w];
        __syncthreads();  // the slice is there
        for (int k = 0; k < kTile; ++k) sum += a[down][k] * b[k][across];
        __syncthreads();  // no thread reads it any more
    }
    if (window < g.windows() && channel < o) y[window * o + channel] = sum;
}
