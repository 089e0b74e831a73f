// Kernels that CUDA does not allow, each beside one that differs from it by what makes it right. For tests of strict mode;
// all run with blocks of 64 threads.

#include "minigan.cuh"

// -- shared memory and barriers

KERNEL reversed(const real* x, real* y, int with_barrier) {
    __shared__ real tile[64];
    tile[threadIdx.x] = x[threadIdx.x];
    if (with_barrier) __syncthreads();
    y[threadIdx.x] = tile[63 - threadIdx.x];
}

KERNEL tile_reused(const real* x, real* y, int with_barrier) {  // written again before all have read
    __shared__ real tile[64];
    for (int round = 0; round < 2; ++round) {
        tile[threadIdx.x] = x[threadIdx.x + round];
        __syncthreads();
        y[threadIdx.x] = tile[63 - threadIdx.x];
        if (with_barrier) __syncthreads();
    }
}

KERNEL partly_written(real* y, int written) {
    __shared__ real tile[64];
    if (int(threadIdx.x) < written) tile[threadIdx.x] = 1;
    __syncthreads();
    y[threadIdx.x] = tile[threadIdx.x];
}

KERNEL lane_pairs(const real* x, real* y, int partner) {  // __syncwarp orders the lanes of a warp, and no others
    __shared__ real tile[64];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncwarp();
    y[threadIdx.x] = tile[threadIdx.x ^ partner];
}

KERNEL half_warps(const real* x, real* y, int partner) {  // and only those of its mask
    __shared__ real tile[64];
    tile[threadIdx.x] = x[threadIdx.x];
    __syncwarp(threadIdx.x % 32 < 16 ? 0x0000ffffu : 0xffff0000u);
    y[threadIdx.x] = tile[threadIdx.x ^ partner];
}

KERNEL relay(const real* x, real* y, int relayed) {  // lane 0 before lane 1, and that before lane 2
    __shared__ real cell;
    if (threadIdx.x == 0) cell = x[0];
    if (threadIdx.x < 2) __syncwarp(0x3u);
    if (relayed && threadIdx.x > 0 && threadIdx.x < 3) __syncwarp(0x6u);
    if (threadIdx.x == 2) y[0] = cell;
}

KERNEL by_shuffle(const real* x, real* y) {  // a shuffle orders its lanes as well
    __shared__ real tile[64];
    tile[threadIdx.x] = x[threadIdx.x];
    const real sum = warp_sum(x[threadIdx.x]);
    y[threadIdx.x] = tile[threadIdx.x ^ 1] + real(0) * sum;
}

KERNEL stranger_lane(real* y) {
    if (threadIdx.x % 32 < 2) y[threadIdx.x] = __shfl_sync(0x3u, real(1), 5);
}

// -- global memory

KERNEL shifted(const real* x, real* y, int by) { y[threadIdx.x] = x[int(threadIdx.x) + by]; }

KERNEL stored(real* y, int by) { y[int(threadIdx.x) + by] = 1; }

KERNEL added(real* y) { y[threadIdx.x] += real(1); }  // right for one block

KERNEL added_atomically(real* y) { atomicAdd(y + threadIdx.x, real(1)); }

KERNEL counted(int* count, int* y, int plainly) {
    atomicAdd(count, 1);
    if (plainly && threadIdx.x == 0) y[blockIdx.x] = *count;
}

KERNEL bytes(unsigned char* y, int apart) { if (threadIdx.x == 0) y[blockIdx.x * apart] = 7; }

KERNEL null_pointer(const real* x, real* y) { y[threadIdx.x] = x[0]; }

KERNEL of_four(const float* x, float* y, int at) {
    y[threadIdx.x] = reinterpret_cast<const float4*>(x + at)->x;
}

// -- asynchronous copies

KERNEL two_stages(const float* x, float* y, int leave, int with_barrier) {  // stage 1 is on its way while stage 0 is used
    __shared__ __align__(16) float tile[2][64 * 4];
    for (int stage = 0; stage < 2; ++stage) {
        copy_async(tile[stage] + 4 * threadIdx.x, x + 256 * stage + 4 * threadIdx.x, true);
        commit_copies();
    }
    for (int stage = 0; stage < 2; ++stage) {
        if (stage == 0 || leave) wait_copies<1>();
        else wait_copies<0>();
        if (with_barrier) __syncthreads();
        y[64 * stage + threadIdx.x] = tile[stage][4 * (63 - threadIdx.x)];
    }
}

KERNEL copied_far(const float* x, float* y, int by) {
    __shared__ __align__(16) float tile[64 * 4];
    copy_async(tile + 4 * threadIdx.x, x + 4 * (int(threadIdx.x) + by), true);
    commit_copies();
    wait_copies<0>();
    y[threadIdx.x] = tile[4 * threadIdx.x];
}

// -- integers and local arrays

KERNEL local_index(real* y, int by) {
    real part[4];
    for (int i = 0; i < 4; ++i) part[i] = real(i);
    y[threadIdx.x] = part[threadIdx.x % 4 + by];
}

KERNEL shared_index(const real* x, real* y, int by) {  // the index leaves the array, not the shared memory
    __shared__ real first[64];
    __shared__ real second[64];
    first[threadIdx.x] = second[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = first[threadIdx.x + by] + second[threadIdx.x];
}

KERNEL shared_pointer(const real* x, real* y, int by) {  // a pointer: the compiler sees no array
    __shared__ real first[64];
    __shared__ real second[64];
    real *p = first + int(threadIdx.x), *q = second + int(threadIdx.x);
    *q = x[threadIdx.x];
    p[by] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = first[threadIdx.x] + second[threadIdx.x];
}

KERNEL unaligned_copy(const float* x, float* y, int at) {
    __shared__ __align__(16) float tile[64 * 4];
    copy_async(tile + 4 * threadIdx.x, x + at + 4 * int(threadIdx.x % 32), true);
    commit_copies();
    wait_copies<0>();
    y[threadIdx.x] = tile[4 * threadIdx.x];
}

KERNEL left_out(real* y, unsigned mask) {
    __syncwarp(mask);
    y[threadIdx.x] = 1;
}

KERNEL overflowing(int* y, int by) { y[threadIdx.x] = 2147483000 + int(threadIdx.x) * by; }

KERNEL divided(int* y, int by) { y[threadIdx.x] = 64 / by; }
