// A tiled matrix product, C = A·B, with operands given by functions: the core of GEMM and of every convolution.
//
// A block of 128 threads computes a tile of C, in slices of 16 along k. While it multiplies one slice of A and B in
// shared memory, asynchronous copies bring the next. Tiles and their division among threads are of three kinds:
//
//     IeeeProduct    64×64: each thread keeps a 4×8 part in registers, in the arithmetic of `real`; 12 values read from shared
//                    memory, as 128-bit loads, serve 32 multiplications
//     Tf32Product    64×64: each warp keeps a 32×32 part as 2×4 fragments of the tensor cores, with A and B rounded to TF32
//                    (tensor_core.cuh) and sums in float32; double and sm_75, without such cores, take IeeeProduct
//     NarrowProduct  128×4, for a C of few columns (an image's one or three channels), where a wide tile would mostly compute
//                    unused columns; each thread keeps a row. The reading of A bounds it: tensor cores would not help
//
// An operand says where its elements are. Its places are A's rows or B's columns. `place(i)` and
// `term(k)` are each index's part of an address, `at(place, term)` is the address, and `has(place,
// term)` is false where the operand is 0. The
// address may be that of a pixel of a window, say: that is an implicit GEMM. Elements are neighbours in memory along k
// (`k_is_contiguous`) or along places. If all runs of kVector of them are whole and aligned, `width` may be kVector, and
// a copy moves 16 bytes; else it is 1. Both give the same bits.
//
// The epilogue is the operations on the sums while they are in registers: a bias for each column, the activation, and the
// mean and Σ(value − mean)² of each column of the tile, parts of batch norm's statistics. `store(row, column, value)` keeps
// what comes of it.
//
// The grid's y divides k (split-K): its blocks compute partial sums of the same C, which `store` must keep apart, and
// what adds them has the epilogue (`sum_parts` of gemm.cu, `sum_parts_moments` of normalization.cu).
//
// Launch: grid (tiles, splits, …), block 128. Bound: arithmetic, 2·m·n·k FLOPs.
#pragma once

#include "tensor_core.cuh"

constexpr int kSlice = 16, kThreads = 128;
constexpr int kStages = 2;   // a slice being multiplied, and one on its way
constexpr int kElement = 1;  // the `width` of copies one by one

// A slice of an operand in shared memory, as it lies in global memory: rows of 16 k, one a place, or rows of places.
//
// Rows are padded so that no read of a warp meets a bank twice. Along k, 8 rows that are 16 + 4
// floats apart have their 16-byte vectors in 8 different groups of 4 banks. So 8 neighbours read
// their vectors, and `load_matrices` its rows, at once. Along 64 places, 4 rows that are 64 + 8
// floats apart start 8 banks apart: a fragment's 4×8 floats fill the 32 banks.
template <bool k_is_contiguous, int places>
struct Tile {
    static constexpr int kPitch = k_is_contiguous ? kSlice + kVector : places + 2 * kVector;
    real data[(k_is_contiguous ? places : kSlice) * kPitch];

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
            const Vector v = vector(place<threads>(thread, first), k0 + k);
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
template <int width, int tile_places, class Operand>
class Copies {
    static constexpr bool k_is_contiguous = Operand::k_is_contiguous;
    static constexpr int kAcross = (k_is_contiguous ? kSlice : tile_places) / width;  // neighbouring threads along rows of memory
    static constexpr int kTotal = tile_places * kSlice / width, kCount = (kTotal + kThreads - 1) / kThreads;
    static constexpr int kApart = kThreads / kAcross;
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

