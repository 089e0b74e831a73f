// Convolution, step 2: neighbouring threads take neighbouring channels.
//
// The idea: coalescing. Channels are contiguous in w and in y, so a warp's 32 lanes now read 32
// values of w that lie side by side: 4 sectors, all of them used. They write y in the same way. Of
// x they all want the same value, which is one sector. One line differs from step 1: which of the
// two, window or channel, counts fastest.
//
// Launch: as step 1. Bound: memory still; each product takes two loads, and the same values are loaded by block after block.

#include "study/conv2d/geometry.cuh"

KERNEL conv2d(const real* __restrict__ x, const real* __restrict__ w, real* __restrict__ y, GEOMETRY_PARAMETERS) {
    const Geometry g = GEOMETRY;
    const long long index = grid_index();
    const int window = int(index / o), channel = int(index % o);
    if (window >= g.windows()) return;
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
