// The parts that all these steps share: where a convolution's windows lie.
//
// y[n,i,j,o] = Σ x[n, i·sh+u−top, j·sw+v−left, c]·w[u,v,c,o], pixels outside x being 0. Images are NHWC, filters HWIO.
// It is a product of matrices: Y (windows, o) = A (windows, taps)·W (taps, o), where a window is an (n, i, j) and a tap a
// (u, v, c). W and Y lie in memory like that; A is never written down ("implicit GEMM"): its elements are looked up in x.
#pragma once

#include "minigan.cuh"

struct Geometry {
    int n, height, width, out_height, out_width, kh, kw, sh, sw, top, left, c, o;

    __device__ int windows() const { return n * out_height * out_width; }
    __device__ int taps() const { return kh * kw * c; }

    // Where A[window][tap] is in x; -1 where it is 0: outside the image, or outside A.
    __device__ int element(int window, int tap) const {
        if (window >= windows() || tap >= taps()) return -1;
        const int j = window % out_width, i = window / out_width % out_height, image = window / out_width / out_height;
        const int channel = tap % c, v = tap / c % kw, u = tap / c / kw;
        const int row = i * sh + u - top, column = j * sw + v - left;
        if (row < 0 || row >= height || column < 0 || column >= width) return -1;
        return ((image * height + row) * width + column) * c + channel;
    }
    // Where W[tap][channel] is in w; -1 outside W.
    __device__ int filter_element(int tap, int channel) const { return tap < taps() && channel < o ? tap * o + channel : -1; }
};

#define GEOMETRY_PARAMETERS                                                                                             \
    int n, int height, int width, int out_height, int out_width, int kh, int kw, int sh, int sw, int top, int left, int c, \
        int o
#define GEOMETRY {n, height, width, out_height, out_width, kh, kw, sh, sw, top, left, c, o}
