// Adam (Kingma & Ba 2015, algorithm 1), in place, of up to 64 tensors in one launch.
//
// Layout: a table of flat arrays, passed by value. No alignment is asked for. Where the four arrays
// of a tensor are aligned to 16 bytes, they are read and written in vectors of 16.
// Launch: blocks of 256 threads, each for 4,096 elements of one tensor; tensor i has the blocks from first_block[i] on.
// Bound: memory, seven streams: p, g, m, v are read and p, m, v written.

#include "minigan.cuh"

constexpr int kTensors = 64;            // a table of 3 KiB: a kernel's parameters may take 4
constexpr int kBlockElements = 4096;

struct Tensors {  // rows that are not used are zero
    real* p[kTensors];
    const real* g[kTensors];
    real* m[kTensors];
    real* v[kTensors];
    long long size[kTensors];
    long long first_block[kTensors];
};

__device__ __forceinline__ Vector& vector_at(real* p) { return *reinterpret_cast<Vector*>(p); }
__device__ __forceinline__ const Vector& vector_at(const real* p) { return *reinterpret_cast<const Vector*>(p); }

struct Update {
    real rate, beta1, beta2, correction, epsilon;
    __device__ __forceinline__ void operator()(real& p, real g, real& m, real& v) const {
        m = beta1 * m + (real(1) - beta1) * g;
        v = beta2 * v + (real(1) - beta2) * (g * g);
        p -= rate * m / (sqrt(v * correction) + epsilon);
    }
};

// m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − rate·m/(√(v·correction) + ε). There rate is
// α/(1−β₁ᵗ) and correction 1/(1−β₂ᵗ). The step t lies on the device, so that a captured launch goes
// on counting. The powers are taken in double (1 − β₂ᵗ is a small difference), once a block.
KERNEL adam(const Tensors tensors, int count, const long long* step, double learning_rate, double beta1,
            double beta2, double epsilon) {
    __shared__ real scales[2];
    if (threadIdx.x == 0) {
        const double t = double(*step);
        scales[0] = real(learning_rate / (1 - pow(beta1, t)));
        scales[1] = real(1 / (1 - pow(beta2, t)));
    }
    __syncthreads();
    const Update update = {scales[0], real(beta1), real(beta2), scales[1], real(epsilon)};

    int k = 0;
    while (k + 1 < count && tensors.first_block[k + 1] <= blockIdx.x) ++k;
    const long long begin = (blockIdx.x - tensors.first_block[k]) * kBlockElements;
    const long long end = min(begin + kBlockElements, tensors.size[k]);
    real *p = tensors.p[k], *m = tensors.m[k], *v = tensors.v[k];
    const real* g = tensors.g[k];
    const bool aligned = ((size_t)p | (size_t)g | (size_t)m | (size_t)v) % 16 == 0;
    const long long vectors_end = aligned ? begin + (end - begin) / kVector * kVector : begin;
    for (long long i = begin + threadIdx.x * kVector; i < vectors_end; i += blockDim.x * kVector) {
        Vector pi = vector_at(p + i), mi = vector_at(m + i), vi = vector_at(v + i);
        const Vector gi = vector_at(g + i);
        for (int j = 0; j < kVector; ++j) update(pi.value[j], gi.value[j], mi.value[j], vi.value[j]);
        vector_at(p + i) = pi;
        vector_at(m + i) = mi;
        vector_at(v + i) = vi;
    }
    for (long long i = vectors_end + threadIdx.x; i < end; i += blockDim.x) update(p[i], g[i], m[i], v[i]);
}
