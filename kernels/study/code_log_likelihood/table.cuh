// The parts that all these steps share: log Q(c|x) of one code of one image, and its derivative by Q's parameters.
//
// Layout: parameters and derivative (batch, columns), codes and values (batch, codes). `kind` is as
// in CodeTable: 0 a categorical of `width` logits, 1 a Gaussian of (mean) with a given log σ, 2 a
// Gaussian of (mean, log σ).
#pragma once

#include "minigan.cuh"

constexpr double kHalfLog2Pi = 0.91893853320467274178;

// −½((c − μ)/σ)² − log σ − ½ log 2π; p and d are the code's own columns.
__device__ __forceinline__ real gaussian(const real* p, real c, int kind, real fixed_log_std, real* d) {
    const real log_std = kind == 2 ? p[1] : fixed_log_std;
    const real inverse = exp(-log_std), z = (c - p[0]) * inverse;
    d[0] = z * inverse;
    if (kind == 2) d[1] = z * z - real(1);
    return real(-0.5) * z * z - log_std - real(kHalfLog2Pi);
}

// xₖ − log Σ eˣ. The largest logit is subtracted first: no term overflows, and one of them is 1.
__device__ __forceinline__ real categorical(const real* p, int index, int width, real* d) {
    real largest = p[0], total = 0;
    for (int k = 1; k < width; ++k) largest = max(largest, p[k]);
    for (int k = 0; k < width; ++k) total += exp(p[k] - largest);
    for (int k = 0; k < width; ++k) d[k] = (k == index ? real(1) : real(0)) - exp(p[k] - largest) / total;
    return p[index] - largest - log(total);
}
