// The wrappers of tensor_core.cuh one by one, each lane's registers to memory as they are; for tests. REAL is float.

#include "tensor_core.cuh"

// a (32 lanes, 4 registers), b (32, 2), c (32, 4); one warp a block, each with other matrices.
KERNEL multiply(const float* a, const float* b, float* c) {
    const int lane = blockIdx.x * kWarp + threadIdx.x;
    unsigned x[1][4], y[1][2];
    for (int i = 0; i < 4; ++i) x[0][i] = reinterpret_cast<const unsigned*>(a)[lane * 4 + i];
    for (int i = 0; i < 2; ++i) y[0][i] = reinterpret_cast<const unsigned*>(b)[lane * 2 + i];
    float sum[1][1][4];
    for (int i = 0; i < 4; ++i) sum[0][0][i] = c[lane * 4 + i];
    mma(sum, x, y);
    for (int i = 0; i < 4; ++i) c[lane * 4 + i] = sum[0][0][i];
}

// x (32 rows, 4 words), rows in the order that `order` gives to the lanes' addresses; words (32 lanes, 4 matrices).
KERNEL load(const float* x, const int* order, unsigned* words) {
    __shared__ __align__(16) float rows[32 * 4];
    for (int i = 0; i < 4; ++i) rows[threadIdx.x * 4 + i] = x[threadIdx.x * 4 + i];
    __syncwarp();
    unsigned mine[4];
    load_matrices(mine, rows + order[threadIdx.x] * 4);
    for (int i = 0; i < 4; ++i) words[threadIdx.x * 4 + i] = mine[i];
}

KERNEL round_values(const float* x, unsigned* bits, int n) {
    for (int i = int(grid_index()); i < n; i += int(grid_stride())) bits[i] = round_to_tf32(x[i]);
}

KERNEL divide(const int* n, const int* d, int* quotient, int* remainder, int count) {
    for (int i = int(grid_index()); i < count; i += int(grid_stride())) quotient[i] = Divisor(d[i]).divide(n[i], remainder[i]);
}
