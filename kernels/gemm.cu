// C = op(A)·op(B) + bias, and sums of columns.
//
// Layout: row-major, op(A) (m, k), op(B) (k, n), C (m, n), bias (n) or null.
// Launch: grid (⌈n/64⌉, ⌈m/64⌉), block 256; see tile.cuh. Bound: arithmetic, 2·m·n·k FLOPs.

#include "tile.cuh"

KERNEL gemm_nn(const real* a, const real* b, const real* bias, real* c, int m, int n, int k) {
    tiled_product(RowMajorA{a, k}, RowMajorB{b, n}, StoreRows{c, bias, n}, m, n, k);
}

KERNEL gemm_nt(const real* a, const real* b, const real* bias, real* c, int m, int n, int k) {
    tiled_product(RowMajorA{a, k}, TransposedB{b, k}, StoreRows{c, bias, n}, m, n, k);
}

KERNEL gemm_tn(const real* a, const real* b, const real* bias, real* c, int m, int n, int k) {
    tiled_product(TransposedA{a, m}, RowMajorB{b, n}, StoreRows{c, bias, n}, m, n, k);
}

KERNEL gemm_tt(const real* a, const real* b, const real* bias, real* c, int m, int n, int k) {
    tiled_product(TransposedA{a, m}, TransposedB{b, k}, StoreRows{c, bias, n}, m, n, k);
}

// Σ over the rows of x (rows, columns): each part of the rows into partial (parts, columns).
//
// Launch: grid (⌈columns/32⌉, parts), block (32, 8): 32 columns side by side, 8 rows at a time. Bound: memory, x read once.
KERNEL column_sum_parts(const real* __restrict__ x, real* __restrict__ partial, int rows, int columns) {
    __shared__ real sums[8][kWarp];
    const int column = blockIdx.x * kWarp + threadIdx.x, parts = gridDim.y, part = blockIdx.y;
    const int begin = int((long long)rows * part / parts), end = int((long long)rows * (part + 1) / parts);
    real sum = 0;
    if (column < columns)
        for (int row = begin + threadIdx.y; row < end; row += blockDim.y) sum += x[(long long)row * columns + column];
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < columns) {
        for (int i = 1; i < 8; ++i) sum += sums[i][threadIdx.x];
        partial[(long long)part * columns + column] = sum;
    }
}

// The sum of the parts, in order. Launch: a thread a column.
KERNEL column_sum_merge(const real* __restrict__ partial, real* __restrict__ result, int parts, int columns) {
    const int column = int(grid_index());
    if (column >= columns) return;
    real sum = 0;
    for (int part = 0; part < parts; ++part) sum += partial[(long long)part * columns + column];
    result[column] = sum;
}
