// Log-likelihood of the codes, step 1: a launch for each code, a thread an image.
//
// The idea: none yet. Each density is a kernel, and each code has a launch of it. A launch costs a
// GPU some microseconds, however little it does. Here it does little: one thread an image, and a
// few dozen operations each.
//
// Layout: table.cuh. Launch: once a code, a thread an image, blocks of 256. Bound: launches.

#include "study/code_log_likelihood/table.cuh"

KERNEL categorical_code(const real* __restrict__ parameters, const real* __restrict__ codes, real* __restrict__ values,
                        real* __restrict__ derivative, int code, int offset, int width, int code_count, int columns, int batch) {
    const int row = int(grid_index());
    if (row >= batch) return;
    const int at = row * columns + offset, i = row * code_count + code;
    values[i] = categorical(parameters + at, int(codes[i]), width, derivative + at);
}

KERNEL gaussian_code(const real* __restrict__ parameters, const real* __restrict__ codes, real* __restrict__ values,
                     real* __restrict__ derivative, int code, int offset, int kind, real log_std, int code_count, int columns,
                     int batch) {
    const int row = int(grid_index());
    if (row >= batch) return;
    const int at = row * columns + offset, i = row * code_count + code;
    values[i] = gaussian(parameters + at, codes[i], kind, log_std, derivative + at);
}
