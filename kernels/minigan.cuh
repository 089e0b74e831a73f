// The parts that the kernels share: the element type, sums over a warp and a block, activations, asynchronous copies.
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

// slope·value, and 0 for slope 0 even where the value is infinite.
__device__ __forceinline__ real damp(real value, real slope) { return slope == real(0) ? real(0) : slope * value; }

// The activation of minigan's kernels: the identity for slope 1, ReLU for 0, the paper's leaky ReLU for 0.1. NaN stays NaN.
__device__ __forceinline__ real leaky(real x, real slope) { return x < real(0) ? damp(x, slope) : x; }
// dy behind the activation. As in PyTorch, x = 0 is on the left side; at NaN the factor is the slope, but 1 for ReLU.
__device__ __forceinline__ real leaky_gradient(real dy, real x, real slope) {
    return x > real(0) || (slope == real(0) && !(x <= real(0))) ? dy : damp(dy, slope);
}

// The operations on a product's sums before they are stored.
struct Epilogue {
    const real* bias = nullptr;  // of each column, or null for none
    real slope = 1;              // of the activation
    real* moments = nullptr;     // where the moments of each tile go, (phases, tiles down, 2, columns), or null
    __device__ __forceinline__ real finish(real sum, int column) const {
        return leaky(bias != nullptr ? sum + bias[column] : sum, slope);
    }
};

// Σ value(i), i = begin, begin + step, … below end, in blocks of 64 and blocks of 64 of those. An
// element takes part in at most 128 + count / 4096 additions, so that rounding stays small.
// (Compensated sums would make NaN of ∞.)
template <class Value>
__device__ __forceinline__ real blocked_sum(const Value& value, long long begin, long long end, long long step) {
    real total = 0;
    for (long long i = begin; i < end;) {
        real outer = 0;
        for (int k = 0; k < 64 && i < end; ++k) {
            real inner = 0;
            for (int j = 0; j < 64 && i < end; ++j, i += step) inner += value(i);
            outer += inner;
        }
        total += outer;
    }
    return total;
}

// Σ of the parts (parts, size) of element i, in order.
__device__ __forceinline__ real sum_of_parts(const real* partial, int parts, long long size, long long i) {
    real sum = 0;
    for (int part = 0; part < parts; ++part) sum += partial[part * size + i];
    return sum;
}

// Σ over the lanes of a warp, in a fixed order; every lane gets the sum.
__device__ __forceinline__ real warp_sum(real value) {
    for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
    return value;
}

// The index of this thread in a one-dimensional grid, and how many threads the grid has.
__device__ __forceinline__ long long grid_index() { return (long long)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ long long grid_stride() { return (long long)gridDim.x * blockDim.x; }

// As many elements as one load moves, and one 128-bit load of them.
constexpr int kVector = 16 / sizeof(real);
struct __align__(16) Vector { real value[kVector]; };

// The float of these bits.
__device__ __forceinline__ float as_float(unsigned bits) {
#ifdef MINIGAN_EMULATION
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
#else
    return __uint_as_float(bits);
#endif
}

// Asynchronous copies of 4, 8 or 16 bytes from global to shared memory: issued, closed into a group, and there once a wait
// says so. Outside the bounds zeros are written and nothing is read. Before sm_80 a copy is made at once.
#ifdef MINIGAN_EMULATION
template <int bytes = 16>
__device__ __forceinline__ void copy_async(void* target, const void* source, bool in_bounds) {
    emulation::copy_async(target, source, bytes, in_bounds);
}
__device__ __forceinline__ void commit_copies() { emulation::commit_async_group(); }
template <int still_in_flight>
__device__ __forceinline__ void wait_copies() { emulation::wait_async_groups(still_in_flight); }
#elif __CUDA_ARCH__ >= 800
template <int bytes = 16>
__device__ __forceinline__ void copy_async(void* target, const void* source, bool in_bounds) {
    const unsigned address = unsigned(__cvta_generic_to_shared(target)), size = in_bounds ? bytes : 0;
    if constexpr (bytes == 16)  // past the L1 cache, which smaller copies may not pass
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address), "l"(source), "r"(size) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(address), "l"(source), "n"(bytes), "r"(size) : "memory");
}
__device__ __forceinline__ void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int still_in_flight>
__device__ __forceinline__ void wait_copies() { asm volatile("cp.async.wait_group %0;" ::"n"(still_in_flight) : "memory"); }
#else
template <int bytes = 16>
__device__ __forceinline__ void copy_async(void* target, const void* source, bool in_bounds) {
    struct __align__(bytes) Bytes { unsigned words[bytes / 4]; };
    *static_cast<Bytes*>(target) = in_bounds ? *static_cast<const Bytes*>(source) : Bytes{};
}
__device__ __forceinline__ void commit_copies() {}
template <int still_in_flight>
__device__ __forceinline__ void wait_copies() {}
#endif

// n / d and n % d for 0 ≤ n < 2³¹, without a division, which takes a GPU some twenty instructions.
// ⌊n·⌊(2³² − 1)/d⌋ / 2³²⌋ is the quotient or 1 less. A length without elements may be divided by 0:
// its result is never read.
struct Divisor {
    int d;
    unsigned reciprocal;
    __device__ __forceinline__ explicit Divisor(int d) : d(d), reciprocal(0xffffffffu / unsigned(max(d, 1))) {}
    __device__ __forceinline__ int divide(int n, int& remainder) const {
        int quotient = int(__umulhi(unsigned(n), reciprocal));
        remainder = n - quotient * d;
        if (remainder >= d) {
            ++quotient;
            remainder -= d;
        }
        return quotient;
    }
};
