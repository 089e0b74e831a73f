// A tiled matrix product, C = A·B, whose operands are given by functions: the core of GEMM and of every convolution.
//
// A block of 128 threads computes a 64×64 tile of C, in slices of 16 along k. While it multiplies one slice of A and B in
// shared memory, asynchronous copies bring the next. The tile is divided in one of two ways:
//
//     Ieee  each thread keeps a 4×8 part in registers and multiplies in the kernel's own type: 12 values read from shared
//           memory, as 128-bit loads, serve 32 multiplications
//     Tf32  each warp keeps a 32×32 part as 2×4 fragments of the tensor cores, which round A and B to TF32
//           (tensor_core.cuh) and add in float32. What has no such tensor cores, double and sm_75, computes Ieee instead.
//
// An operand says where its elements are. Its places are A's rows or B's columns; `place(i)` and `term(k)` are what each
// index adds to an address, `at(place, term)` is the address, and `has(place, term)` is false where the operand is 0. The
// address may be that of a pixel of a window, say: that is an implicit GEMM. Elements are neighbours in memory along k
// (`k_is_contiguous`) or along places. If all runs of kVector of them are whole and aligned, `width` may be kVector, and
// a copy moves 16 bytes; else it is 1.
//
// The grid's y divides k (split-K): its blocks compute partial sums of the same C, and `store(row, column, value)`
// must keep those apart.
//
// Launch: grid (⌈m/64⌉·⌈n/64⌉, splits, …), block 128. Bound: arithmetic, 2·m·n·k FLOPs.
#pragma once

#include "tensor_core.cuh"

constexpr int kTile = 64, kSlice = 16, kThreads = 128;
constexpr int kStages = 2;  // a slice being multiplied, and one on its way
constexpr int kElement = 1;  // the `width` of copies one by one

// A slice of an operand in shared memory, as it lies in global memory: 64 places of 16 k, or 16 k of 64 places.
//
// Rows are padded so that no read of a warp meets a bank twice. Along k, 8 rows that are 16 + 4 floats apart have their
// 16-byte vectors in 8 different groups of 4 banks: 8 neighbours read their vectors, `load_matrices` its rows, at once.
// Along places, 4 rows that are 64 + 8 floats apart start 8 banks apart: a fragment's 4×8 floats fill the 32 banks.
template <bool k_is_contiguous>
struct Tile {
    static constexpr int kPitch = k_is_contiguous ? kSlice + kVector : kTile + 2 * kVector;
    real data[(k_is_contiguous ? kTile : kSlice) * kPitch];

    __device__ __forceinline__ static int index(int place, int k) {
        return k_is_contiguous ? place * kPitch + k : k * kPitch + place;
    }
    __device__ __forceinline__ const Vector& vector(int place, int k) const {
        return *reinterpret_cast<const Vector*>(data + index(place, k));
    }

    // The i-th place of `thread`, one of `threads` that share the places: neighbours read neighbouring vectors.
    template <int threads>
    __device__ __forceinline__ static int place(int thread, int i) {
        return k_is_contiguous ? i * threads + thread
                               : (i / kVector * threads + thread) * kVector + i % kVector;
    }
    // What lies at these places, for kVector values of k from k0.
    template <int threads, int count>
    __device__ __forceinline__ void read(int thread, int k0, real (&x)[kVector][count]) const {
#pragma unroll
        for (int i = 0; i < count * kVector; i += kVector) {
            const int first = k_is_contiguous ? i / kVector : i % count, k = k_is_contiguous ? 0 : i / count;
            const Vector& v = vector(place<threads>(thread, first), k0 + k);
#pragma unroll
            for (int j = 0; j < kVector; ++j)
                (k_is_contiguous ? x[j][first] : x[k][first + j]) = v.value[j];
        }
    }

    // A lane's elements of a 16×8 fragment: words[2·h + q] is of the h-th 8 places and the q-th 4 values of k.
    __device__ __forceinline__ void read_fragment(int place0, int k0, unsigned (&words)[4]) const {
        const int lane = threadIdx.x % kWarp;
        if constexpr (k_is_contiguous) {
            load_matrices(words, data + index(place0 + lane / 16 * 8 + lane % 8, k0 + lane / 8 % 2 * 4));
#pragma unroll
            for (unsigned& word : words) word = round_to_tf32(as_float(word));
        } else {  // load_matrices transposes 16-bit elements only
#pragma unroll
            for (int i = 0; i < 4; ++i)
                words[i] = round_to_tf32(data[index(place0 + i / 2 * 8 + lane / 4, k0 + i % 2 * 4 + lane % 4)]);
        }
    }
};

