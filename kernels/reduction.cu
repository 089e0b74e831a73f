// Sums of all elements, with a weight for each column, and their gradient.
//
// Layout: x (…, columns), flat; weights (columns,) or null for 1. Bound: memory, x read once; for a loss, the launch.

#include "minigan.cuh"

constexpr int kBlock = 256;

// result[block] = Σ x·weights / divisor over the block's share of x, in a fixed order. Launch: blocks of 256 threads, a
// grid-stride loop. A grid of one block gives the sum; a second launch adds up the sums of a larger grid's blocks.
KERNEL weighted_sum(const real* __restrict__ x, const real* __restrict__ weights, real* __restrict__ result,
                    real divisor, int columns, long long n) {
    __shared__ real warps[kBlock / kWarp];
    const auto value = [&](long long i) { return weights == nullptr ? x[i] : x[i] * weights[i % columns]; };
    real sum = warp_sum(blocked_sum(value, grid_index(), n, grid_stride()));
    if (threadIdx.x % kWarp == 0) warps[threadIdx.x / kWarp] = sum;
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (int i = 1; i < kBlock / kWarp; ++i) sum += warps[i];
    result[blockIdx.x] = sum / divisor;
}

// dx = dy·weights / divisor: one number for each column. Launch: blocks of 256, a grid-stride loop. Writes dx.
KERNEL weighted_sum_backward(const real* __restrict__ dy, const real* __restrict__ weights, real* __restrict__ dx,
                             real divisor, int columns, long long n) {
    const real share = *dy / divisor;
    for (long long i = grid_index(); i < n; i += grid_stride())
        dx[i] = weights == nullptr ? share : share * weights[i % columns];
}
