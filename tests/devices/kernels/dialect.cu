// Small kernels that each use one thing of CUDA, for tests of the emulated device.

#include "minigan.cuh"

KERNEL reverse(const real* x, real* y) {  // through static shared memory
    __shared__ real tile[64];
    tile[threadIdx.x] = x[blockIdx.x * 64 + threadIdx.x];
    __syncthreads();
    y[blockIdx.x * 64 + threadIdx.x] = tile[63 - threadIdx.x];
}

KERNEL reverse_dynamic(const real* x, real* y) {
    DYNAMIC_SHARED(real, tile);
    tile[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

KERNEL uninitialised(real* y) {
    __shared__ real tile[64];
    if (blockDim.x == 1) tile[0] = 1;  // never; but without a write the compiler knows the value
    y[threadIdx.x] = tile[threadIdx.x];
}

KERNEL divergent_barrier(real* y) {
    if (threadIdx.x < 40) __syncthreads();
    y[threadIdx.x] = 1;
}

KERNEL different_barriers(real* y) {
    if (threadIdx.x < 32) {
        __syncthreads();
    } else {
        __syncthreads();
    }
    y[threadIdx.x] = 1;
}

KERNEL warp_without_a_lane(real* y) {
    if (threadIdx.x % 32 != 7) __syncwarp();
    y[threadIdx.x] = 1;
}

KERNEL shuffles(const real* x, real* y) {  // y: xor 1, down 3, up 2, from lane 5, each 64 long
    const real v = x[threadIdx.x];
    y[threadIdx.x] = __shfl_xor_sync(kAllLanes, v, 1);
    y[64 + threadIdx.x] = __shfl_down_sync(kAllLanes, v, 3);
    y[128 + threadIdx.x] = __shfl_up_sync(kAllLanes, v, 2);
    y[192 + threadIdx.x] = __shfl_sync(kAllLanes, v, 5);
}

KERNEL half_warp(const real* x, real* y) {  // lanes of a mask exchange while the others do not take part
    if (threadIdx.x % 32 < 16) y[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, x[threadIdx.x], 8);
    else y[threadIdx.x] = x[threadIdx.x];
}

KERNEL votes(const int* x, int* y) {
    y[threadIdx.x] = int(__ballot_sync(kAllLanes, x[threadIdx.x]));
    y[64 + threadIdx.x] = __any_sync(kAllLanes, x[threadIdx.x]);
    y[128 + threadIdx.x] = __all_sync(kAllLanes, x[threadIdx.x]);
}

KERNEL count(int* counter) { atomicAdd(counter, 1); }

KERNEL sum_of_warps(const real* x, real* y) { y[threadIdx.x] = warp_sum(x[threadIdx.x]); }

KERNEL copied(const float* x, float* y, int wait) {  // REAL is float: 16 bytes are four
    __shared__ __align__(16) float tile[64 * 4];
    const int t = threadIdx.x;
    copy_async(tile + 4 * t, x + 4 * t, t % 2 == 0);
    commit_copies();
    if (wait) wait_copies<0>();
    __syncthreads();
    for (int i = 0; i < 4; ++i) y[4 * t + i] = tile[4 * t + i];
}

KERNEL order(int* y, int* next) { y[threadIdx.x] = atomicAdd(next, 1); }

KERNEL coordinates(int* y) {
    const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    y[block * blockDim.x * blockDim.y * blockDim.z + thread] =
        threadIdx.x + 10 * threadIdx.y + 100 * threadIdx.z + 1000 * blockIdx.x + 10000 * blockIdx.y + 100000 * blockIdx.z;
}
