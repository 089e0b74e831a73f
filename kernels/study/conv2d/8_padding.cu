// Convolution, step 8: a few words of padding end the bank conflicts.
//
// The idea: shared memory has 32 banks of 4 bytes, and serves one word of each at a time. Rows of A become 16 + 4 words, so that 8 rows of 16
// bytes lie in 8 different groups of 4 banks. Rows of W become 64 + 8 words, so that 4 rows start 8
// banks apart. The 4×8 elements of a fragment then fill the 32 banks. Two numbers differ from step
// 7.
//
// Needs what step 5 needs. Launch: as step 7. Bound: the divisions that find each element of A. The kernel in use (convolution.cu, on
// tile.cuh) takes them apart. A thread's windows stay the same from slice to slice, and the rest is
// divided by multiplying (Divisor). It also splits the sum where there are too few tiles for a GPU,
// and takes any channels, alignment and bias.

#include "study/conv2d/geometry.cuh"
#include "tensor_core.cuh"

constexpr int kTile = 64, kSlice = 16, kThreads = 128, kBuffers = 2;
constexpr int kPart = 32, kDown = kPart / 16, kAcross = kPart / 8;  // of a warp: its side, and its fragments
constexpr int kPitchA = kSlice + 4, kPitchB = kTile + 8;            // how far apart rows are in shared memory

__device__ __forceinline__ void start_copy(float* target, const float* data, int index) {
    copy_async<16>(target, data + max(index, 0), index >= 0);
}

KERNEL conv2d(const float* __restrict__ x, const float* __restrict__ w, float* __restrict__ y, GEOMETRY_PARAMETERS) {
    const Geometry g = GEOMETRY;
    __shared__ __align__(16) float a[kBuffers][kTile][kPitchA];
    __shared__ __align__(16) float b[kBuffers][kSlice][kPitchB];
    const int thread = threadIdx.x, warp = thread / kWarp, lane = thread % kWarp, group = lane / 4, t = lane % 4;
    const int window0 = blockIdx.x * kTile, channel0 = blockIdx.y * kTile;
    const int row0 = warp / 2 * kPart, column0 = warp % 2 * kPart;  // of the warp's outputs, in the tile

    const auto start_slice = [&](int k0, int buffer) {
        for (int i = thread * 4; i < kTile * kSlice; i += kThreads * 4) {
            const int row = i / kSlice, tap = i % kSlice, k = i / kTile, column = i % kTile;
            start_copy(&a[buffer][row][tap], x, g.element(window0 + row, k0 + tap));
            start_copy(&b[buffer][k][column], w, g.filter_element(k0 + k, channel0 + column));
        }
        commit_copies();
    };

    float sum[kDown][kAcross][4] = {};
    start_slice(0, 0);
    for (int k0 = 0, buffer = 0; k0 < g.taps(); k0 += kSlice, buffer ^= 1) {
        wait_copies<0>();
        __syncthreads();
        if (k0 + kSlice < g.taps()) start_slice(k0 + kSlice, buffer ^ 1);
#pragma unroll
        for (int k = 0; k < kSlice; k += 8) {
            unsigned rows[kDown][4], columns[kAcross][2];
#pragma unroll
            for (int i = 0; i < kDown; ++i) {  // four matrices of 8 rows and 4 taps: each lane gives the address of a row
                load_matrices(rows[i], &a[buffer][row0 + 16 * i + lane % 16][k + lane / 16 * 4]);
#pragma unroll
                for (unsigned& word : rows[i]) word = round_to_tf32(as_float(word));
            }
#pragma unroll
            for (int j = 0; j < kAcross; ++j)
#pragma unroll
                for (int e = 0; e < 2; ++e) columns[j][e] = round_to_tf32(b[buffer][k + t + 4 * e][column0 + 8 * j + group]);
            mma(sum, rows, columns);
        }
    }
    for (int i = 0; i < kDown; ++i)
        for (int j = 0; j < kAcross; ++j)
            for (int e = 0; e < 4; ++e) {
                const int window = window0 + row0 + 16 * i + group + e / 2 * 8;
                const int channel = channel0 + column0 + 8 * j + 2 * t + e % 2;
                if (window < g.windows() && channel < o) y[window * o + channel] = sum[i][j][e];
            }
}
