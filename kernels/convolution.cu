// Convolution and its adjoint as implicit GEMMs: no window is ever copied to memory.
//
// Layout: images NHWC, filters (kernel height, kernel width, c, o). The convolution takes x (n,
// height, width, c) to y (n, out_height, out_width, o). y[n,i,j,o] = Σ x[n, i·sh+u−top,
// j·sw+v−left, c]·w[u,v,c,o]. The transposed convolution is its adjoint, and its filter lies with
// the last two axes swapped, (…, o, c): the `swapped` kernels read that. What goes forward has an
// epilogue, bias, activation and moments; with several splits a result is (splits, …), and what
// adds them has it. The moments' tiles count within each phase.
// `vector` kernels copy 128 bits at once: c and o, where the operands are contiguous along them, are of whole vectors. (A `narrow`
// one copies dy so, and the few elements of w one by one.)
//
// Launch: grid (tiles, splits, phases), block 128; see tile.cuh for the product, its tiles, `tf32` and `narrow`. Bound: arithmetic,
// 2·n·out_height·out_width·kh·kw·c·o FLOPs each.

#include "tile.cuh"

struct Geometry {
    int n, height, width, out_height, out_width, kh, kw, sh, sw, top, left, c, o;
    __device__ int windows() const { return n * out_height * out_width; }
    __device__ int taps() const { return kh * kw * c; }
};

#define GEOMETRY_PARAMETERS                                                                                     \
    int n, int height, int width, int out_height, int out_width, int kh, int kw, int sh, int sw, int top, int left, \
        int c, int o
#define GEOMETRY Geometry{n, height, width, out_height, out_width, kh, kw, sh, sw, top, left, c, o}

// The part of an address in an image that a place or a term adds: pixels down and across, and the
// offset of these and the channel.
struct Shift {
    int y, x;
    unsigned offset;
};
// An operand of elements of images, 0 outside them.
struct Images {
    using Place = Shift;
    const real* data;
    int height, width;
    __device__ __forceinline__ const real* at(const Shift& place, const Shift& term) const {
        return data + (place.offset + term.offset);
    }
    __device__ __forceinline__ bool has(const Shift& place, const Shift& term) const {
        return (unsigned(place.y + term.y) < unsigned(height)) & (unsigned(place.x + term.x) < unsigned(width));
    }
};

// The elements of all windows of x, which are neighbours along taps.
struct WindowElements : Images {
    Geometry g;
    Divisor by_width{g.out_width}, by_height{g.out_height}, by_c{g.c}, by_kw{g.kw};
    __device__ __forceinline__ WindowElements(const real* x, const Geometry& g) : Images{x, g.height, g.width}, g(g) {}

    __device__ __forceinline__ Shift window(int index) const {  // of (n, i, j)
        int i, j;
        const int image = by_height.divide(by_width.divide(index, j), i), y = i * g.sh - g.top, x = j * g.sw - g.left;
        return {y, x, (unsigned(image * g.height + y) * g.width + x) * g.c};
    }
    __device__ __forceinline__ Shift tap(int index) const {  // of (u, v, c)
        int v, channel;
        const int u = by_kw.divide(by_c.divide(index, channel), v);
        return {u, v, unsigned(u * g.width + v) * g.c + channel};
    }
};
struct Windows : WindowElements {
    static constexpr bool k_is_contiguous = true;
    using WindowElements::WindowElements;
    __device__ __forceinline__ Shift place(int i) const { return window(i); }
    __device__ __forceinline__ Shift term(int k) const { return tap(k); }
};
struct WindowsTransposed : WindowElements {
    static constexpr bool k_is_contiguous = false;
    using WindowElements::WindowElements;
    __device__ __forceinline__ Shift place(int i) const { return tap(i); }
    __device__ __forceinline__ Shift term(int k) const { return window(k); }
};

// A filter with its last axes swapped: places are output channels, terms the taps.
struct SwappedFilter : Offsets {
    static constexpr bool k_is_contiguous = true;
    Geometry g;
    Divisor by_c{g.c};
    __device__ __forceinline__ unsigned place(unsigned o) const { return o * g.c; }
    __device__ __forceinline__ unsigned term(int tap) const {
        int channel;
        return unsigned(by_c.divide(tap, channel)) * g.o * g.c + channel;
    }
};
struct StoreFilter {
    real* dw;
    Geometry g;
    int swapped;
    __device__ __forceinline__ void operator()(int tap, int o, real value) const {
        const int uv = tap / g.c, channel = tap % g.c;
        dw[swapped ? ((long long)uv * g.o + o) * g.c + channel : (long long)tap * g.o + o] = value;
    }
};

