// A tiled matrix product, C = A·B, whose operands are given by functions: the core of GEMM and of every convolution.
//
// A block of 256 threads computes a 64×64 tile of C. For each slice of 16 along k it stages a 64×16 tile of A and a
// 16×64 tile of B in shared memory; each thread then keeps a 4×4 part of C in registers, so that 8 values read from
// shared memory serve 16 multiplications. `a(row, k)` and `b(k, column)` give an element, which may be computed (a
// pixel of a window, say: that is an implicit GEMM) or 0 outside; `store(row, column, value)` takes the result.
//
// Launch: grid (⌈n/64⌉, ⌈m/64⌉, …), block 256. Bound: arithmetic, 2·m·n·k FLOPs.
#pragma once

#include "minigan.cuh"

constexpr int kTile = 64, kSlice = 16, kThreads = 256, kPart = 4;

template <class A, class B, class Store>
__device__ __forceinline__ void tiled_product(A a, B b, Store store, long long m, int n, int k) {
    // One column of padding: the threads that stage a column of A write to different banks.
    __shared__ real tile_a[kSlice][kTile + 1];
    __shared__ real tile_b[kSlice][kTile];
    const int thread = threadIdx.x;
    const long long row0 = (long long)blockIdx.y * kTile;
    const int column0 = blockIdx.x * kTile;
    const int part_row = thread / (kTile / kPart) * kPart, part_column = thread % (kTile / kPart) * kPart;
    real sum[kPart][kPart] = {};

    for (int k0 = 0; k0 < k; k0 += kSlice) {
        for (int i = thread; i < kTile * kSlice; i += kThreads) {
            // Neighbouring threads read along the direction in which the operand is contiguous.
            const int ak = A::k_is_contiguous ? i % kSlice : i / kTile, row = A::k_is_contiguous ? i / kSlice : i % kTile;
            const int bk = B::k_is_contiguous ? i % kSlice : i / kTile, column = B::k_is_contiguous ? i / kSlice : i % kTile;
            tile_a[ak][row] = row0 + row < m && k0 + ak < k ? a(row0 + row, k0 + ak) : real(0);
            tile_b[bk][column] = column0 + column < n && k0 + bk < k ? b(k0 + bk, column0 + column) : real(0);
        }
        __syncthreads();
        real slice[kPart][kPart] = {};
        for (int kk = 0; kk < kSlice; ++kk) {
            real x[kPart], y[kPart];
            for (int i = 0; i < kPart; ++i) x[i] = tile_a[kk][part_row + i];
            for (int j = 0; j < kPart; ++j) y[j] = tile_b[kk][part_column + j];
            for (int i = 0; i < kPart; ++i)
                for (int j = 0; j < kPart; ++j) slice[i][j] += x[i] * y[j];
        }
        // Sums of slices: rounding grows with 16 + k/16 additions, not with k.
        for (int i = 0; i < kPart; ++i)
            for (int j = 0; j < kPart; ++j) sum[i][j] += slice[i][j];
        __syncthreads();  // before the next slice overwrites the tiles
    }
    for (int i = 0; i < kPart; ++i)
        for (int j = 0; j < kPart; ++j)
            if (row0 + part_row + i < m && column0 + part_column + j < n)
                store(row0 + part_row + i, column0 + part_column + j, sum[i][j]);
}

// A matrix in memory, or its transpose. `rows_apart` is the distance between its rows as they lie.
struct RowMajorA {
    static constexpr bool k_is_contiguous = true;
    const real* data;
    long long rows_apart;
    __device__ real operator()(long long row, int k) const { return data[row * rows_apart + k]; }
};
struct TransposedA {
    static constexpr bool k_is_contiguous = false;
    const real* data;
    long long rows_apart;
    __device__ real operator()(long long row, int k) const { return data[k * rows_apart + row]; }
};
struct RowMajorB {
    static constexpr bool k_is_contiguous = false;
    const real* data;
    long long rows_apart;
    __device__ real operator()(int k, int column) const { return data[k * rows_apart + column]; }
};
struct TransposedB {
    static constexpr bool k_is_contiguous = true;
    const real* data;
    long long rows_apart;
    __device__ real operator()(int k, int column) const { return data[column * rows_apart + k]; }
};

// C in memory, plus a bias for each column (or none, for a null pointer).
struct StoreRows {
    real* data;
    const real* bias;
    long long rows_apart;
    __device__ void operator()(long long row, int column, real value) const {
        data[row * rows_apart + column] = bias != nullptr ? value + bias[column] : value;
    }
};
