// Elementwise kernels: one pass over memory, which bounds them.
//
// Layout: flat arrays of n elements. Launch: blocks of 256 threads, a grid-stride loop.
// Bytes: (arrays read + arrays written)·n·sizeof(real), named at each kernel.

#include "minigan.cuh"

// y = x if x > 0 else slope·x. Reads x, writes y.
KERNEL leaky_relu(const real* __restrict__ x, real* __restrict__ y, real slope, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) y[i] = leaky(x[i], slope);
}

// dx = dy if x > 0 else slope·dy. Reads dy and x, writes dx.
KERNEL leaky_relu_backward(const real* __restrict__ dy, const real* __restrict__ x, real* __restrict__ dx,
                           real slope, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) dx[i] = leaky_gradient(dy[i], x[i], slope);
}

// y = 1/(1 + e⁻ˣ); e⁻|ˣ| cannot overflow, and serves both halves of the curve. Reads x, writes y.
KERNEL sigmoid(const real* __restrict__ x, real* __restrict__ y, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const real e = exp(-fabs(x[i]));
        y[i] = (x[i] < real(0) ? e : real(1)) / (real(1) + e);
    }
}

// dx = dy·y·(1 − y). Reads dy and y, writes dx.
KERNEL sigmoid_backward(const real* __restrict__ dy, const real* __restrict__ y, real* __restrict__ dx,
                        long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) dx[i] = dy[i] * y[i] * (real(1) - y[i]);
}

// y = tanh x. Reads x, writes y.
KERNEL hyperbolic_tangent(const real* __restrict__ x, real* __restrict__ y, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) y[i] = tanh(x[i]);
}

// dx = dy·(1 − y²). Reads dy and y, writes dx.
KERNEL hyperbolic_tangent_backward(const real* __restrict__ dy, const real* __restrict__ y, real* __restrict__ dx,
                                   long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) dx[i] = dy[i] * (real(1) - y[i] * y[i]);
}

// result = x_scale·x + y_scale·y, without y where it is null. Reads x and y, writes result, which may be one of them.
KERNEL scaled_sum(const real* x, real x_scale, const real* y, real y_scale, real* result, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride())
        result[i] = y == nullptr ? x_scale * x[i] : x_scale * x[i] + y_scale * y[i];
}

// result = x·y. Reads x and y, writes result.
KERNEL multiply(const real* __restrict__ x, const real* __restrict__ y, real* __restrict__ result, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) result[i] = x[i] * y[i];
}

// result = value. Writes result.
KERNEL fill(real* __restrict__ result, real value, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) result[i] = value;
}

// result[begin … end) = x, and 0 around it. Reads x, writes result: the gradient of a slice of rows.
KERNEL pad_rows(const real* __restrict__ x, real* __restrict__ result, long long begin, long long end, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride())
        result[i] = i >= begin && i < end ? x[i - begin] : real(0);
}

// counter += 1. Launch: one thread.
KERNEL increment(long long* counter) { *counter += 1; }

constexpr int kParts = 64;
struct Parts {  // part k lies in the result at its elements end[k − 1] … end[k]
    const real* x[kParts];
    long long end[kParts];
};

// The parts one after another. Reads them, writes result.
KERNEL concatenate(const Parts parts, real* __restrict__ result, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        int k = 0;
        while (parts.end[k] <= i) ++k;
        result[i] = parts.x[k][i - (k == 0 ? 0 : parts.end[k - 1])];
    }
}

// target[i] = source[i]. Reads source, writes target.
KERNEL copy(const real* __restrict__ source, real* __restrict__ target, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) target[i] = source[i];
}

// result[row, i] = images[indices[row], i]·scale + low. Reads a byte a pixel, writes a real.
KERNEL gather_images(const unsigned char* __restrict__ images, const long long* __restrict__ indices,
                     real* __restrict__ result, real scale, real low, int pixels, long long n) {
    for (long long i = grid_index(); i < n; i += grid_stride()) {
        const long long row = i / pixels;
        result[i] = real(images[indices[row] * pixels + i % pixels]) * scale + low;
    }
}

