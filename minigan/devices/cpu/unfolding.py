"""Convolution on the CPU: windows are gathered a tile at a time into cache and multiplied there.

Three kernels serve both the convolution and its transpose. `conv2d_parts` and `conv2d_weight_parts`
unfold a tile of windows (im2col) and multiply it by, or with, the filter. `conv2d_data_parts`
multiplies first and folds the products back into the image (col2im). It spends no multiplication on
zeros at any stride. A tile is some rows of windows, or whole images where windows of neighbouring
rows meet. It is sized to stay in a core's own cache, so the unfolded image never travels to memory.

Arrays here are flat: a filter is a matrix (kernel height·kernel width·channels in, channels out). ``g`` is (height, width, rows of windows, windows in a row,
kernel height, kernel width, vertical stride, horizontal stride, top, left).
"""

from __future__ import annotations

from minigan.devices.cpu.activation import activate
from minigan.devices.cpu.compile import Matrix, Sizes10, Vector, compiled, kernel
from minigan.devices.cpu.copying import clear_elements, copy_elements
from minigan.devices.cpu.gemm import call_gemm_tile


@compiled
def _taps_inside(first, taps, length):
    """Return which taps v of a window that starts at `first` lie in 0 … length−1: from v0 up to, not including, v1."""
    v0 = min(max(0, -first), taps)
    return v0, max(v0, min(taps, length - first))


@compiled
def _unfold(x, c, g, r0, r1, columns):
    """Copy the windows of window rows r0 … r1 (counted over the batch) into `columns`, one a row.

    A window's row is one run of memory, kernel width·channels long, where it lies inside the image.
    """
    height, width, out_height, out_width, kh, kw, sh, sw, top, left = g
    length = kw * c
    for r in range(r0, r1):
        image, y0 = r // out_height, (r % out_height) * sh - top
        for j in range(out_width):
            x0 = j * sw - left
            v0, v1 = _taps_inside(x0, kw, width)
            window = ((r - r0) * out_width + j) * kh * length
            for u in range(kh):
                start, y = window + u * length, y0 + u
                if y < 0 or y >= height or v0 == v1:
                    clear_elements(columns, start, length)
                    continue
                source = ((image * height + y) * width + x0 + v0) * c
                if v0 > 0:
                    clear_elements(columns, start, v0 * c)
                copy_elements(columns, start + v0 * c, x, source, (v1 - v0) * c)
                if v1 < kw:
                    clear_elements(columns, start + v1 * c, (kw - v1) * c)


@compiled
def _fold(columns, first, c, g, image, bias, dx):
    """Add each window of one image back to the pixels that it was taken from, on top of the bias."""
    height, width, out_height, out_width, kh, kw, sh, sw, top, left = g
    length = kw * c
    start = image * height * width * c
    if bias.size:
        for first_channel in range(start, start + height * width * c, c):
            pixel = dx[first_channel : first_channel + c]
            for i in range(c):
                pixel[i] = bias[i]
    else:
        clear_elements(dx, start, height * width * c)
    for i_window in range(out_height):
        for u in range(kh):
            y = i_window * sh - top + u
            if y < 0 or y >= height:
                continue
            for j_window in range(out_width):
                x0 = j_window * sw - left
                v0, v1 = _taps_inside(x0, kw, width)
                source = first + ((i_window * out_width + j_window) * kh + u) * length + v0 * c
                target = start + (y * width + x0 + v0) * c
                pixels = dx[target : target + (v1 - v0) * c]
                products = columns[source : source + (v1 - v0) * c]
                for i in range(pixels.size):
                    pixels[i] += products[i]


@kernel()
def conv2d_parts(
    begin: int, end: int, tile: int, x: Vector, w: Vector, o: int, bias: Vector, slope: float,
    g: Sizes10, windows: int, tile_rows: int, work: Matrix, workspaces: Matrix, y: Vector,
) -> None:  # fmt: skip
    """Parts of y = activation(unfold(x)·w + bias); y is (windows, channels out), `tile` the address of `gemm_tile`."""
    out_width = g[3]
    k = w.size // o
    c = k // (g[4] * g[5])
    rows = windows // out_width
    parts = work.shape[0]
    for t in range(begin, end):
        last = rows * (t + 1) // parts
        for r0 in range(rows * t // parts, last, tile_rows):
            r1 = min(r0 + tile_rows, last)
            m = (r1 - r0) * out_width
            _unfold(x, c, g, r0, r1, work[t])
            start = r0 * out_width
            call_gemm_tile(
                tile,
                (
                    0, m, False, False, o, k, work[t], 0, k, w, 0, o, False,
                    y, start * o, o, workspaces[t],
                ),
            )  # fmt: skip
            if bias.size:
                for row in range(start, start + m):
                    pixel = y[row * o : row * o + o]
                    for i in range(o):
                        pixel[i] += bias[i]
            activate(y, start * o, m * o, slope)


@kernel()
def conv2d_data_parts(
    begin: int, end: int, tile: int, dy: Vector, w: Vector, o: int, bias: Vector, slope: float,
    g: Sizes10, images: int, tile_images: int, work: Matrix, workspaces: Matrix, dx: Vector,
) -> None:  # fmt: skip
    """Parts of dx = activation(fold(dy·wᵀ) + bias); dy is (windows, channels out)."""
    k = w.size // o
    c = k // (g[4] * g[5])
    windows = g[2] * g[3]
    image = g[0] * g[1] * c
    parts = work.shape[0]
    for t in range(begin, end):
        last = images * (t + 1) // parts
        for n0 in range(images * t // parts, last, tile_images):
            n1 = min(n0 + tile_images, last)
            call_gemm_tile(
                tile,
                (
                    0, (n1 - n0) * windows, False, True, k, o, dy, n0 * windows * o, o, w, 0, o, False,
                    work[t], 0, k, workspaces[t],
                ),
            )  # fmt: skip
            for n in range(n0, n1):
                _fold(work[t], (n - n0) * windows * k, c, g, n, bias, dx)
                activate(dx, n * image, image, slope)


@kernel()
def conv2d_weight_parts(
    begin: int, end: int, tile: int, x: Vector, dy: Vector, o: int, g: Sizes10, windows: int,
    tile_rows: int, work: Matrix, workspaces: Matrix, partial: Matrix,
) -> None:  # fmt: skip
    """partial[t] = unfold(x)ᵀ·dy over the windows of part t."""
    out_width = g[3]
    k = partial.shape[1] // o
    c = k // (g[4] * g[5])
    rows = windows // out_width
    parts = work.shape[0]
    for t in range(begin, end):
        first, last = rows * t // parts, rows * (t + 1) // parts
        if first == last:
            clear_elements(partial[t], 0, k * o)
        for r0 in range(first, last, tile_rows):
            r1 = min(r0 + tile_rows, last)
            _unfold(x, c, g, r0, r1, work[t])
            call_gemm_tile(
                tile,
                (
                    0, k, True, False, o, (r1 - r0) * out_width, work[t], 0, k,
                    dy, r0 * out_width * o, o, r0 > first, partial[t], 0, o, workspaces[t],
                ),
            )  # fmt: skip


@kernel(grain=1 << 14)
def add_parts(begin: int, end: int, partial: Matrix, total: Vector) -> None:
    """Add the parts' results in their order."""
    share = total[begin:end]
    for t in range(partial.shape[0]):
        part = partial[t, begin:end]
        for i in range(share.size):
            share[i] = share[i] + part[i] if t else part[i]
