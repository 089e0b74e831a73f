// Convolution, step 7: tensor cores multiply; in float32 only, with operands rounded to TF32.
//
// The idea: one instruction of a warp multiplies a 16×8 by an 8×8 matrix. Its 32 lanes hold the elements (tensor_core.cuh says which
// lane holds which). A warp computes 32×32 outputs as 2×4 such fragments. So a value that is read
// from shared memory serves 32 products, and 128 threads are enough for the tile. Operands lose 13
// bits of significand; sums stay in float32.
//
// But look at the wavefronts: a fragment's lanes read 8 rows of A, or 4 of W, at once. Rows that
// are 16 or 64 words apart begin in the same few of the 32 banks.
//
// Needs what step 5 needs. Launch: grid as step 4, blocks of 128 threads. Bound: bank conflicts.

#include "study/conv2d/geometry.cuh"
#include "tensor_core.cuh"

constexpr int kTile = 64, kSlice = 16, kThreads = 128, kBuffers = 2;
constexpr int kPart = 32, kDown = kPart / 16, kAcross = kPart / 8;  // of a warp: its side, and its fragments
constexpr int kPitchA = kSlice, kPitchB = kTile;                    // how far apart rows are in shared memory

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