// Rectangles over each image, upright or lying, in one of two shades; a later one covers an
// earlier. A rectangle is made of six uniforms. They are its centre (u₀, u₁; it keeps a pixel from
// the edge), whether it stands (u₂ ≥ 0), its thickness and length (u₃, u₄) and its shade (u₅ < 0:
// low). Thickness and length go from a half of the most to the most.
//
// Layout: images and result (n, height, width, channels), uniforms (n, rectangles, 6). Launch: a thread an element. The bound is
// memory: an image in, an image out.
KERNEL random_occlusion(const real* __restrict__ images, const real* __restrict__ uniforms, real* __restrict__ result,
                      real thickness, real length, real low, real high, int rectangles, int height, int width, int channels,
                      long long n) {
    for (long long k = grid_index(); k < n; k += grid_stride()) {
        const int j = int(k / channels % width), i = int(k / channels / width % height);
        const long long number = k / channels / width / height;
        const real middle_y = real(0.5) * real(height - 1), middle_x = real(0.5) * real(width - 1);
        real value = images[k];
        for (int rectangle = 0; rectangle < rectangles; ++rectangle) {
            const real* u = uniforms + (number * rectangles + rectangle) * 6;
            const real across = thickness * real(0.125) * (real(3) + u[3]);  // from the middle
            const real along = length * real(0.125) * (real(3) + u[4]);
            const real half_y = u[2] < real(0) ? across : along, half_x = u[2] < real(0) ? along : across;
            const real y = middle_y + u[0] * max(middle_y - real(1) - half_y, real(0));
            const real x = middle_x + u[1] * max(middle_x - real(1) - half_x, real(0));
            if (fabs(real(i) - y) <= half_y && fabs(real(j) - x) <= half_x) value = u[5] < real(0) ? low : high;
        }
        result[k] = value;
    }
}

// Each image under a separate affine map, sampled bilinearly; outside the image its edge goes on. u
// are the image's five uniforms. The map turns by rotation·u₀, scales by 1 + scale·u₁, shears by
// shear·u₂ and shifts by shift·(u₃, u₄).
//
// Layout: images and result (n, height, width, channels), uniforms (n, 5). Launch: a thread an element. Neighbours read
// neighbouring pixels, so the bound is memory: an image in, an image out.
KERNEL random_affine(const real* __restrict__ images, const real* __restrict__ uniforms, real* __restrict__ result,
                   real rotation, real scale, real shear, real shift, int height, int width, int channels,
                   long long n) {
    for (long long k = grid_index(); k < n; k += grid_stride()) {
        const int c = int(k % channels), j = int(k / channels % width), i = int(k / channels / width % height);
        const long long number = k / channels / width / height;
        const real* u = uniforms + 5 * number;
        const real middle_y = real(0.5) * real(height - 1), middle_x = real(0.5) * real(width - 1);
        const real angle = rotation * u[0], size = real(1) + scale * u[1];
        const real cosine = size * cos(angle), sine = size * sin(angle);
        const real y = real(i) - middle_y, x = real(j) - middle_x + shear * u[2] * y;
        const real at_y = min(max(cosine * y + sine * x + middle_y + shift * u[3], real(0)), real(height - 1));
        const real at_x = min(max(cosine * x - sine * y + middle_x + shift * u[4], real(0)), real(width - 1));
        const int top = int(at_y), left = int(at_x);
        const int bottom = min(top + 1, height - 1), right = min(left + 1, width - 1);
        const real down = at_y - real(top), along = at_x - real(left);
        const real* image = images + number * height * width * channels + c;
        const real above = image[(top * width + left) * channels] * (real(1) - along) +
                           image[(top * width + right) * channels] * along;
        const real below = image[(bottom * width + left) * channels] * (real(1) - along) +
                           image[(bottom * width + right) * channels] * along;
        result[k] = above * (real(1) - down) + below * down;
    }
}
