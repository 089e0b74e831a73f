// Convolution, step 5: every access moves 128 bits.
//
// The idea: a load of 16 bytes is one instruction, as one of 4 bytes is. Taps are contiguous in x
// along channels, and channels in w, so both slices are copied as vectors. They are read from
// shared memory as vectors too: of A 4 taps of a row at once, of W 4 neighbouring columns. The same
// bytes go the same ways, in a quarter of the requests.
//
// Needs c and o that are multiples of a vector (4 floats, 2 doubles), and x and w aligned to 16 bytes.
// Launch: as step 4. Bound: latency; between the two barriers each thread first waits for global
// memory, then multiplies.

#include "study/conv2d/geometry.cuh"

constexpr int kTile = 64, kSlice = 16, kSide = 16, kThreads = kSide * kSide;
constexpr int kPart = kTile / kSide;
constexpr int kSliceVectors = kSlice / kVector, kTileVectors = kTile / kVector, kPartVectors = kPart / kVector;

__device__ __forceinline__ void copy(Vector& target, const real* data, int index) {
    if (index < 0) target = Vector{};
    else target = *reinterpret_cast<const Vector*>(data + index);
}

KERNEL conv2d(const real* __restrict__ x, const real* __restrict__ w, real* __restrict__ y, GEOMETRY_PARAMETERS) {
    const Geometry g = GEOMETRY;
    __shared__ Vector a[kTile][kSliceVectors];
    __shared__ Vector b[kSlice][kTileVectors];
    const int down = threadIdx.y, across = threadIdx.x, thread = down * kSide + across;
    const int window0 = blockIdx.x * kTile, channel0 = blockIdx.y * kTile;

    real sum[kPart][kPart] = {};
    for (int k0 = 0; k0 < g.taps(); k0 += kSlice) {
        for (int i = thread; i < kTile * kSliceVectors; i += kThreads) {
            const int tap = i % kSliceVectors, column = i % kTileVectors;  // counted in vectors
            copy(a[i / kSliceVectors][tap], x, g.element(window0 + i / kSliceVectors, k0 + tap * kVector));
            copy(b[i / kTileVectors][column], w, g.filter_element(k0 + i / kTileVectors, channel0 + column * kVector));
        }
        __syncthreads();
        for (int k = 0; k < kSliceVectors; ++k) {
            Vector rows[kPart];
            for (int i = 0; i < kPart; ++i) rows[i] = a[down + i * kSide][k];
            for (int e = 0; e < kVector; ++e) {
                Vector columns[kPartVectors];
                for (int j = 0; j < kPartVectors; ++j) columns[j] = b[k * kVector + e][across + j * kSide];
                for (int i = 0; i < kPart; ++i)
                    for (int j = 0; j < kPart; ++j) sum[i][j] += rows[i].value[e] * columns[j / kVector].value[j % kVector];
            }
        }
        __syncthreads();
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
