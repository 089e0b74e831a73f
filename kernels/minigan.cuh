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

// Asynchronous copies of 16 bytes from global to shared memory: issued, closed into a group, and there once a wait says
// so. Outside the bounds 16 zero bytes are written and nothing is read. Before sm_80 a copy is made at once.
#ifdef MINIGAN_EMULATION
__device__ __forceinline__ void copy_async(void* target, const void* source, bool in_bounds) {
    emulation::copy_async(target, source, 16, in_bounds);
}
__device__ __forceinline__ void commit_copies() { emulation::commit_async_group(); }
template <int still_in_flight>
__device__ __forceinline__ void wait_copies() { emulation::wait_async_groups(still_in_flight); }
#elif __CUDA_ARCH__ >= 800
__device__ __forceinline__ void copy_async(void* target, const void* source, bool in_bounds) {
    const unsigned address = unsigned(__cvta_generic_to_shared(target));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(source), "r"(in_bounds ? 16 : 0));
}
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;"); }
template <int still_in_flight>
__device__ __forceinline__ void wait_copies() { asm volatile("cp.async.wait_group %0;" ::"n"(still_in_flight)); }
#else
__device__ __forceinline__ void copy_async(void* target, const void* source, bool in_bounds) {
    const uint4 zero = {0, 0, 0, 0};
    *static_cast<uint4*>(target) = in_bounds ? *static_cast<const uint4*>(source) : zero;
}
__device__ __forceinline__ void commit_copies() {}
template <int still_in_flight>
__device__ __forceinline__ void wait_copies() {}
#endif
