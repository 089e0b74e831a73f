// Convolution, step 1: a thread an output value, the formula as it is written.
//
// The idea: none yet. Neighbouring threads take neighbouring windows, the order that comes to mind for an image. But a warp's 32
// lanes touch memory together, in sectors of 32 bytes. Here they read 32 pixels that are stride·c elements apart, and write 32
// values that are o apart. Each lane then moves a sector of 32 bytes for the 4 that it wants.
//
// Launch: blocks of 256 threads, one for each of the windows·o outputs. Bound: memory, sectors that are mostly thrown away.

#include "study/conv2d/geometry.cuh"

KERNEL conv2d(const real* __restrict__ x, const real* __restrict__ w, real* __restrict__ y, GEOMETRY_PARAMETERS) {
    const Geometry g = GEOMETRY;
    const long long index = grid_index();
    const int window = int(index % g.windows()), channel = int(index / g.windows());
    if (channel >= o) return;
    const int j = window % out_width, i = window / out_width % out_height, image = window / out_width / out_height;

    real sum = 0;
    for (int u = 0; u < kh; ++u)
        for (int v = 0; v < kw; ++v) {
            const int row = i * sh + u - top, column = j * sw + v - left;
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            const real* pixel = x + ((image * height + row) * width + column) * c;
            const real* tap = w + (u * kw + v) * c * o + channel;
            for (int k = 0; k < c; ++k) sum += pixel[k] * tap[k * o];
        }
    y[window * o + channel] = sum;
}
