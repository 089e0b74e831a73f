// Tensor cores in TF32: a warp multiplies small matrices; its 32 lanes hold the elements in registers.
//
// TF32 is a float32 with a significand of 11 bits, the leading 1 included, in place of 24. A
// product of two is exact in float32. `mma` reads the upper 19 bits of its operands and ignores the
// others, so who does not want them cut off rounds first. Every lane of the warp takes part in
// `mma` and `load_matrices`. With group = lane / 4 and t = lane % 4, a lane holds
//
//     A (16×8)  a[0] = A[group][t]     a[1] = A[group + 8][t]     a[2] = A[group][t + 4]       a[3] = A[group + 8][t + 4]
//     B (8×8)   b[0] = B[t][group]     b[1] = B[t + 4][group]
//     C (16×8)  c[0] = C[group][2t]    c[1] = C[group][2t + 1]    c[2] = C[group + 8][2t]      c[3] = C[group + 8][2t + 1]
//
// (PTX ISA, "Matrix Fragments for mma.m16n8k8".) NVRTC compiles each to one instruction; sm_75 has no TF32. The
// emulation computes the same from values that the lanes exchange.
#pragma once

#include "minigan.cuh"

#ifdef MINIGAN_EMULATION

constexpr bool kTensorCores = sizeof(real) == sizeof(float);

// The nearest TF32 value, halves away from zero: the last 13 bits become 0. Infinities and NaN do not change.
__device__ __forceinline__ unsigned round_to_tf32(float x) {
    unsigned bits;
    std::memcpy(&bits, &x, sizeof bits);
    const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
    return finite ? (bits + 0x1000u) & 0xffffe000u : bits;
}

// Four matrices of 8 rows of 4 words. Lane i gives the address of row i % 8 of matrix i / 8, in
// shared memory and a multiple of 16 bytes. It gets word t of row `group` of each.
__device__ __forceinline__ void load_matrices(unsigned (&words)[4], const void* row) {
    const int lane = emulation::lane_index(), group = lane / 4, t = lane % 4;
    assert(size_t(row) % 16 == 0);
    *static_cast<const void**>(emulation::exchange_slot(lane)) = row;
    __syncwarp();
    for (int matrix = 0; matrix < 4; ++matrix) {
        const void* source = *static_cast<const void**>(emulation::exchange_slot(matrix * 8 + group));
        std::memcpy(&words[matrix], static_cast<const char*>(source) + 4 * t, 4);
    }
    __syncwarp();
}

// C[i][j] += A[i]·B[j] for all fragments that are given. In which order the hardware adds, and how it rounds, PTX leaves
// open; here it is by rising k, in float32. The lanes exchange all fragments at once, since each exchange takes two barriers.
template <int down, int across>
__device__ __forceinline__ void mma(float (&c)[down][across][4], const unsigned (&a)[down][4], const unsigned (&b)[across][2]) {
    struct Fragments { float a[down][4], b[across][2]; };
    static_assert(sizeof(Fragments) <= 64, "a lane's slot holds 64 bytes");
    const int lane = emulation::lane_index(), group = lane / 4, t = lane % 4;
    const auto of = [](int lane) -> Fragments& { return *static_cast<Fragments*>(emulation::exchange_slot(lane)); };
    const auto upper_bits = [](unsigned bits) { return as_float(bits & 0xffffe000u); };
    Fragments& mine = of(lane);
    for (int i = 0; i < down; ++i)
        for (int e = 0; e < 4; ++e) mine.a[i][e] = upper_bits(a[i][e]);
    for (int j = 0; j < across; ++j)
        for (int e = 0; e < 2; ++e) mine.b[j][e] = upper_bits(b[j][e]);
    __syncwarp();
    const Fragments *rows[4], *columns[2][4];  // the lanes that hold what this one needs, for each k % 4
    for (int k = 0; k < 4; ++k) {
        rows[k] = &of(group * 4 + k);
        for (int e = 0; e < 2; ++e) columns[e][k] = &of((2 * t + e) * 4 + k);
    }
    for (int i = 0; i < down; ++i)
        for (int j = 0; j < across; ++j)
            for (int k = 0; k < 8; ++k)
                for (int e = 0; e < 4; ++e)
                    c[i][j][e] += rows[k % 4]->a[i][k / 4 * 2 + e / 2] * columns[e % 2][k % 4]->b[j][k / 4];
    __syncwarp();
}

#elif __CUDA_ARCH__ >= 800

constexpr bool kTensorCores = sizeof(real) == sizeof(float);

__device__ __forceinline__ unsigned round_to_tf32(float x) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return bits;
}

__device__ __forceinline__ void load_matrices(unsigned (&words)[4], const void* row) {
    const unsigned address = unsigned(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"(address)
                 : "memory");
}

template <int down, int across>
__device__ __forceinline__ void mma(float (&c)[down][across][4], const unsigned (&a)[down][4], const unsigned (&b)[across][2]) {
#pragma unroll
    for (int i = 0; i < down; ++i)
#pragma unroll
        for (int j = 0; j < across; ++j)
            asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                : "+f"(c[i][j][0]), "+f"(c[i][j][1]), "+f"(c[i][j][2]), "+f"(c[i][j][3])
                : "r"(a[i][0]), "r"(a[i][1]), "r"(a[i][2]), "r"(a[i][3]), "r"(b[j][0]), "r"(b[j][1]));
}

#else

constexpr bool kTensorCores = false;  // declared, and never called
__device__ unsigned round_to_tf32(float x);
__device__ void load_matrices(unsigned (&words)[4], const void* row);
template <int down, int across>
__device__ void mma(float (&c)[down][across][4], const unsigned (&a)[down][4], const unsigned (&b)[across][2]);

#endif