    // Start to copy the slice from k0; elements outside become 0.
    __device__ __forceinline__ void start(Tile<k_is_contiguous, tile_places>& tile, int k0, int k_end) const {
        if (kTotal < kThreads && int(threadIdx.x) >= kTotal) return;
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

// A thread's part of C, kRows × kColumns elements. `at(i, j)` is in the row `row(i)` and the column
// `column(j)` of the tile. `down()` counts the threads that share these columns.

// In the arithmetic of `real`; `across` threads share a row of the tile.
template <class TileA, class TileB, int rows, int columns, int across>
class Ieee {
    static constexpr int kDown = kThreads / across;
    real sum[rows][columns] = {};

public:
    static constexpr int kRows = rows, kColumns = columns;

    __device__ __forceinline__ void add(const TileA& a, const TileB& b) {
        real slice[rows][columns] = {};
#pragma unroll 1  // unrolled, a thread takes up to 40 registers more
        for (int k0 = 0; k0 < kSlice; k0 += kVector) {
            real x[kVector][rows], y[kVector][columns];
            a.template read<kDown>(threadIdx.x / across, k0, x);
            b.template read<across>(threadIdx.x % across, k0, y);
#pragma unroll
            for (int k = 0; k < kVector; ++k)
#pragma unroll
                for (int i = 0; i < rows; ++i)
#pragma unroll
                    for (int j = 0; j < columns; ++j) slice[i][j] += x[k][i] * y[k][j];
        }
        // Sums of slices: rounding grows with 16 + k/16 additions, not with k.
#pragma unroll
        for (int i = 0; i < rows; ++i)
#pragma unroll
            for (int j = 0; j < columns; ++j) sum[i][j] += slice[i][j];
    }

    __device__ __forceinline__ static int down() { return threadIdx.x / across; }
    __device__ __forceinline__ static int row(int i) { return TileA::template place<kDown>(down(), i); }
    __device__ __forceinline__ static int column(int j) { return TileB::template place<across>(threadIdx.x % across, j); }
    __device__ __forceinline__ real& at(int i, int j) { return sum[i][j]; }
};

// On the tensor cores; a warp has 32×32 elements.
template <class TileA, class TileB>
class TensorCore {
    static constexpr int kPart = 32, kDown = kPart / 16, kAcross = kPart / 8;
    float sum[kDown][kAcross][4] = {};

    __device__ __forceinline__ static int row0() { return threadIdx.x / kWarp / 2 * kPart; }
    __device__ __forceinline__ static int column0() { return threadIdx.x / kWarp % 2 * kPart; }

public:
    static constexpr int kRows = 2 * kDown, kColumns = 2 * kAcross;

    __device__ __forceinline__ void add(const TileA& a, const TileB& b) {
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

    __device__ __forceinline__ static int down() { return threadIdx.x / kWarp / 2 * 8 + threadIdx.x % kWarp / 4; }
    __device__ __forceinline__ static int row(int i) { return row0() + 8 * i + threadIdx.x % kWarp / 4; }
    __device__ __forceinline__ static int column(int j) { return column0() + j / 2 * 8 + threadIdx.x % 4 * 2 + j % 2; }
    __device__ __forceinline__ float& at(int i, int j) { return sum[i / 2][j / 2][i % 2 * 2 + j % 2]; }
};

// How a kernel computes its product: the tile, and a thread's part of it.
struct IeeeProduct {
    static constexpr int kRows = 64, kColumns = 64;
    template <class TileA, class TileB> using Part = Ieee<TileA, TileB, 4, 8, 8>;
};
struct NarrowProduct {
    static constexpr int kRows = kThreads, kColumns = 4;
    template <class TileA, class TileB> using Part = Ieee<TileA, TileB, 1, 4, 1>;
};
template <bool tensor_cores> struct ProductOnTensorCores : IeeeProduct {};
template <> struct ProductOnTensorCores<true> {
    static constexpr int kRows = 64, kColumns = 64;
    template <class TileA, class TileB> using Part = TensorCore<TileA, TileB>;
};
using Tf32Product = ProductOnTensorCores<kTensorCores>;

// The moments of each column of a tile that has all its rows, in two passes over the values in
// registers. Each sums a thread's own, and then those of the threads down the tile, in order.
// `moments` are this tile's, (2, n): means, and Σ(value − mean)².
template <int tile_rows, int tile_columns, class Part>
__device__ __forceinline__ void store_moments(Part& part, real* moments, int column0, int n) {
    constexpr int kDown = tile_rows / Part::kRows;
    __shared__ real sums[kDown][tile_columns];
    __shared__ real means[tile_columns];
    const int own = threadIdx.x;
    const auto sum_columns = [&](const auto& term) {  // of all rows, into sums[0]
#pragma unroll
        for (int j = 0; j < Part::kColumns; ++j) {
            real sum = 0;
#pragma unroll
            for (int i = 0; i < Part::kRows; ++i) sum += term(part.at(i, j), j);
            sums[part.down()][part.column(j)] = sum;
        }
        __syncthreads();
        if (own < tile_columns) {
            real sum = 0;
            for (int i = 0; i < kDown; ++i) sum += sums[i][own];
            sums[0][own] = sum;  // for this thread alone to read
        }
    };
    sum_columns([](real value, int) { return value; });
    if (own < tile_columns) means[own] = sums[0][own] / real(tile_rows);
    __syncthreads();
    sum_columns([&](real value, int j) {
        const real difference = value - means[part.column(j)];
        return difference * difference;
    });
    if (own < tile_columns && column0 + own < n) {
        moments[column0 + own] = means[own];
        moments[n + column0 + own] = sums[0][own];
    }
}

template <class Product, int a_width, int b_width, class A, class B, class Store>
__device__ __forceinline__ void tiled_product(const A& a, const B& b, const Store& store, const Epilogue& epilogue, int m,
                                              int n, int k) {
    constexpr int rows = Product::kRows, columns = Product::kColumns;
    using TileA = Tile<A::k_is_contiguous, rows>;
    using TileB = Tile<B::k_is_contiguous, columns>;
    __shared__ __align__(16) TileA tile_a[kStages];
    __shared__ __align__(16) TileB tile_b[kStages];
    const int tiles_across = (n + columns - 1) / columns, slices = (k + kSlice - 1) / kSlice;
    const int row0 = int(blockIdx.x) / tiles_across * rows, column0 = int(blockIdx.x) % tiles_across * columns;
    if (row0 >= m) return;  // a phase that has fewer pixels than another
    const int begin = int((long long)slices * blockIdx.y / gridDim.y), end = int((long long)slices * (blockIdx.y + 1) / gridDim.y);
    typename Product::template Part<TileA, TileB> part;
    const Copies<a_width, rows, A> copies_a(a, row0, m);
    const Copies<b_width, columns, B> copies_b(b, column0, n);

    const auto start_copies = [&](int slice) {
        if (slice >= end) return;
        copies_a.start(tile_a[slice % kStages], slice * kSlice, k);
        copies_b.start(tile_b[slice % kStages], slice * kSlice, k);
        commit_copies();
    };
    start_copies(begin);
    for (int slice = begin; slice < end; ++slice) {
        wait_copies<0>();
        __syncthreads();  // everybody's copies are there, and no thread reads the other tiles any more
        start_copies(slice + 1);
        part.add(tile_a[slice % kStages], tile_b[slice % kStages]);
    }
    const auto for_each = [&](const auto& function) {
#pragma unroll
        for (int i = 0; i < part.kRows; ++i)
#pragma unroll
            for (int j = 0; j < part.kColumns; ++j) {
                const int row = row0 + part.row(i), column = column0 + part.column(j);
                if (row < m && column < n) function(row, column, part.at(i, j));
            }
    };
    for_each([&](int, int column, real& value) { value = epilogue.finish(value, column); });
    if (epilogue.moments != nullptr) {
        const long long tile = (long long)blockIdx.z * (m / rows) + row0 / rows;
        store_moments<rows, columns>(part, epilogue.moments + tile * 2 * n, column0, n);
    }
    for_each(store);
}

// An operand that is a matrix, or any array in which places and terms each add an offset to the address. Arrays have
// fewer than 2³¹ elements (launch.py); an offset is unsigned since it may be of a place that is not there.
struct Offsets {
    using Place = unsigned;
    const real* data;
    __device__ __forceinline__ const real* at(unsigned place, unsigned term) const { return data + (place + term); }
    __device__ __forceinline__ bool has(unsigned, unsigned) const { return true; }
};

// A matrix with the places as its rows, or as its columns. `pitch` is the distance of its rows.
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

struct StoreRows {
    real* data;
    int pitch;
    __device__ __forceinline__ void operator()(int row, int column, real value) const {
        data[(long long)row * pitch + column] = value;
    }
};
