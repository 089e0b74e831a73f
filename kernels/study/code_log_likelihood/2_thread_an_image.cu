// Log-likelihood of the codes, step 2: one launch for all codes, a thread an image.
//
// The idea: a table. What differs from code to code (its kind, its columns) lies in four small
// arrays, and a thread walks through them. However many codes there are, there is one launch.
//
// Launch: a thread an image, blocks of 256. Bound: a launch, and then latency: few threads, each with all codes one after another.
// The kernel in use (likelihood.cu) has a thread for each code of each image: more threads, that do
// less each. But neighbouring lanes then take different kinds of code, so a warp goes through both
// branches.

#include "study/code_log_likelihood/table.cuh"

KERNEL code_log_likelihood(const real* __restrict__ parameters, const real* __restrict__ codes, const int* __restrict__ kind,
                           const int* __restrict__ offset, const int* __restrict__ width, const real* __restrict__ log_std,
                           real* __restrict__ values, real* __restrict__ derivative, int code_count, int columns, int batch) {
    const int row = int(grid_index());
    if (row >= batch) return;
    for (int code = 0; code < code_count; ++code) {
        const int at = row * columns + offset[code], i = row * code_count + code;
        values[i] = kind[code] == 0 ? categorical(parameters + at, int(codes[i]), width[code], derivative + at)
                                    : gaussian(parameters + at, codes[i], kind[code], log_std[code], derivative + at);
    }
}