// The pixels of one phase: those with a row that is `first_y` modulo sh and a column that is
// `first_x` modulo sw. The same taps, every sh-th and sw-th, reach all pixels of a phase. So no
// product with a zero between them is formed.
struct Phase {
    Geometry g;
    int first_y = int(blockIdx.z) / g.sw, first_x = int(blockIdx.z) % g.sw;
    int rows = (g.height - first_y + g.sh - 1) / g.sh, columns = (g.width - first_x + g.sw - 1) / g.sw;  // of pixels
    int u0 = (first_y + g.top) % g.sh, v0 = (first_x + g.left) % g.sw;  // the taps are u0 + sh·t and v0 + sw·t
    int taps_u = u0 < g.kh ? (g.kh - u0 + g.sh - 1) / g.sh : 0, taps_v = v0 < g.kw ? (g.kw - v0 + g.sw - 1) / g.sw : 0;
    // The phase's first pixel is reached from this window by tap 0, and each later tap from one window before.
    int first_i = (first_y + g.top) / g.sh, first_j = (first_x + g.left) / g.sw;
    Divisor by_columns{columns}, by_rows{rows}, by_o{g.o}, by_taps_v{taps_v};

    __device__ int pixels() const { return g.n * rows * columns; }
    __device__ int terms() const { return taps_u * taps_v * g.o; }
};
struct Gradients : Images {  // places are the phase's pixels, terms count (tap, o)
    static constexpr bool k_is_contiguous = true;
    Phase p;
    __device__ __forceinline__ Gradients(const real* dy, const Phase& p) : Images{dy, p.g.out_height, p.g.out_width}, p(p) {}

    __device__ __forceinline__ Shift place(int pixel) const {
        int row, column;
        const int image = p.by_rows.divide(p.by_columns.divide(pixel, column), row);
        const int i = p.first_i + row, j = p.first_j + column;
        return {i, j, (unsigned(image * height + i) * width + j) * p.g.o};
    }
    __device__ __forceinline__ Shift term(int k) const {
        int v, o;
        const int u = p.by_taps_v.divide(p.by_o.divide(k, o), v);
        return {-u, -v, o - unsigned(u * width + v) * p.g.o};
    }
};
template <bool swapped>
struct PhaseFilter : Offsets {  // places are input channels, terms count (tap, o)
    static constexpr bool k_is_contiguous = !swapped;
    Phase p;
    __device__ __forceinline__ unsigned place(unsigned channel) const { return swapped ? channel : channel * p.g.o; }
    __device__ __forceinline__ unsigned term(int k) const {
        int v, o;
        const int u = p.by_taps_v.divide(p.by_o.divide(k, o), v);
        const unsigned tap = (p.u0 + u * p.g.sh) * p.g.kw + p.v0 + v * p.g.sw;
        return swapped ? (tap * p.g.o + o) * p.g.c : tap * p.g.c * p.g.o + o;
    }
};
struct StorePixels {
    real* dx;
    Phase p;
    __device__ __forceinline__ void operator()(int pixel, int channel, real value) const {
        int row, column;
        const long long image = p.by_rows.divide(p.by_columns.divide(pixel, column), row);
        const long long y = p.first_y + row * p.g.sh, x = p.first_x + column * p.g.sw;
        dx[((image * p.g.height + y) * p.g.width + x) * p.g.c + channel] = value;
    }
};

// y = activation(windows(x)·w + bias): rows are the windows.
template <class Product, int width, bool swapped>
__device__ __forceinline__ void forward(const real* x, const real* w, const Epilogue& epilogue, real* y, const Geometry& g) {
    const Windows windows(x, g);
    const StoreRows store{result_of_split(y, (long long)g.windows() * g.o), g.o};
    if constexpr (swapped) tiled_product<Product, width, width>(windows, SwappedFilter{{w}, g}, store, epilogue, g.windows(), g.o, g.taps());
    else tiled_product<Product, width, width>(windows, Columns{{w}, unsigned(g.o)}, store, epilogue, g.windows(), g.o, g.taps());
}

// dx = the activation of the convolution's adjoint, of dy, plus a bias: rows are the pixels of one phase, blockIdx.z the phase.
template <class Product, int dy_width, int w_width, bool swapped>
__device__ __forceinline__ void backward_data(const real* dy, const real* w, const Epilogue& epilogue, real* dx, const Geometry& g) {
    const Phase p{g};
    const StorePixels store{result_of_split(dx, (long long)g.n * g.height * g.width * g.c), p};
    tiled_product<Product, dy_width, w_width>(Gradients(dy, p), PhaseFilter<swapped>{{w}, p}, store, epilogue, p.pixels(), g.c,
                                              p.terms());
}

// dw = windows(x)ᵀ·dy: rows are the taps, k the windows.
template <class Product, int width>
__device__ __forceinline__ void backward_weight(const real* x, const real* dy, real* dw, const Geometry& g, int swapped) {
    const StoreFilter store{result_of_split(dw, (long long)g.taps() * g.o), g, swapped};
    tiled_product<Product, width, width>(WindowsTransposed(x, g), Columns{{dy}, unsigned(g.o)}, store, Epilogue{}, g.taps(), g.o,
                                         g.windows());
}

#define FORWARD const real *x, const real *w, const real *bias, real slope, real *moments, real *y, GEOMETRY_PARAMETERS

