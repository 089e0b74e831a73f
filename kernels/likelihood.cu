// Likelihoods: values and derivatives in one pass over a batch.
//
// They are small (a batch of codes), so a launch is what they cost.

#include "minigan.cuh"

constexpr double kHalfLog2Pi = 0.91893853320467274178;

// −t·log σ(x) − (1 − t)·log(1 − σ(x)) and its derivative σ(x) − t, elementwise. Launch: blocks of 256, grid-stride.
KERNEL binary_cross_entropy_with_logits(const real* __restrict__ logits, const real* __restrict__ targets,
                                        real* __restrict__ values, real* __restrict__ derivative, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const real x = logits[i], t = targets[i];
        const real e = exp(-fabs(x));
        values[i] = (x > real(0) ? x : real(0)) - x * t + log1p(e);
        derivative[i] = (x < real(0) ? e : real(1)) / (real(1) + e) - t;
    }
}

// log Q(cᵢ|x) of every code and its derivative by the parameters; `kind` as in CodeTable.
//
// Layout: parameters and derivative (batch, columns), codes and values (batch, codes). Launch: a thread a (row, code).
KERNEL code_log_likelihood(const real* __restrict__ parameters, const real* __restrict__ codes,
                           const int* __restrict__ kind, const int* __restrict__ offset,
                           const int* __restrict__ width, const real* __restrict__ log_std,
                           real* __restrict__ values, real* __restrict__ derivative, int code_count, int columns,
                           long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const long long row = i / code_count;
        const int code = int(i % code_count);
        const real* p = parameters + row * columns + offset[code];
        real* d = derivative + row * columns + offset[code];
        const real c = codes[i];
        if (kind[code] == 0) {
            real largest = p[0], total = 0;
            for (int k = 1; k < width[code]; ++k) largest = p[k] > largest ? p[k] : largest;
            for (int k = 0; k < width[code]; ++k) total += exp(p[k] - largest);
            const int index = int(c);
            for (int k = 0; k < width[code]; ++k)
                d[k] = (k == index ? real(1) : real(0)) - exp(p[k] - largest) / total;
            values[i] = p[index] - largest - log(total);
        } else {
            const real log_sigma = kind[code] == 2 ? p[1] : log_std[code];
            const real inverse = exp(-log_sigma), z = (c - p[0]) * inverse;
            values[i] = real(-0.5) * z * z - log_sigma - real(kHalfLog2Pi);
            d[0] = z * inverse;
            if (kind[code] == 2) d[1] = z * z - real(1);
        }
    }
}

// KL(Q_target ‖ Q) of every code and its derivative by the parameters of Q; `kind` as in CodeTable.
//
// Layout: parameters, target and derivative (batch, columns), values (batch, codes). Launch: a thread a (row, code).
KERNEL code_divergence(const real* __restrict__ parameters, const real* __restrict__ target,
                       const int* __restrict__ kind, const int* __restrict__ offset, const int* __restrict__ width,
                       const real* __restrict__ log_std, real* __restrict__ values, real* __restrict__ derivative,
                       int code_count, int columns, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const long long row = i / code_count;
        const int code = int(i % code_count);
        const real* p = parameters + row * columns + offset[code];
        const real* t = target + row * columns + offset[code];
        real* d = derivative + row * columns + offset[code];
        if (kind[code] == 0) {
            real largest = p[0], target_largest = t[0], total = 0, target_total = 0;
            for (int k = 1; k < width[code]; ++k) {
                largest = p[k] > largest ? p[k] : largest;
                target_largest = t[k] > target_largest ? t[k] : target_largest;
            }
            for (int k = 0; k < width[code]; ++k) {
                total += exp(p[k] - largest);
                target_total += exp(t[k] - target_largest);
            }
            const real shift = (largest + log(total)) - (target_largest + log(target_total));
            real divergence = 0;
            for (int k = 0; k < width[code]; ++k) {
                const real q = exp(t[k] - target_largest) / target_total;
                d[k] = exp(p[k] - largest) / total - q;
                divergence += q * (t[k] - p[k] + shift);
            }
            values[i] = divergence;
        } else {
            const bool predicted = kind[code] == 2;
            const real log_sigma = predicted ? p[1] : log_std[code];
            const real difference = log_sigma - (predicted ? t[1] : log_std[code]);
            const real inverse = exp(-log_sigma), z = (p[0] - t[0]) * inverse;
            const real spread = exp(-(difference + difference)) + z * z;
            values[i] = difference + real(0.5) * (spread - real(1));
            d[0] = z * inverse;
            if (predicted) d[1] = real(1) - spread;
        }
    }
}

// Each code's columns of `gradient` times dy of that code. Launch: a thread a (row, code).
KERNEL scale_code_gradient(const real* __restrict__ gradient, const real* __restrict__ dy,
                           const int* __restrict__ offset, const int* __restrict__ width, real* __restrict__ result,
                           int code_count, int columns, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const long long row = i / code_count;
        const int code = int(i % code_count);
        for (int k = offset[code]; k < offset[code] + width[code]; ++k)
            result[row * columns + k] = gradient[row * columns + k] * dy[i];
    }
}

// The generator's input: the noise, then one column a category and one a continuous code. A thread a row.
KERNEL encode_latents(const real* __restrict__ noise, const real* __restrict__ codes, const int* __restrict__ kind,
                      const int* __restrict__ width, real* __restrict__ result, int noise_columns, int code_count,
                      int columns, int batch) {
    for (long long row = grid_index(); row < batch; row += grid_stride()) {
        real* out = result + row * columns;
        for (int i = 0; i < noise_columns; ++i) *out++ = noise[row * noise_columns + i];
        for (int code = 0; code < code_count; ++code) {
            const real c = codes[row * code_count + code];
            if (kind[code] == 0)
                for (int k = 0; k < width[code]; ++k) *out++ = k == int(c) ? real(1) : real(0);
            else
                *out++ = c;
        }
    }
}
