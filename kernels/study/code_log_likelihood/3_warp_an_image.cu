// Log-likelihood of the codes, step 3: a warp an image, a lane a logit.
//
// The idea: the softmax across lanes. The logits of a code lie side by side, so a lane each reads
// them in one access, and keeps its own in a register. It is read once and its exponential taken
// once. A thread by itself goes over them three times. Maximum and sum go through shuffles, and all
// lanes take the same branch.
//
// It is not in use: it saves accesses, and a batch of codes has few. The launch is what both cost, and
// likelihood.cu is the shorter. With a thousand categories it would be the other way round.
//
// Launch: 32 threads an image, blocks of 256. Bound: a launch.

#include "study/code_log_likelihood/table.cuh"

__device__ __forceinline__ real warp_max(real value) {
    for (int step = kWarp / 2; step > 0; step /= 2) value = max(value, __shfl_xor_sync(kAllLanes, value, step));
    return value;
}

KERNEL code_log_likelihood(const real* __restrict__ parameters, const real* __restrict__ codes, const int* __restrict__ kind,
                           const int* __restrict__ offset, const int* __restrict__ width, const real* __restrict__ log_std,
                           real* __restrict__ values, real* __restrict__ derivative, int code_count, int columns, int batch) {
    const int row = int(grid_index() / kWarp), lane = threadIdx.x % kWarp;
    if (row >= batch) return;  // the whole warp
    for (int code = 0; code < code_count; ++code) {
        const int at = row * columns + offset[code], i = row * code_count + code;
        const real* p = parameters + at;
        real* d = derivative + at;
        if (kind[code] != 0) {
            if (lane == 0) values[i] = gaussian(p, codes[i], kind[code], log_std[code], d);
            continue;
        }
        const int index = int(codes[i]);
        const real first = lane < width[code] ? p[lane] : p[0];  // of up to 32 categories all there is
        real largest = first;
        for (int k = lane + kWarp; k < width[code]; k += kWarp) largest = max(largest, p[k]);
        largest = warp_max(largest);
        const real exponential = lane < width[code] ? exp(first - largest) : real(0);
        real total = exponential;
        for (int k = lane + kWarp; k < width[code]; k += kWarp) total += exp(p[k] - largest);
        total = warp_sum(total);
        if (lane < width[code]) d[lane] = (lane == index ? real(1) : real(0)) - exponential / total;
        for (int k = lane + kWarp; k < width[code]; k += kWarp)
            d[k] = (k == index ? real(1) : real(0)) - exp(p[k] - largest) / total;
        if (lane == 0) values[i] = p[index] - largest - log(total);
    }
}
