// Convolution, step 4: a thread computes 4×4 outputs, in registers.
//
// The idea: reuse once more, one level up. In step 3 each product took two loads from shared
// memory. A thread that keeps 16 sums loads 4 values of A and 4 of W for 16 products. That is half
// a load a product instead of two. The block's tile grows to 64×64, so global memory is read 4
// times less often as well. A thread's rows and columns are 16 apart, so that neighbouring lanes
// read
// neighbouring words: no two of them meet in a bank.
//
// Launch: grid (⌈windows/64⌉, ⌈o/64⌉), block (16, 16). Bound: instructions; every load and copy still moves one element.

#include "study/conv2d/geometry.cuh"

constexpr int kTile = 64, kSlice = 16, kSide = 16, kThreads = kSide * kSide;
constexpr int kPart = kTile / kSide;  // rows, and columns, of a thread

KERNEL conv2d(const real* __restrict__ x, const real* __restrict__ w, real* __restrict__ y, GEOMETRY_PARAMETERS) {
    const Geometry g = GEOMETRY;
    __shared__ real a[kTile][kSlice];
    __shared__ real b[kSlice][kTile];
    const int down = threadIdx.y, across = threadIdx.x, thread = down * kSide + across;
    const int window0 = blockIdx.x * kTile, channel0 = blockIdx.y * kTile;

    real sum[kPart][kPart] = {};
    for (int k0 = 0; k0 < g.taps(); k0 += kSlice) {
        for (int i = thread; i < kTile * kSlice; i += kThreads) {
            const int in_x = g.element(window0 + i / kSlice, k0 + i % kSlice);
            const int in_w = g.filter_element(k0 + i / kTile, channel0 + i % kTile);
            a[i / kSlice][i % kSlice] = in_x < 0 ? real(0) : x[in_x];
            b[i / kTile][i % kTile] = in_w < 0 ? real(0) : w[in_w];
        }
        __syncthreads();
        for (int k = 0; k < kSlice; ++k) {
            real rows[kPart], columns[kPart];
            for (int i = 0; i < kPart; ++i) rows[i] = a[down + i * kSide][k];
            for (int j = 0; j < kPart; ++j) columns[j] = b[k][across + j * kSide];
            for (int i = 0; i < kPart; ++i)
                for (int j = 0; j < kPart; ++j) sum[i][j] += rows[i] * columns[j];
        }
        __syncthreads();
    }
    for (int i = 0; i < kPart; ++i)
        for (int j = 0; j < kPart; ++j) {
            const int window = window0 + down + i * kSide, channel = channel0 + across + j * kSide;
            if (window < g.windows() && channel < o) y[window * o + channel] = sum[i][j];
        }
}
