"""Convolution on the CPU: windows are gathered a tile at a time into cache and multiplied there.

Three kernels serve both the convolution and its transpose. `conv2d` and `conv2d_weight` unfold a tile of
windows (im2col) and multiply it by, or with, the filter; `conv2d_data` multiplies first and folds the
products back into the image (col2im), which spends no multiplication on zeros at any stride. A tile
is some rows of windows, or whole images where windows of neighbouring rows meet; it is sized to stay in a
core's own cache, so the unfolded image never travels to memory.

Arrays here are flat views: an image batch is (batch·height, width·channels), a filter a matrix
(kernel height·kernel width·channels in, channels out). ``g`` is (height, width, rows of windows, windows in a row,
kernel height, kernel width, vertical stride, horizontal stride, top, left).
"""

from __future__ import annotations

from numba import prange

from minigan.devices.cpu.compile import compiled, parallel
from minigan.devices.cpu.copying import clear_elements, copy_elements
from minigan.devices.cpu.elementwise import activate
from minigan.devices.cpu.gemm import gemm_tile


@compiled
def _taps_inside(first, taps, length):
    """Which taps v of a window that starts at `first` lie in 0 … length−1: from v0 up to, not including, v1."""
    v0 = min(max(0, -first), taps)
    return v0, max(v0, min(taps, length - first))


@compiled
def _unfold(x, c, g, r0, r1, columns):
    """Copy the windows of window rows r0 … r1 (counted over the batch) into `columns`, one a row.

    A window's row is one run of memory, kernel width·channels long, where it lies inside the image.
    """
    height, width, out_height, out_width, kh, kw, sh, sw, top, left = g
    run = kw * c
    for r in range(r0, r1):
        image, y0 = r // out_height, (r % out_height) * sh - top
        for j in range(out_width):
            x0 = j * sw - left
            v0, v1 = _taps_inside(x0, kw, width)
            window = ((r - r0) * out_width + j) * kh * run
            for u in range(kh):
                at, y = window + u * run, y0 + u
                if y < 0 or y >= height or v0 == v1:
                    clear_elements(columns, at, run)
                    continue
                source = ((image * height + y) * width + x0 + v0) * c
                if v0 > 0:
                    clear_elements(columns, at, v0 * c)
                copy_elements(columns, at + v0 * c, x, source, (v1 - v0) * c)
                if v1 < kw:
                    clear_elements(columns, at + v1 * c, (kw - v1) * c)


@compiled
def _fold(columns, c, g, image, bias, dx):
    """Add each window of one image back to the pixels that it was taken from, on top of the bias."""
    height, width, out_height, out_width, kh, kw, sh, sw, top, left = g
    run = kw * c
    clear_elements(dx, image * height * width * c, height * width * c)
    if bias.size:
        for y in range(height):
            row = dx[image * height + y]
            for x in range(width):
                pixel = row[x * c : x * c + c]
                for i in range(c):
                    pixel[i] = bias[i]
    for i_window in range(out_height):
        for u in range(kh):
            y = i_window * sh - top + u
            if y < 0 or y >= height:
                continue
            row = dx[image * height + y]
            for j_window in range(out_width):
                x0 = j_window * sw - left
                v0, v1 = _taps_inside(x0, kw, width)
                start = (i_window * out_width + j_window) * kh * run + u * run + v0 * c
                pixels = row[(x0 + v0) * c : (x0 + v1) * c]
                products = columns[start : start + (v1 - v0) * c]
                for i in range(pixels.size):
                    pixels[i] += products[i]


@parallel
def conv2d(x, w, bias, slope, g, tile_rows, work, rooms, y):
    """y = activation(unfold(x)·w + bias); y is (windows, channels out)."""
    out_width, kh, kw = g[3], g[4], g[5]
    k, o = w.shape
    c = k // (kh * kw)
    rows = y.shape[0] // out_width
    threads = work.shape[0]
    for t in prange(threads):
        end = rows * (t + 1) // threads
        for r0 in range(rows * t // threads, end, tile_rows):
            r1 = min(r0 + tile_rows, end)
            m = (r1 - r0) * out_width
            _unfold(x, c, g, r0, r1, work[t])
            start = r0 * out_width
            gemm_tile(
                False, False, m, o, k, work[t], 0, k, w, 0, o, False, y, start * o, o, rooms[t]
            )  # fmt: skip
            if bias.size:
                for row in range(start, start + m):
                    for i in range(o):
                        y[row, i] += bias[i]
            activate(y.reshape(-1), start * o, m * o, slope)


@parallel
def conv2d_data(dy, w, bias, slope, g, tile_images, work, rooms, dx):
    """dx = activation(fold(dy·wᵀ) + bias); dy is (windows, channels out)."""
    height, out_height, out_width, kh, kw = g[0], g[2], g[3], g[4], g[5]
    k, o = w.shape
    c = k // (kh * kw)
    windows = out_height * out_width
    images = dx.shape[0] // height
    threads = work.shape[0]
    for t in prange(threads):
        end = images * (t + 1) // threads
        for n0 in range(images * t // threads, end, tile_images):
            n1 = min(n0 + tile_images, end)
            gemm_tile(
                False, True, (n1 - n0) * windows, k, o,
                dy, n0 * windows * o, o, w, 0, o, False, work[t], 0, k, rooms[t],
            )  # fmt: skip
            for n in range(n0, n1):
                _fold(work[t, (n - n0) * windows * k :], c, g, n, bias, dx)
                image = height * dx.shape[1]
                activate(dx.reshape(-1), n * image, image, slope)


@parallel
def conv2d_weight(x, dy, g, tile_rows, work, rooms, partial, dw):
    """dw = unfold(x)ᵀ·dy: one partial product a thread, added in the order of the threads."""
    out_width, kh, kw = g[3], g[4], g[5]
    k, o = dw.shape
    c = k // (kh * kw)
    rows = dy.shape[0] // out_width
    threads = work.shape[0]
    for t in prange(threads):
        begin, end = rows * t // threads, rows * (t + 1) // threads
        if begin == end:
            partial[t] = 0
        for r0 in range(begin, end, tile_rows):
            r1 = min(r0 + tile_rows, end)
            _unfold(x, c, g, r0, r1, work[t])
            gemm_tile(
                True, False, k, o, (r1 - r0) * out_width,
                work[t], 0, k, dy, r0 * out_width * o, o, r0 > begin, partial[t], 0, o, rooms[t],
            )  # fmt: skip
    for row in prange(k):
        for i in range(o):
            total = partial[0, row, i]
            for t in range(1, threads):
                total += partial[t, row, i]
            dw[row, i] = total
