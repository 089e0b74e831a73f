// What the kernels share: the element type, sums over a warp and a block, activations, asynchronous copies.
//
// A kernel file is compiled once for each element type, with REAL defined as float or double.
#pragma once

#ifndef REAL
#define REAL float
#endif
typedef REAL real;

#define KERNEL extern "C" __global__ void

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// The activation of minigan's kernels: the identity for slope 1, ReLU for 0, the paper's leaky ReLU for 0.1.
__device__ __forceinline__ real leaky(real x, real slope) { return x > real(0) ? x : slope * x; }
__device__ __forceinline__ real leaky_gradient(real dy, real x, real slope) { return x > real(0) ? dy : slope * dy; }

// Σ over the lanes of a warp, in a fixed order; every lane gets the sum.
__device__ __forceinline__ real warp_sum(real value) {
    for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
    return value;
}

// The index of this thread in a one-dimensional grid, and how many threads the grid has.
__device__ __forceinline__ long long grid_index() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ long long grid_stride() { return (long long)gridDim.x * blockDim.x; }
