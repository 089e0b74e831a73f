// Convolution, step 6: the next slice is on its way while this one is multiplied.
//
// The idea: double buffering by asynchronous copies (cp.async, from sm_80 on). A thread starts the copy of a vector from global to
// shared memory and goes on; no register holds the value meanwhile. With two buffers of each slice,
// one is filled while the other is read, and one barrier a slice is enough. Past it, all copies of
// this slice have landed and no thread reads the other buffer any more.
//
// Needs what step 5 needs. Launch: as step 4. Bound: arithmetic of the ordinary cores, 2·windows·taps·o FLOPs.

#include "study/conv2d/geometry.cuh"

constexpr int kTile = 64, kSlice = 16, kSide = 16, kThreads = kSide * kSide;
constexpr int kPart = kTile / kSide, kBuffers = 2;
constexpr int kSliceVectors = kSlice / kVector, kTileVectors = kTile / kVector, kPartVectors = kPart / kVector;

__device__ __forceinline__ void start_copy(Vector& target, const real* data, int index) {
    copy_async<16>(&target, data + max(index, 0), index >= 0);  // zeros where there is no element
}

KERNEL conv2d(const real* __restrict__ x, const real* __restrict__ w, real* __restrict__ y, GEOMETRY_PARAMETERS) {
    const Geometry g = GEOMETRY;
    __shared__ Vector a[kBuffers][kTile][kSliceVectors];
    __shared__ Vector b[kBuffers][kSlice][kTileVectors];
    const int down = threadIdx.y, across = threadIdx.x, thread = down * kSide + across;
    const int window0 = blockIdx.x * kTile, channel0 = blockIdx.y * kTile;

    const auto start_slice = [&](int k0, int buffer) {
        for (int i = thread; i < kTile * kSliceVectors; i += kThreads) {
            const int tap = i % kSliceVectors, column = i % kTileVectors;
            start_copy(a[buffer][i / kSliceVectors][tap], x, g.element(window0 + i / kSliceVectors, k0 + tap * kVector));
            start_copy(b[buffer][i / kTileVectors][column], w,
                       g.filter_element(k0 + i / kTileVectors, channel0 + column * kVector));
        }
        commit_copies();
    };

    real sum[kPart][kPart] = {};
    start_slice(0, 0);
    for (int k0 = 0, buffer = 0; k0 < g.taps(); k0 += kSlice, buffer ^= 1) {
        wait_copies<0>();
        __syncthreads();
        if (k0 + kSlice < g.taps()) start_slice(k0 + kSlice, buffer ^ 1);
        for (int k = 0; k < kSliceVectors; ++k) {
            Vector rows[kPart];
            for (int i = 0; i < kPart; ++i) rows[i] = a[buffer][down + i * kSide][k];
            for (int e = 0; e < kVector; ++e) {
                Vector columns[kPartVectors];
                for (int j = 0; j < kPartVectors; ++j) columns[j] = b[buffer][k * kVector + e][across + j * kSide];
                for (int i = 0; i < kPart; ++i)
                    for (int j = 0; j < kPart; ++j) sum[i][j] += rows[i].value[e] * columns[j / kVector].value[j % kVector];
            }
        }
    }
    for (int i = 0; i < kPart; ++i)
        for (int j = 0; j < kPartVectors; ++j) {
            const int window = window0 + down + i * kSide, channel = channel0 + (across + j * kSide) * kVector;
            if (window >= g.windows() || channel >= o) continue;
            Vector result;
            for (int e = 0; e < kVector; ++e) result.value[e] = sum[i][j * kVector + e];
            *reinterpret_cast<Vector*>(y + window * o + channel) = result;
        }
}