// A thread's copies of an operand's slices. The places that they are of stay the same from slice to slice.
template <int width, class Operand>
class Copies {
    static constexpr bool k_is_contiguous = Operand::k_is_contiguous;
    static constexpr int kAcross = (k_is_contiguous ? kSlice : kTile) / width;  // neighbouring threads along rows of memory
    static constexpr int kCount = kTile * kSlice / width / kThreads, kApart = kThreads / kAcross;
    static constexpr int kPlaces = k_is_contiguous ? kCount : 1;
    static_assert(kThreads % kAcross == 0, "a thread's copies start at the same place, or at the same k");

    const Operand& operand;
    const int first_place, first_k;  // of this thread, in a tile
    typename Operand::Place place[kPlaces];
    bool inside[kPlaces];

public:
    __device__ __forceinline__ Copies(const Operand& operand, int place0, int places)
        : operand(operand),
          first_place(k_is_contiguous ? threadIdx.x / kAcross : threadIdx.x % kAcross * width),
          first_k(k_is_contiguous ? threadIdx.x % kAcross * width : threadIdx.x / kAcross) {
#pragma unroll
        for (int i = 0; i < kPlaces; ++i) {
            place[i] = operand.place(place0 + first_place + i * kApart);
            inside[i] = place0 + first_place + i * kApart < places;
        }
    }

    // Start to copy the slice from k0; what is outside becomes 0.
    __device__ __forceinline__ void start(Tile<k_is_contiguous>& tile, int k0, int k_end) const {
#pragma unroll
        for (int i = 0; i < kCount; ++i) {
            const int which = k_is_contiguous ? i : 0, k = first_k + (k_is_contiguous ? 0 : i * kApart);
            const auto term = operand.term(k0 + k);
            const bool there = inside[which] & (k0 + k < k_end) & operand.has(place[which], term);
            real* target = tile.data + tile.index(first_place + (k_is_contiguous ? i * kApart : 0), k);
            copy_async<width * int(sizeof(real))>(target, operand.at(place[which], term), there);
        }
    }
};

// A thread's part of C in the arithmetic of `real`.
template <bool a_along_k, bool b_along_k>
class Ieee {
    static constexpr int kRows = 4, kColumns = 8, kAcross = kTile / kColumns, kDown = kTile / kRows;
    real sum[kRows][kColumns] = {};

public:
    __device__ __forceinline__ void add(const Tile<a_along_k>& a, const Tile<b_along_k>& b) {
        real slice[kRows][kColumns] = {};
#pragma unroll 1  // unrolled it takes 50 registers more
        for (int k0 = 0; k0 < kSlice; k0 += kVector) {
            real x[kVector][kRows], y[kVector][kColumns];
            a.template read<kDown>(threadIdx.x / kAcross, k0, x);
            b.template read<kAcross>(threadIdx.x % kAcross, k0, y);
#pragma unroll
            for (int k = 0; k < kVector; ++k)
#pragma unroll
                for (int i = 0; i < kRows; ++i)
#pragma unroll
                    for (int j = 0; j < kColumns; ++j) slice[i][j] += x[k][i] * y[k][j];
        }
        // Sums of slices: rounding grows with 16 + k/16 additions, not with k.
#pragma unroll
        for (int i = 0; i < kRows; ++i)
#pragma unroll
            for (int j = 0; j < kColumns; ++j) sum[i][j] += slice[i][j];
    }

    template <class Store>
    __device__ __forceinline__ void store(const Store& store) const {
#pragma unroll
        for (int i = 0; i < kRows; ++i)
#pragma unroll
            for (int j = 0; j < kColumns; ++j)
                store(Tile<a_along_k>::template place<kDown>(threadIdx.x / kAcross, i),
                      Tile<b_along_k>::template place<kAcross>(threadIdx.x % kAcross, j), sum[i][j]);
    }
};

// A warp's part of C on the tensor cores.
template <bool a_along_k, bool b_along_k>
class TensorCore {
    static constexpr int kPart = 32, kDown = kPart / 16, kAcross = kPart / 8;
    float sum[kDown][kAcross][4] = {};

    __device__ __forceinline__ static int row0() { return threadIdx.x / kWarp / 2 * kPart; }
    __device__ __forceinline__ static int column0() { return threadIdx.x / kWarp % 2 * kPart; }

public:
    __device__ __forceinline__ void add(const Tile<a_along_k>& a, const Tile<b_along_k>& b) {
#pragma unroll
        for (int k0 = 0; k0 < kSlice; k0 += 8) {
            unsigned x[kDown][4], y[kAcross][2];
#pragma unroll
            for (int i = 0; i < kDown; ++i) {
                unsigned words[4];
                a.read_fragment(row0() + 16 * i, k0, words);
                x[i][0] = words[0], x[i][1] = words[2], x[i][2] = words[1], x[i][3] = words[3];
            }
#pragma unroll
            for (int j = 0; j < kAcross; j += 2) {
                unsigned words[4];
                b.read_fragment(column0() + 8 * j, k0, words);
                y[j][0] = words[0], y[j][1] = words[1], y[j + 1][0] = words[2], y[j + 1][1] = words[3];
            }
            mma(sum, x, y);
        }
    }

