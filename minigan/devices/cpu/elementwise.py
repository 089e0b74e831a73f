"""Activations, Adam and the other kernels of one pass over memory."""

from __future__ import annotations

import numpy as np
from numba import prange

from minigan.devices.cpu.compile import compiled, parallel


@compiled
def leaky(x, slope):
    """The activation of minigan's kernels. Slope 0 makes 0 of −∞; NaN stays NaN."""
    below = slope * x if slope != 0 else slope
    return below if x < 0 else x


@compiled
def leaky_gradient(dy, x, slope):
    """dy behind the activation. As in PyTorch, x = 0 is on the left side; at NaN the factor is the slope, but 1 for ReLU."""
    if slope == 0:
        return slope if x <= 0 else dy
    return dy if x > 0 else slope * dy


@parallel
def leaky_relu(x, slope, y):
    negative_slope = x.dtype.type(slope)
    for i in prange(x.size):
        y[i] = leaky(x[i], negative_slope)


@compiled
def activate(y, at, count, slope):
    """y ← the activation of y, of `count` elements from `at` on; `y` is flat."""
    if slope == 1:
        return
    negative_slope = y.dtype.type(slope)
    run = y[at : at + count]
    for i in range(count):
        run[i] = leaky(run[i], negative_slope)


@parallel
def leaky_relu_backward(dy, x, slope, dx):
    negative_slope = x.dtype.type(slope)
    for i in prange(x.size):
        dx[i] = leaky_gradient(dy[i], x[i], negative_slope)


@parallel
def sigmoid(x, y):
    """From y = e⁻|ˣ|, which cannot overflow, and serves both halves of the curve."""
    one = x.dtype.type(1)
    for i in prange(x.size):
        y[i] = (y[i] if x[i] < 0 else one) / (one + y[i])


@parallel
def sigmoid_backward(dy, y, dx):
    one = y.dtype.type(1)
    for i in prange(y.size):
        dx[i] = dy[i] * y[i] * (one - y[i])


@parallel
def adam(p, g, m, v, rate, beta1, beta2, correction, epsilon):
    """One pass: seven streams of memory, which bound it.

    `rate` is α/(1 − β₁ᵗ) and `correction` 1/(1 − β₂ᵗ).
    """
    real = p.dtype.type
    one = real(1)
    a, b1, b2, e, inverse = real(rate), real(beta1), real(beta2), real(epsilon), real(correction)
    for i in prange(p.size):
        m[i] = b1 * m[i] + (one - b1) * g[i]
        v[i] = b2 * v[i] + (one - b2) * (g[i] * g[i])
        p[i] -= a * m[i] / (np.sqrt(v[i] * inverse) + e)


@compiled
def gather_images(images, indices, scale, low, result):
    """images (n, pixels) uint8, result (batch, pixels)."""
    real = result.dtype.type
    for row in range(indices.size):
        source = images[indices[row]]
        for i in range(source.size):
            result[row, i] = real(source[i]) * real(scale) + real(low)


@parallel
def random_occlusion(images, uniforms, thickness, length, low, high, result):
    """An image after another, under the rectangles that its uniforms choose."""
    real = result.dtype.type
    height, width = images.shape[1], images.shape[2]
    half, three, eighth, zero, one = real(0.5), real(3), real(0.125), real(0), real(1)
    middle_y, middle_x = half * real(height - 1), half * real(width - 1)
    for n in prange(images.shape[0]):
        result[n] = images[n]
        for rectangle in range(uniforms.shape[1]):
            u = uniforms[n, rectangle]
            across = real(thickness) * eighth * (three + u[3])
            along = real(length) * eighth * (three + u[4])
            half_y, half_x = (across, along) if u[2] < zero else (along, across)
            y = middle_y + u[0] * max(middle_y - one - half_y, zero)
            x = middle_x + u[1] * max(middle_x - one - half_x, zero)
            shade = real(low) if u[5] < zero else real(high)
            for i in range(height):
                for j in range(width):
                    if abs(real(i) - y) <= half_y and abs(real(j) - x) <= half_x:
                        result[n, i, j] = shade


@parallel
def random_affine(images, uniforms, rotation, scale, shear, shift, result):
    """An image after another, under the affine map that its five uniforms choose."""
    real = result.dtype.type
    height, width = images.shape[1], images.shape[2]
    half, one = real(0.5), real(1)
    middle_y, middle_x = half * real(height - 1), half * real(width - 1)
    for n in prange(images.shape[0]):
        u = uniforms[n]
        angle, size = real(rotation) * u[0], one + real(scale) * u[1]
        cosine, sine, slant = size * np.cos(angle), size * np.sin(angle), real(shear) * u[2]
        for i in range(height):
            for j in range(width):
                y = real(i) - middle_y
                x = real(j) - middle_x + slant * y
                at_y = cosine * y + sine * x + middle_y + real(shift) * u[3]
                at_x = cosine * x - sine * y + middle_x + real(shift) * u[4]
                at_y = min(max(at_y, real(0)), real(height - 1))
                at_x = min(max(at_x, real(0)), real(width - 1))
                top, left = int(at_y), int(at_x)
                bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
                down, along = at_y - real(top), at_x - real(left)
                for c in range(images.shape[3]):
                    above = (
                        images[n, top, left, c] * (one - along) + images[n, top, right, c] * along
                    )
                    below = images[n, bottom, left, c] * (one - along)
                    below += images[n, bottom, right, c] * along
                    result[n, i, j, c] = above * (one - down) + below * down
