// Philox 4×32-10 (Salmon et al. 2011): four 32-bit words from a 64-bit key and a 128-bit counter.
//
// The key is the seed, the counter the block's number (two words), the step and the stream. The same bits as on the CPU.
// The step is read from the device, so that a captured launch draws new numbers each time.
// Launch: blocks of 256 threads, a grid-stride loop. Bound: integer arithmetic, 20 multiplications a block of words.

#include "minigan.cuh"

struct Words { unsigned w[4]; };

__device__ __forceinline__ Words philox(unsigned key0, unsigned key1, unsigned c0, unsigned c1, unsigned c2,
                                        unsigned c3) {
    for (int round = 0; round < 10; ++round) {
        if (round > 0) {
            key0 += 0x9E3779B9u;
            key1 += 0xBB67AE85u;
        }
        const unsigned high0 = __umulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
        const unsigned high1 = __umulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ key0;
        c1 = low1;
        c2 = high0 ^ c3 ^ key1;
        c3 = low0;
    }
    return {{c0, c1, c2, c3}};
}

__device__ __forceinline__ Words block_of_words(unsigned long long seed, unsigned stream, unsigned step,
                                                unsigned long long number) {
    return philox(unsigned(seed), unsigned(seed >> 32), unsigned(number), unsigned(number >> 32), step, stream);
}

__device__ __forceinline__ unsigned word(unsigned long long seed, unsigned stream, unsigned step, long long i) {
    return block_of_words(seed, stream, step, i / 4).w[i % 4];
}

// Each product and sum is rounded by itself (no fused multiply-add), so that all devices agree to the bit.
__device__ __forceinline__ float scaled(float u, float width, float low) { return __fadd_rn(__fmul_rn(u, width), low); }
__device__ __forceinline__ double scaled(double u, double width, double low) {
    return __dadd_rn(__dmul_rn(u, width), low);
}

__device__ __forceinline__ void unit(unsigned w0, unsigned, float* u) { *u = float(w0 >> 8) * (1.0f / 16777216.0f); }
__device__ __forceinline__ void unit(unsigned w0, unsigned w1, double* u) {
    *u = (double(w0 >> 5) * 67108864.0 + double(w1 >> 6)) * (1.0 / 9007199254740992.0);
}

// low + width·u, u uniform in [0, 1), and at most `last`: rounding might lead to the end of the interval, or past it.
// One word a float, two a double.
KERNEL random_uniform(real* __restrict__ result, unsigned long long seed, int stream, const long long* step, real low,
                      real width, real last, long long n) {
    constexpr int words = sizeof(real) / 4;
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        real u;
        const unsigned w0 = word(seed, stream, unsigned(*step), i * words);
        unit(w0, words == 2 ? word(seed, stream, unsigned(*step), i * words + 1) : 0u, &u);
        const real value = scaled(u, width, low);
        result[i] = value < last ? value : last;
    }
}

// Integers in [0, high): the high word of word·high.
KERNEL random_integers(long long* __restrict__ result, unsigned long long seed, int stream, const long long* step,
                       long long high, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride())
        result[i] =
            (long long)(((unsigned long long)word(seed, stream, unsigned(*step), i) * (unsigned long long)high) >> 32);
}

// Codes from their priors, (batch, codes): a category's index, or k·2⁻²³ − 1 uniform in [−1, 1).
KERNEL sample_codes(real* __restrict__ result, const int* __restrict__ kind, const int* __restrict__ width,
                    unsigned long long seed, int stream, const long long* step, int codes, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const int code = int(i % codes);
        const unsigned w = word(seed, stream, unsigned(*step), i);
        result[i] = kind[code] == 0 ? real(((unsigned long long)w * (unsigned)width[code]) >> 32)
                                    : real(w >> 8) * real(1.0 / 8388608.0) - real(1);
    }
}
