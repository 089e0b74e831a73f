// Likelihoods: values and derivatives in one pass over a batch.
//
// They are small (a batch of codes), so their cost is a launch.

#include "minigan.cuh"

constexpr double kHalfLog2Pi = 0.91893853320467274178;
constexpr int kThreads = 256;
constexpr real kLeast = real(1e-37);  // of the argument of a logarithm

// −t·log σ(x) − (1 − t)·log(1 − σ(x)) and its derivative σ(x) − t, elementwise. A share of 0 has no loss at ∞.
//
// Launch: blocks of 256, grid-stride.
KERNEL binary_cross_entropy_with_logits(const real* __restrict__ logits, const real* __restrict__ targets,
                                        real* __restrict__ values, real* __restrict__ derivative, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const real x = logits[i], t = targets[i];
        const real e = exp(-fabs(x));
        const real share = x > real(0) ? real(1) - t : t;  // of the side that x speaks against
        values[i] = (share == real(0) ? share : fabs(x) * share) + log1p(e);
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

// log softmax of a row's logits.
__device__ __forceinline__ void log_softmax(const real* logits, real* result, int columns) {
    real largest = logits[0], total = 0;
    for (int k = 1; k < columns; ++k) largest = max(largest, logits[k]);
    for (int k = 0; k < columns; ++k) total += exp(logits[k] - largest);
    for (int k = 0; k < columns; ++k) result[k] = logits[k] - largest - log(total);
}

// How well a categorical code, as one view of a batch is read, is found in another, and the
// derivatives by the logits of both. It is entropy_weight·H(p̄) + E[Σ p·log q]. p and q are a row's
// probabilities in the first and the other view, and p̄ is the mean of p. With gₖ = log qₖ −
// entropy_weight·log p̄ₖ the derivatives of the batch's sum are pₖ·(gₖ − Σ p·g) and pₖ − qₖ. Of
// another code all is 0.
//
// Layout: the views, their logs and derivatives (batch, columns); values (codes,); log_mean (columns,); `kind` as in CodeTable.
// Launch: a block of 256 a code: the rows, then the means by columns, then the rows again, with a barrier between.
KERNEL code_consistency_information(const real* __restrict__ first, const real* __restrict__ second, const int* __restrict__ kind,
                             const int* __restrict__ offset, const int* __restrict__ width, real* __restrict__ values,
                             real* __restrict__ first_derivative, real* __restrict__ second_derivative, real* log_first,
                             real* log_second, real* log_mean, real entropy_weight, int columns, int batch) {
    __shared__ real warps[kThreads / kWarp];
    const int code = blockIdx.x, k = width[code], own = threadIdx.x;
    const long long at = offset[code];
    if (kind[code] != 0) {
        for (long long row = own; row < batch; row += kThreads)
            for (int i = 0; i < k; ++i) first_derivative[row * columns + at + i] = second_derivative[row * columns + at + i] = 0;
        if (own == 0) values[code] = 0;
        return;
    }
    real sum = 0;  // of this thread's share of the value
    for (long long row = own; row < batch; row += kThreads) {
        real* log_p = log_first + row * columns + at;
        real* log_q = log_second + row * columns + at;
        log_softmax(first + row * columns + at, log_p, k);
        log_softmax(second + row * columns + at, log_q, k);
        for (int i = 0; i < k; ++i) sum += exp(log_p[i]) * log_q[i] / real(batch);
    }
    __syncthreads();
    for (int i = own; i < k; i += kThreads) {
        real mean = 0;
        for (long long row = 0; row < batch; ++row) mean += exp(log_first[row * columns + at + i]) / real(batch);
        log_mean[at + i] = log(max(mean, kLeast));
        sum -= entropy_weight * mean * log_mean[at + i];
    }
    sum = warp_sum(sum);
    if (own % kWarp == 0) warps[own / kWarp] = sum;
    __syncthreads();
    for (long long row = own; row < batch; row += kThreads) {
        const real* log_p = log_first + row * columns + at;
        const real* log_q = log_second + row * columns + at;
        real expected = 0;
        for (int i = 0; i < k; ++i) expected += exp(log_p[i]) * (log_q[i] - entropy_weight * log_mean[at + i]);
        for (int i = 0; i < k; ++i) {
            const real p = exp(log_p[i]), gain = log_q[i] - entropy_weight * log_mean[at + i];
            first_derivative[row * columns + at + i] = p * (gain - expected) / real(batch);
            second_derivative[row * columns + at + i] = (p - exp(log_q[i])) / real(batch);
        }
    }
    if (own != 0) return;
    for (int i = 1; i < kThreads / kWarp; ++i) sum += warps[i];
    values[code] = sum;
}

// Each code's columns of `gradient` times dy of that code, (batch, codes), or (codes,) for every row. Launch: a thread a (row, code).
KERNEL scale_code_gradient(const real* __restrict__ gradient, const real* __restrict__ dy,
                           const int* __restrict__ offset, const int* __restrict__ width, real* __restrict__ result,
                           int code_count, int columns, int of_every_row, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const long long row = i / code_count;
        const int code = int(i % code_count);
        const real factor = dy[of_every_row ? code : i];
        for (int k = offset[code]; k < offset[code] + width[code]; ++k)
            result[row * columns + k] = gradient[row * columns + k] * factor;
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