    template <class Store>
    __device__ __forceinline__ void store(const Store& store) const {
        const int lane = threadIdx.x % kWarp;
#pragma unroll
        for (int i = 0; i < kDown; ++i)
#pragma unroll
            for (int j = 0; j < kAcross; ++j)
#pragma unroll
                for (int e = 0; e < 4; ++e)
                    store(row0() + 16 * i + e / 2 * 8 + lane / 4, column0() + 8 * j + lane % 4 * 2 + e % 2, sum[i][j][e]);
    }
};

// The two arithmetics, as a kernel names them.
struct IeeeProduct {
    template <bool a_along_k, bool b_along_k> using Part = Ieee<a_along_k, b_along_k>;
};
template <bool tensor_cores> struct ProductOnTensorCores : IeeeProduct {};
template <> struct ProductOnTensorCores<true> {
    template <bool a_along_k, bool b_along_k> using Part = TensorCore<a_along_k, b_along_k>;
};
using Tf32Product = ProductOnTensorCores<kTensorCores>;

template <class Product, int width, class A, class B, class Store>
__device__ __forceinline__ void tiled_product(const A& a, const B& b, const Store& store, int m, int n, int k) {
    __shared__ __align__(16) Tile<A::k_is_contiguous> tile_a[kStages];
    __shared__ __align__(16) Tile<B::k_is_contiguous> tile_b[kStages];
    const int tiles_across = (n + kTile - 1) / kTile, slices = (k + kSlice - 1) / kSlice;
    const int row0 = int(blockIdx.x) / tiles_across * kTile, column0 = int(blockIdx.x) % tiles_across * kTile;
    if (row0 >= m) return;  // a phase that has fewer pixels than another
    const int begin = int((long long)slices * blockIdx.y / gridDim.y), end = int((long long)slices * (blockIdx.y + 1) / gridDim.y);
    typename Product::template Part<A::k_is_contiguous, B::k_is_contiguous> part;
    const Copies<width, A> copies_a(a, row0, m);
    const Copies<width, B> copies_b(b, column0, n);

    const auto start_copies = [&](int slice) {
        if (slice >= end) return;
        copies_a.start(tile_a[slice % kStages], slice * kSlice, k);
        copies_b.start(tile_b[slice % kStages], slice * kSlice, k);
        commit_copies();
    };
    start_copies(begin);
    for (int slice = begin; slice < end; ++slice) {
        wait_copies<0>();
        __syncthreads();  // everybody's copies are there, and nobody reads the other tiles any more
        start_copies(slice + 1);
        part.add(tile_a[slice % kStages], tile_b[slice % kStages]);
    }
    part.store([&](int row, int column, real value) {
        if (row0 + row < m && column0 + column < n) store(row0 + row, column0 + column, value);
    });
}

// An operand that is a matrix, or any array of which places and terms each add an offset to the address. Arrays have
// fewer than 2³¹ elements (launch.py); an offset is unsigned since it may be of a place that is not there.
struct Offsets {
    using Place = unsigned;
    const real* data;
    __device__ __forceinline__ const real* at(unsigned place, unsigned term) const { return data + (place + term); }
    __device__ __forceinline__ bool has(unsigned, unsigned) const { return true; }
};

// A matrix whose rows are the places, or whose columns are. `pitch` is the distance of its rows.
struct Rows : Offsets {
    static constexpr bool k_is_contiguous = true;
    unsigned pitch;
    __device__ __forceinline__ unsigned place(unsigned row) const { return row * pitch; }
    __device__ __forceinline__ unsigned term(unsigned k) const { return k; }
};
struct Columns : Offsets {
    static constexpr bool k_is_contiguous = false;
    unsigned pitch;
    __device__ __forceinline__ unsigned place(unsigned column) const { return column; }
    __device__ __forceinline__ unsigned term(unsigned k) const { return k * pitch; }
};

// Where a split stores its sums: the result, or for several splits its part of (splits, size) partial sums.
__device__ __forceinline__ real* result_of_split(real* results, long long size) { return results + blockIdx.y * size; }

// C in memory, plus a bias for each column (or none, for a null pointer).
struct StoreRows {
    real* data;
    const real* bias;
    int pitch;
    __device__ __forceinline__ void operator()(int row, int column, real value) const {
        data[(long long)row * pitch + column] = value + (bias != nullptr ? bias[column] : real(0));
    }
};
