// Batch normalization, step 1: a thread a channel.
//
// y = weight·(x − mean)/√(variance + ε) + bias, mean and variance of each channel over all rows: x and y are (rows, channels), the others
// (channels,). Variance is Σ(x − mean)²/rows: two passes, since Σx²/rows − mean² would subtract two numbers that are nearly the same.
//
// The idea: none yet. A thread goes through its channel three times. A warp's 32 channels lie side by side, so its accesses are
// coalesced. But there are only as many threads as channels, each waits for one value after another, and most of a GPU is idle.
//
// Launch: a thread a channel, blocks of 32. Bound: latency.

#include "minigan.cuh"

KERNEL batch_norm(const real* __restrict__ x, const real* __restrict__ weight, const real* __restrict__ bias, real* __restrict__ y,
                  real epsilon, int rows, int channels) {
    const int channel = int(grid_index());
    if (channel >= channels) return;

    real sum = 0, squares = 0;
    for (int row = 0; row < rows; ++row) sum += x[row * channels + channel];
    const real mean = sum / real(rows);
    for (int row = 0; row < rows; ++row) {
        const real difference = x[row * channels + channel] - mean;
        squares += difference * difference;
    }
    const real scale = weight[channel] / sqrt(squares / real(rows) + epsilon);
    for (int row = 0; row < rows; ++row) {
        const int i = row * channels + channel;
        y[i] = (x[i] - mean) * scale + bias[channel];
    }
}