KERNEL conv2d(FORWARD) { forward<IeeeProduct, kElement, false>(x, w, {bias, slope, moments}, y, GEOMETRY); }
KERNEL conv2d_vector(FORWARD) { forward<IeeeProduct, kVector, false>(x, w, {bias, slope, moments}, y, GEOMETRY); }
KERNEL conv2d_tf32(FORWARD) { forward<Tf32Product, kElement, false>(x, w, {bias, slope, moments}, y, GEOMETRY); }
KERNEL conv2d_vector_tf32(FORWARD) { forward<Tf32Product, kVector, false>(x, w, {bias, slope, moments}, y, GEOMETRY); }
KERNEL conv2d_swapped(FORWARD) { forward<IeeeProduct, kElement, true>(x, w, {bias, slope, moments}, y, GEOMETRY); }
KERNEL conv2d_swapped_vector(FORWARD) { forward<IeeeProduct, kVector, true>(x, w, {bias, slope, moments}, y, GEOMETRY); }
KERNEL conv2d_swapped_tf32(FORWARD) { forward<Tf32Product, kElement, true>(x, w, {bias, slope, moments}, y, GEOMETRY); }
KERNEL conv2d_swapped_vector_tf32(FORWARD) { forward<Tf32Product, kVector, true>(x, w, {bias, slope, moments}, y, GEOMETRY); }

#define BACKWARD_DATA const real *dy, const real *w, const real *bias, real slope, real *moments, real *dx, GEOMETRY_PARAMETERS

KERNEL conv2d_backward_data(BACKWARD_DATA) { backward_data<IeeeProduct, kElement, kElement, false>(dy, w, {bias, slope, moments}, dx, GEOMETRY); }
KERNEL conv2d_backward_data_vector(BACKWARD_DATA) { backward_data<IeeeProduct, kVector, kVector, false>(dy, w, {bias, slope, moments}, dx, GEOMETRY); }
KERNEL conv2d_backward_data_tf32(BACKWARD_DATA) { backward_data<Tf32Product, kElement, kElement, false>(dy, w, {bias, slope, moments}, dx, GEOMETRY); }
KERNEL conv2d_backward_data_vector_tf32(BACKWARD_DATA) { backward_data<Tf32Product, kVector, kVector, false>(dy, w, {bias, slope, moments}, dx, GEOMETRY); }
KERNEL conv2d_backward_data_swapped(BACKWARD_DATA) { backward_data<IeeeProduct, kElement, kElement, true>(dy, w, {bias, slope, moments}, dx, GEOMETRY); }
KERNEL conv2d_backward_data_swapped_vector(BACKWARD_DATA) { backward_data<IeeeProduct, kVector, kVector, true>(dy, w, {bias, slope, moments}, dx, GEOMETRY); }
KERNEL conv2d_backward_data_swapped_tf32(BACKWARD_DATA) { backward_data<Tf32Product, kElement, kElement, true>(dy, w, {bias, slope, moments}, dx, GEOMETRY); }
KERNEL conv2d_backward_data_swapped_vector_tf32(BACKWARD_DATA) { backward_data<Tf32Product, kVector, kVector, true>(dy, w, {bias, slope, moments}, dx, GEOMETRY); }

// For few channels c.
KERNEL conv2d_backward_data_narrow(BACKWARD_DATA) { backward_data<NarrowProduct, kElement, kElement, false>(dy, w, {bias, slope, moments}, dx, GEOMETRY); }
KERNEL conv2d_backward_data_narrow_vector(BACKWARD_DATA) { backward_data<NarrowProduct, kVector, kElement, false>(dy, w, {bias, slope, moments}, dx, GEOMETRY); }
KERNEL conv2d_backward_data_swapped_narrow(BACKWARD_DATA) { backward_data<NarrowProduct, kElement, kElement, true>(dy, w, {bias, slope, moments}, dx, GEOMETRY); }
KERNEL conv2d_backward_data_swapped_narrow_vector(BACKWARD_DATA) { backward_data<NarrowProduct, kVector, kElement, true>(dy, w, {bias, slope, moments}, dx, GEOMETRY); }

#define BACKWARD_WEIGHT const real *x, const real *dy, real *dw, GEOMETRY_PARAMETERS, int swapped

KERNEL conv2d_backward_weight(BACKWARD_WEIGHT) { backward_weight<IeeeProduct, kElement>(x, dy, dw, GEOMETRY, swapped); }
KERNEL conv2d_backward_weight_vector(BACKWARD_WEIGHT) { backward_weight<IeeeProduct, kVector>(x, dy, dw, GEOMETRY, swapped); }
KERNEL conv2d_backward_weight_tf32(BACKWARD_WEIGHT) { backward_weight<Tf32Product, kElement>(x, dy, dw, GEOMETRY, swapped); }
KERNEL conv2d_backward_weight_vector_tf32(BACKWARD_WEIGHT) { backward_weight<Tf32Product, kVector>(x, dy, dw, GEOMETRY, swapped); }
