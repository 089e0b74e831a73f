// C = activation(op(A)·op(B) + bias), sums of columns, and sums of parts.
//
// Layout: row-major, op(A) (m, k), op(B) (k, n), C (m, n), bias (n) or null. With several splits C
// is (splits, m, n), and `sum_parts` adds them and has the epilogue.
// A kernel's name says which of A and B are transposed (t) as they lie, and whether the product is
// rounded to TF32. It also says whether 128-bit copies fit both (`vector`: the rows of both are of
// whole ones, and aligned).
// Launch: grid (⌈m/64⌉·⌈n/64⌉, splits), block 128; see tile.cuh. Bound: arithmetic, 2·m·n·k FLOPs.

#include "tile.cuh"

template <class Product, int width, class A, class B>
__device__ __forceinline__ void gemm(const real* a, const real* b, const Epilogue& epilogue, real* c, int m, int n, int k) {
    const unsigned a_pitch = A::k_is_contiguous ? k : m, b_pitch = B::k_is_contiguous ? k : n;
    const StoreRows store{result_of_split(c, (long long)m * n), n};
    tiled_product<Product, width, width>(A{{a}, a_pitch}, B{{b}, b_pitch}, store, epilogue, m, n, k);
}

#define GEMM const real *a, const real *b, const real *bias, real slope, real *moments, real *c, int m, int n, int k

KERNEL gemm_nn(GEMM) { gemm<IeeeProduct, kElement, Rows, Columns>(a, b, {bias, slope, moments}, c, m, n, k); }
KERNEL gemm_nn_vector(GEMM) { gemm<IeeeProduct, kVector, Rows, Columns>(a, b, {bias, slope, moments}, c, m, n, k); }
KERNEL gemm_nn_tf32(GEMM) { gemm<Tf32Product, kElement, Rows, Columns>(a, b, {bias, slope, moments}, c, m, n, k); }
KERNEL gemm_nn_vector_tf32(GEMM) { gemm<Tf32Product, kVector, Rows, Columns>(a, b, {bias, slope, moments}, c, m, n, k); }

KERNEL gemm_nt(GEMM) { gemm<IeeeProduct, kElement, Rows, Rows>(a, b, {bias, slope, moments}, c, m, n, k); }
KERNEL gemm_nt_vector(GEMM) { gemm<IeeeProduct, kVector, Rows, Rows>(a, b, {bias, slope, moments}, c, m, n, k); }
KERNEL gemm_nt_tf32(GEMM) { gemm<Tf32Product, kElement, Rows, Rows>(a, b, {bias, slope, moments}, c, m, n, k); }
KERNEL gemm_nt_vector_tf32(GEMM) { gemm<Tf32Product, kVector, Rows, Rows>(a, b, {bias, slope, moments}, c, m, n, k); }

KERNEL gemm_tn(GEMM) { gemm<IeeeProduct, kElement, Columns, Columns>(a, b, {bias, slope, moments}, c, m, n, k); }
KERNEL gemm_tn_vector(GEMM) { gemm<IeeeProduct, kVector, Columns, Columns>(a, b, {bias, slope, moments}, c, m, n, k); }
KERNEL gemm_tn_tf32(GEMM) { gemm<Tf32Product, kElement, Columns, Columns>(a, b, {bias, slope, moments}, c, m, n, k); }
KERNEL gemm_tn_vector_tf32(GEMM) { gemm<Tf32Product, kVector, Columns, Columns>(a, b, {bias, slope, moments}, c, m, n, k); }

KERNEL gemm_tt(GEMM) { gemm<IeeeProduct, kElement, Columns, Rows>(a, b, {bias, slope, moments}, c, m, n, k); }
KERNEL gemm_tt_vector(GEMM) { gemm<IeeeProduct, kVector, Columns, Rows>(a, b, {bias, slope, moments}, c, m, n, k); }
KERNEL gemm_tt_tf32(GEMM) { gemm<Tf32Product, kElement, Columns, Rows>(a, b, {bias, slope, moments}, c, m, n, k); }
KERNEL gemm_tt_vector_tf32(GEMM) { gemm<Tf32Product, kVector, Columns, Rows>(a, b, {bias, slope, moments}, c, m, n, k); }

// Σ over the rows of x (rows, columns): each part of the rows into partial (parts, columns).
//
// Launch: grid (⌈columns/32⌉, parts), block (32, 8): 32 columns side by side, 8 rows at a time. Bound: memory, x read once.
KERNEL column_sum_parts(const real* __restrict__ x, real* __restrict__ partial, int rows, int columns) {
    __shared__ real sums[8][kWarp];
    const int column = blockIdx.x * kWarp + threadIdx.x, parts = gridDim.y, part = blockIdx.y;
    const int begin = int((long long)rows * part / parts), end = int((long long)rows * (part + 1) / parts);
    real sum = 0;
    if (column < columns)
        sum = blocked_sum([&](long long row) { return x[row * columns + column]; }, begin + threadIdx.y, end, blockDim.y);
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < columns) {
        for (int i = 1; i < 8; ++i) sum += sums[i][threadIdx.x];
        partial[(long long)part * columns + column] = sum;
    }
}

// result (size): the parts (parts, size) summed in order, and the activation. A bias (columns) is
// added to each of its rows, or none for a null pointer.
//
// Launch: a thread an element. Bound: memory.
KERNEL sum_parts(const real* __restrict__ partial, const real* __restrict__ bias, real slope, real* __restrict__ result,
                 int parts, int columns, long long size) {
    const Epilogue epilogue{bias, slope};
    for (long long i = grid_index(); i < size; i += grid_stride())
        result[i] = epilogue.finish(sum_of_parts(partial, parts, size, i), int(i % columns));
}
