// Adam, step 1: a kernel for each line of the algorithm, a launch for each tensor.
//
//     m ← β₁m + (1−β₁)g        v ← β₂v + (1−β₂)g²        p ← p − rate·m/(√(v·correction) + ε)
//
// with rate = α/(1−β₁ᵗ) and correction = 1/(1−β₂ᵗ), as an array library without fusion would
// compute it. Each kernel reads from memory again the values that the one before had in registers.
// There are ten streams: g, m | m, g, v | v, p, m, v | p.
//
// Launch: three times a tensor, a thread an element, blocks of 256. Bound: memory, 10n·w bytes (w an element's), and for the many small
// tensors the launches.

#include "minigan.cuh"

KERNEL first_moment(real* __restrict__ m, const real* __restrict__ g, real beta1, long long n) {
    const long long i = grid_index();
    if (i < n) m[i] = beta1 * m[i] + (real(1) - beta1) * g[i];
}

KERNEL second_moment(real* __restrict__ v, const real* __restrict__ g, real beta2, long long n) {
    const long long i = grid_index();
    if (i < n) v[i] = beta2 * v[i] + (real(1) - beta2) * (g[i] * g[i]);
}

KERNEL update(real* __restrict__ p, const real* __restrict__ m, const real* __restrict__ v, real rate, real correction,
              real epsilon, long long n) {
    const long long i = grid_index();
    if (i < n) p[i] -= rate * m[i] / (sqrt(v[i] * correction) + epsilon);
}
