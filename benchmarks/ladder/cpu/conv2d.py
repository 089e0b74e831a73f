"""Convolution on the CPU, from the loops of the formula to one product of matrices.

x is (n, height, width, c), w (kh, kw, c, o), y (n, out height, out width, o); ``g`` is (vertical stride, horizontal stride, top, left).
"""

from __future__ import annotations

import math

from benchmarks.ladder.windows import windows_of
from minigan.devices.cpu.compile import Images, Sizes4, compiled, kernel


@compiled
def naive(x, w, g, y):
    """Step 1: an output value after the other, the formula as it is written.

    The innermost loop walks down a column of w: each of its values is o elements from the one before, in another cache line. And it
    adds to one number, so each addition waits for the last; no two can go side by side in a vector.
    """
    n, out_height, out_width, channels = y.shape
    kh, kw, c, _ = w.shape
    sh, sw, top, left = g
    for image in range(n):
        for i in range(out_height):
            for j in range(out_width):
                for o in range(channels):
                    total = y.dtype.type(0)
                    for u in range(kh):
                        for v in range(kw):
                            row, column = i * sh + u - top, j * sw + v - left
                            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                                for k in range(c):
                                    total += x[image, row, column, k] * w[u, v, k, o]
                    y[image, i, j, o] = total


@compiled
def _window(x, w, g, image, i, j, total):
    """Compute one window's outputs: for each value of x a row of w, added to `total` side by side."""
    kh, kw, c, _ = w.shape
    sh, sw, top, left = g
    total[:] = 0
    for u in range(kh):
        for v in range(kw):
            row, column = i * sh + u - top, j * sw + v - left
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                for k in range(c):
                    value, filters = x[image, row, column, k], w[u, v, k]
                    for o in range(total.size):
                        total[o] += value * filters[o]


@compiled
def channels_innermost(x, w, g, y):
    """Step 2: the loop over channels out goes inside, where memory is contiguous and sums are independent.

    The compiler makes vectors of it, and a cache line is used whole. One order of loops is as right as the other.
    """
    n, out_height, out_width, _ = y.shape
    for image in range(n):
        for i in range(out_height):
            for j in range(out_width):
                _window(x, w, g, image, i, j, y[image, i, j])


def all_cores(x, w, g, y):
    """Step 3: each core takes separate images. No two write the same memory, so nothing has to be locked."""
    _share_of_images(len(y), x, w, g, y)


@kernel()
def _share_of_images(begin: int, end: int, x: Images, w: Images, g: Sizes4, y: Images) -> None:
    """Compute some images on one core."""
    _, out_height, out_width, _ = y.shape
    for image in range(begin, end):
        for i in range(out_height):
            for j in range(out_width):
                _window(x, w, g, image, i, j, y[image, i, j])


def unfolded(x, w, geometry):
    """Step 4: all windows are copied side by side (im2col), and one call of BLAS multiplies.

    BLAS keeps blocks of both matrices in registers and caches, which the loops above do not. Each
    value of w that they load serves one multiplication. The price is the copy, which is larger than
    x (four times, for 4×4 windows with stride 2) and goes to memory and back.
    """
    windows = windows_of(x, geometry)
    matrix = windows.reshape(-1, math.prod(w.shape[:3]))
    return (matrix @ w.reshape(-1, w.shape[3])).reshape(*windows.shape[:3], w.shape[3])
