// Adam (Kingma & Ba 2015, algorithm 1), in place.
//
// Layout: flat arrays of n elements. Launch: blocks of 256 threads, a grid-stride loop.
// Bound: memory, seven streams: p, g, m, v are read and p, m, v written.

#include "minigan.cuh"

// m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − rate·m/(√(v·correction) + ε), where rate is α/(1−β₁ᵗ) and
// correction 1/(1−β₂ᵗ).
KERNEL adam(real* __restrict__ p, const real* __restrict__ g, real* __restrict__ m, real* __restrict__ v,
            real rate, real beta1, real beta2, real correction, real epsilon, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        m[i] = beta1 * m[i] + (real(1) - beta1) * g[i];
        v[i] = beta2 * v[i] + (real(1) - beta2) * (g[i] * g[i]);
        p[i] -= rate * m[i] / (sqrt(v[i] * correction) + epsilon);
    }
}
