// Adam, step 2: one kernel does it all.
//
// The idea: fusion. Every element is for itself, so a thread can take it through all three lines with m and v in registers. Seven streams are
// left: p, g, m and v are read, p, m and v written. Less is not possible, since all of them are larger than any cache.
//
// Launch: once a tensor, a thread an element, blocks of 256. Bound: memory, 7n·w bytes; for small tensors the launch.

#include "minigan.cuh"

KERNEL adam(real* __restrict__ p, const real* __restrict__ g, real* __restrict__ m, real* __restrict__ v, real rate, real beta1,
            real beta2, real correction, real epsilon, long long n) {
    const long long i = grid_index();
    if (i >= n) return;
    const real gradient = g[i];
    const real first = beta1 * m[i] + (real(1) - beta1) * gradient;
    const real second = beta2 * v[i] + (real(1) - beta2) * (gradient * gradient);
    m[i] = first;
    v[i] = second;
    p[i] -= rate * first / (sqrt(second * correction) + epsilon);
}
