// Convolution and its adjoint as implicit GEMMs: no window is ever copied to memory.
//
// Layout: images NHWC, filters (kernel height, kernel width, c, o). The convolution takes x (n, height, width, c) to
// y (n, out_height, out_width, o): y[n,i,j,o] = Σ x[n, i·sh+u−top, j·sw+v−left, c]·w[u,v,c,o]. The transposed convolution
// is its adjoint with the filter's last two axes swapped, so each kernel takes the filter's strides along c and o.
//
// Launch: grid (⌈columns/64⌉, ⌈rows/64⌉, phases), block 256; see tile.cuh for the product. Bound: arithmetic,
// 2·n·out_height·out_width·kh·kw·c·o FLOPs each.

#include "tile.cuh"

struct Geometry {
    int height, width, out_height, out_width, kh, kw, sh, sw, top, left, c, o, c_stride, o_stride;
};

#define GEOMETRY_PARAMETERS                                                                                     \
    int height, int width, int out_height, int out_width, int kh, int kw, int sh, int sw, int top, int left,     \
        int c, int o, int c_stride, int o_stride
#define GEOMETRY {height, width, out_height, out_width, kh, kw, sh, sw, top, left, c, o, c_stride, o_stride}

// An element of a window: `window` counts (n, i, j), `tap` counts (u, v, c).
__device__ __forceinline__ real window_element(const real* x, const Geometry& g, long long window, int tap) {
    const int j = int(window % g.out_width), i = int(window / g.out_width % g.out_height);
    const long long n = window / g.out_width / g.out_height;
    const int channel = tap % g.c, v = tap / g.c % g.kw, u = tap / g.c / g.kw;
    const int y = i * g.sh + u - g.top, xx = j * g.sw + v - g.left;
    if (y < 0 || y >= g.height || xx < 0 || xx >= g.width) return real(0);
    return x[((n * g.height + y) * g.width + xx) * g.c + channel];
}

// A filter's element at `tap` = (u, v, c) and output channel o.
__device__ __forceinline__ long long filter_index(const Geometry& g, int tap, int o) {
    return (long long)(tap / g.c) * g.c * g.o + (long long)(tap % g.c) * g.c_stride + (long long)o * g.o_stride;
}

struct Windows {  // rows are windows, k the taps
    static constexpr bool k_is_contiguous = true;
    const real* x;
    Geometry g;
    __device__ real operator()(long long window, int tap) const { return window_element(x, g, window, tap); }
};
struct WindowsTransposed {  // rows are taps, k the windows
    static constexpr bool k_is_contiguous = false;
    const real* x;
    Geometry g;
    __device__ real operator()(long long tap, int window) const { return window_element(x, g, window, int(tap)); }
};
struct Filter {
    static constexpr bool k_is_contiguous = false;
    const real* w;
    Geometry g;
    __device__ real operator()(int tap, int o) const { return w[filter_index(g, tap, o)]; }
};
struct StoreFilter {
    real* dw;
    Geometry g;
    __device__ void operator()(long long tap, int o, real value) const { dw[filter_index(g, int(tap), o)] = value; }
};

// y = windows(x)·w + bias: rows are the windows.
KERNEL conv2d(const real* x, const real* w, const real* bias, real* y, int n, GEOMETRY_PARAMETERS) {
    const Geometry g = GEOMETRY;
    tiled_product(Windows{x, g}, Filter{w, g}, StoreRows{y, bias, o}, (long long)n * out_height * out_width, o, kh * kw * c);
}

// dw = windows(x)ᵀ·dy: rows are the taps, k the windows.
KERNEL conv2d_backward_weight(const real* x, const real* dy, real* dw, int n, GEOMETRY_PARAMETERS) {
    const Geometry g = GEOMETRY;
    tiled_product(WindowsTransposed{x, g}, RowMajorB{dy, o}, StoreFilter{dw, g}, (long long)kh * kw * c, o,
                  n * out_height * out_width);
}

// The pixels of one phase: those whose row is `first_y` modulo sh and whose column is `first_x` modulo sw. All pixels
// of a phase are reached by the same taps, every sh-th and sw-th, so no product with a zero between them is formed.
struct Phase {
    Geometry g;
    int first_y, first_x, rows, columns;  // of pixels
    int u0, v0, taps_u, taps_v;           // the taps are u0 + sh·t and v0 + sw·t
    __device__ Phase(const Geometry& geometry, int phase) : g(geometry) {
        first_y = phase / g.sw;
        first_x = phase % g.sw;
        rows = (g.height - first_y + g.sh - 1) / g.sh;
        columns = (g.width - first_x + g.sw - 1) / g.sw;
        u0 = (first_y + g.top) % g.sh;
        v0 = (first_x + g.left) % g.sw;
        taps_u = u0 < g.kh ? (g.kh - u0 + g.sh - 1) / g.sh : 0;
        taps_v = v0 < g.kw ? (g.kw - v0 + g.sw - 1) / g.sw : 0;
    }
    __device__ int u(int k) const { return u0 + k / g.o / taps_v * g.sh; }
    __device__ int v(int k) const { return v0 + k / g.o % taps_v * g.sw; }
    __device__ int y(long long row) const { return first_y + int(row / columns % rows) * g.sh; }
    __device__ int x(long long row) const { return first_x + int(row % columns) * g.sw; }
    __device__ long long image(long long row) const { return row / columns / rows; }
};
struct Gradients {  // rows are the phase's pixels, k counts (tap, o)
    static constexpr bool k_is_contiguous = true;
    const real* dy;
    Phase p;
    __device__ real operator()(long long row, int k) const {
        const Geometry& g = p.g;
        const int up = p.y(row) + g.top - p.u(k), across = p.x(row) + g.left - p.v(k);  // multiples of the stride
        if (up < 0 || across < 0) return real(0);
        const int i = up / g.sh, j = across / g.sw;
        if (i >= g.out_height || j >= g.out_width) return real(0);
        return dy[((p.image(row) * g.out_height + i) * g.out_width + j) * g.o + k % g.o];
    }
};
struct PhaseFilter {
    static constexpr bool k_is_contiguous = true;
    const real* w;
    Phase p;
    __device__ real operator()(int k, int channel) const {
        return w[filter_index(p.g, (p.u(k) * p.g.kw + p.v(k)) * p.g.c + channel, k % p.g.o)];
    }
};
struct StorePixels {
    real* dx;
    const real* bias;
    Phase p;
    __device__ void operator()(long long row, int channel, real value) const {
        const long long pixel = (p.image(row) * p.g.height + p.y(row)) * p.g.width + p.x(row);
        dx[pixel * p.g.c + channel] = bias != nullptr ? value + bias[channel] : value;
    }
};

// dx = the adjoint of the convolution, of dy, plus a bias: rows are the pixels of one phase, blockIdx.z the phase.
KERNEL conv2d_backward_data(const real* dy, const real* w, const real* bias, real* dx, int n, GEOMETRY_PARAMETERS) {
    const Phase p(GEOMETRY, blockIdx.z);
    tiled_product(Gradients{dy, p}, PhaseFilter{w, p}, StorePixels{dx, bias, p}, (long long)n * p.rows * p.columns, c,
                  p.taps_u * p.taps_v * o);
}
