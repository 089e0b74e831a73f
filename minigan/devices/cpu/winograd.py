"""Convolution with fewer multiplications: Winograd's minimal filtering, by polynomials (Toom & Cook).

It serves filters of twice their stride, such as the 4×4 of stride 2. Split by the parity of rows and columns, an
image of c channels is one of stride² · c channels at half the size, and its convolution one of stride 1 by a 2×2
filter. Along one axis that takes inputs d, a filter g and outputs y to

    y_i = d_i·g_0 + d_{i+1}·g_1.

Its adjoint, the data gradient, multiplies the polynomials g(t) = g_0 + g_1·t and y(t) = Σ y_i·tⁱ. The product of g and
m outputs has degree m, so its values at m + 1 points determine it, where the schoolbook needs 2m multiplications.
The points are 0, 1, ∞ (the leading coefficient) and, for m = 3, −1. With E(m) the matrix that evaluates a
polynomial of m coefficients at the points, and P(m) the one that interpolates the product from its values,

    d = P·[(E(2)·g) ⊙ (E(m)·y)]              the data gradient,
    y = E(m)ᵀ·[(E(2)·g) ⊙ (Pᵀ·d)]            the convolution, its transpose by d and y,
    g = E(2)ᵀ·[(Pᵀ·d) ⊙ (E(m)·y)]            the weight gradient, its transpose by g and y.

In two dimensions each matrix is applied to columns, then to rows, so m×m outputs take (m + 1)² products for 4m². A side
of an image is cut into tiles of 3 and 2 outputs: 7 = 3 + 2 + 2, 4 + 3 + 3 = 10 products for 14, and 100 for 196 in the
plane. ⊙ is a product by pixels, but a matrix product by channels: all tiles of some images that share a pair of
points form one GEMM. The entries of E and P are 0, ±1 and ±½, so whole numbers stay exact, and rounding grows little.

Layouts: "values" at the points are 16 matrices, one after the other, a row a tile (image, tile row, tile column), a
column a channel (for an image behind a stride: row parity, column parity, channel). Points lie in the order
0, 1, ∞, −1, and tiles of 3 come first, so that those with a value at −1 are the first ones.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from minigan.devices.cpu.compile import compiled, parallel
from minigan.devices.cpu.copying import clear_elements
from minigan.devices.cpu.elementwise import activate
from minigan.devices.cpu.gemm import gemm_tile
from minigan.devices.kernels import ConvolutionGeometry

Array = np.ndarray[Any, Any]

EVALUATE_2 = np.array([[1.0, 0], [1, 1], [0, 1], [1, -1]])
EVALUATE_3 = np.array([[1.0, 0, 0], [1, 1, 1], [0, 0, 1], [1, -1, 1]])
INTERPOLATE_2 = np.array([[1.0, 0, 0], [-1, 1, -1], [0, 0, 1]])
INTERPOLATE_3 = np.array([[1.0, 0, 0, 0], [0, 0.5, -1, -0.5], [-1, 0.5, 0, 0.5], [0, 0, 1, 0]])
POINTS = 4

# Channels in and out from which this is used. The transforms' time grows with the channels, that of the products which
# they save with the channels' product, so few channels do not pay. Measured at 64 to 128 only; where it begins
# to pay is not.
LEAST_CHANNELS = 64
# Images whose values make one GEMM. At 64 channels to 128 on 14×14 images, 8 to 32 are within a tenth of each other,
# and 64 are slower.
TILE_IMAGES = 16

Matrices = tuple[Array, Array]  # of a tile of 3 outputs, and of one of 2


class Plan(NamedTuple):
    """What the kernels need to know of a convolution. Layouts are described where they are read, in `_to_values`."""

    side: tuple[int, ...]  # of the input
    output_side: tuple[int, ...]
    tiling: tuple[Any, ...]
    evaluate: Matrices  # E
    evaluate_transposed: Matrices
    interpolate: Matrices  # P
    interpolate_transposed: Matrices
    filter: Array  # E(2) ⊗ E(2)
    filter_transposed: Array
    filter_size: int  # elements of the filter's values
    image_size: int  # elements of one image's values, of the input and of the output
    row_size: int  # elements of a row of tiles, transformed along its columns


def pays(geometry: ConvolutionGeometry, channels_in: int, channels_out: int) -> bool:
    """Whether this module serves such a convolution, and is faster than unfolding."""
    fits = all(k == 2 * s for k, s in zip(geometry.kernel_size, geometry.stride, strict=True))
    return (
        fits and min(geometry.output_size) >= 2 and min(channels_in, channels_out) >= LEAST_CHANNELS
    )


@functools.lru_cache(maxsize=256)
def make_plan(
    geometry: ConvolutionGeometry, channels_in: int, channels_out: int, dtype: np.dtype[Any]
) -> Plan:
    """The plan of a convolution that `pays`."""
    down, across = geometry.stride
    (top, _), (left, _) = geometry.padding
    high, wide = geometry.output_size
    vertical, horizontal = tiles(high), tiles(wide)
    rows = matrix_rows(vertical, horizontal)
    starts = (np.cumsum(rows) - rows.ravel()).reshape(rows.shape)
    evaluate = _matrices(dtype, EVALUATE_3, EVALUATE_2[: POINTS - 1])
    interpolate = _matrices(dtype, INTERPOLATE_3, INTERPOLATE_2)
    (kernel,) = _matrices(dtype, np.kron(EVALUATE_2, EVALUATE_2))
    columns = down * across * channels_in
    return Plan(
        side=(*geometry.input_size, channels_in, down, across, top, left, wide + 1),
        output_side=(high, wide, channels_out, 1, 1, 0, 0, wide),
        tiling=(rows, starts, vertical[0], sum(vertical), horizontal[0], sum(horizontal)),
        evaluate=evaluate,
        evaluate_transposed=_matrices(dtype, *(m.T for m in evaluate)),
        interpolate=interpolate,
        interpolate_transposed=_matrices(dtype, *(m.T for m in interpolate)),
        filter=kernel,
        filter_transposed=np.ascontiguousarray(kernel.T),
        filter_size=POINTS * POINTS * columns * channels_out,
        image_size=int(rows.sum()) * (columns + channels_out),
        row_size=POINTS * max((wide + 1) * across * channels_in, wide * channels_out),
    )


def _matrices(dtype: np.dtype[Any], *matrices: Array) -> Any:
    return tuple(np.ascontiguousarray(m, dtype) for m in matrices)


def tiles(outputs: int) -> tuple[int, int]:
    """How many tiles of 3 and of 2 outputs make `outputs` (at least 2) with the fewest products."""
    threes = next(t for t in range(outputs // 3, -1, -1) if (outputs - 3 * t) % 2 == 0)
    return threes, (outputs - 3 * threes) // 2


def matrix_rows(vertical: tuple[int, int], horizontal: tuple[int, int]) -> Array:
    """(points, points): how many tiles of one image have a value at each pair of points."""
    counts = [[threes + twos] * (POINTS - 1) + [threes] for threes, twos in (vertical, horizontal)]
    down, across = np.array(counts)
    rows: Array = down[:, None] * across
    return rows


@compiled
def _add_combinations(matrix, source, source_at, target, target_at, run):
    """target strip r += Σ_c matrix[r, c]·source strip c, strips `run` elements long; those at −1 are absent."""
    for r in range(target_at.size):
        if target_at[r] < 0:
            continue
        strip = target[target_at[r] : target_at[r] + run]
        for c in range(source_at.size):
            factor = matrix[r, c]
            if factor == 0 or source_at[c] < 0:
                continue
            values = source[source_at[c] : source_at[c] + run]
            for i in range(run):
                strip[i] += factor * values[i]


@compiled
def _tile(tile, threes):
    """Where a tile's outputs begin, and at how many points it has values."""
    return (3 * tile, POINTS) if tile < threes else (threes + 2 * tile, POINTS - 1)


@compiled
def _image_strips(first, count, phase, image, side, at):
    """Where the rows first, first + 1, … of this parity begin in x; −1 for one outside the image."""
    height, width, channels, stride, _, top, _, _ = side
    for i in range(count):
        y = (first + i) * stride + phase - top
        at[i] = (image * height + y) * width * channels if 0 <= y < height else -1
    return at[:count]


@compiled
def _row_strips(first, count, side, at):
    """Where the strips first, first + 1, … of `work` begin, each of the channels of all column parities."""
    run = side[4] * side[2]
    for i in range(count):
        at[i] = (first + i) * run
    return at[:count]


@compiled
def _value_strips(p, i, j, tiling, images, image, columns, at):
    """Where tile (i, j) of an image has its values at (p, q), for all q; the matrices hold `images` images."""
    _, starts, threes_down, tiles_down, threes_across, tiles_across = tiling
    high = threes_down if p == POINTS - 1 else tiles_down
    points = _tile(j, threes_across)[1]
    for q in range(points):
        wide = threes_across if q == POINTS - 1 else tiles_across
        at[q] = (starts[p, q] * images + (image * high + i) * wide + j) * columns
    return at[:points]


@compiled
def _to_values(x, image, side, matrices, tiling, slot, images, columns, work, at, values):
    """The values of an image's tiles, rows `slot` of the matrices: columns first, into `work`, then rows.

    `side` is (height, width, channels, vertical and horizontal stride, top, left, columns of one parity), and
    `matrices` those of a tile of 3 and of 2.
    """
    _, width, channels, stride_down, stride_across, _, left, across = side
    _, _, threes_down, tiles_down, threes_across, tiles_across = tiling
    run = stride_across * channels
    seen = min(width, across * stride_across - left) * channels
    for phase in range(stride_down):
        for i in range(tiles_down):
            first, points = _tile(i, threes_down)
            matrix = matrices[0] if i < threes_down else matrices[1]
            source = _image_strips(first, matrix.shape[1], phase, image, side, at[0])
            for p in range(points):
                clear_elements(work, p * across * run, across * run)
                at[1, p] = p * across * run + left * channels
            _add_combinations(matrix, x, source, work, at[1, :points], seen)
            for p in range(points):
                line = work[p * across * run : (p + 1) * across * run]
                for j in range(tiles_across):
                    target = _value_strips(p, i, j, tiling, images, slot, columns, at[0])
                    target += phase * run
                    for q in range(target.size):
                        clear_elements(values, target[q], run)
                    matrix_across = matrices[0] if j < threes_across else matrices[1]
                    first_across = _tile(j, threes_across)[0]
                    strips = _row_strips(first_across, matrix_across.shape[1], side, at[1])
                    _add_combinations(matrix_across, line, strips, values, target, run)


@compiled
def _add_from_values(values, slot, images, columns, side, matrices, tiling, work, at, x, image):
    """The adjoint of `_to_values`, added to the image; `matrices` are the transposed ones."""
    _, width, channels, stride_down, stride_across, _, left, across = side
    _, _, threes_down, tiles_down, threes_across, tiles_across = tiling
    run = stride_across * channels
    seen = min(width, across * stride_across - left) * channels
    for phase in range(stride_down):
        for i in range(tiles_down):
            first, points = _tile(i, threes_down)
            clear_elements(work, 0, points * across * run)
            for p in range(points):
                line = work[p * across * run : (p + 1) * across * run]
                for j in range(tiles_across):
                    source = _value_strips(p, i, j, tiling, images, slot, columns, at[0])
                    source += phase * run
                    matrix_across = matrices[0] if j < threes_across else matrices[1]
                    first_across = _tile(j, threes_across)[0]
                    strips = _row_strips(first_across, matrix_across.shape[0], side, at[1])
                    _add_combinations(matrix_across, values, source, line, strips, run)
            for p in range(points):
                at[0, p] = p * across * run + left * channels
            matrix = matrices[0] if i < threes_down else matrices[1]
            target = _image_strips(first, matrix.shape[0], phase, image, side, at[1])
            _add_combinations(matrix, work, at[0, :points], x, target, seen)


@compiled
def _start_with_bias(x, at, count, bias):
    """Pixels of `bias`, or zeros."""
    if bias.size == 0:
        clear_elements(x, at, count)
        return
    for start in range(at, at + count, bias.size):
        pixel = x[start : start + bias.size]
        for c in range(bias.size):
            pixel[c] = bias[c]


@parallel
def filter_values(matrix, w, stride, u):
    """u = the filter's values, (points², channels by parity, channels out), from w (kernel, channels in, out)."""
    down, across = stride
    block = w.size // (4 * down * across)
    for a in prange(down):
        for b in range(across):
            source, target = np.empty(4, np.int64), np.empty(POINTS * POINTS, np.int64)
            for i in range(4):
                source[i] = ((i // 2 * down + a) * 2 * across + i % 2 * across + b) * block
            for p in range(POINTS * POINTS):
                target[p] = ((p * down + a) * across + b) * block
                clear_elements(u, target[p], block)
            _add_combinations(matrix, w, source, u, target, block)


@parallel
def filter_gradient(matrix, partial, stride, dw):
    """The adjoint of `filter_values`, of the threads' partial gradients, added in their order."""
    down, across = stride
    block = dw.size // (4 * down * across)
    for a in prange(down):
        for b in range(across):
            source, target = np.empty(POINTS * POINTS, np.int64), np.empty(4, np.int64)
            for p in range(POINTS * POINTS):
                source[p] = ((p * down + a) * across + b) * block
                for t in range(1, partial.shape[0]):
                    total = partial[0, source[p] : source[p] + block]
                    part = partial[t, source[p] : source[p] + block]
                    for i in range(block):
                        total[i] += part[i]
            for i in range(4):
                target[i] = ((i // 2 * down + a) * 2 * across + i % 2 * across + b) * block
                clear_elements(dw, target[i], block)
            _add_combinations(matrix, partial[0], source, dw, target, block)


@parallel
def filter_images(
    x, side, forth, u, transpose_u, bias, slope, y, y_side, back, tiling, batch, tile, work, rooms
):  # fmt: skip
    """y = activation(back(U ⊙ forth(x)) + bias), `tile` images at a time; each matrix of U is transposed if asked.

    The convolution goes forth by the matrices Pᵀ and back by Eᵀ; its data gradient by E and P, with U transposed.
    """
    rows, starts = tiling[0], tiling[1]
    k, o = side[2] * side[3] * side[4], y_side[2] * y_side[3] * y_side[4]
    image = y_side[0] * y_side[1] * y_side[2]
    u_columns = k if transpose_u else o
    threads = work.shape[0]
    for t in prange(threads):
        at = np.empty((2, POINTS), np.int64)
        values = work[t]
        products = values[tile * rows.sum() * k :]
        row = products[tile * rows.sum() * o :]
        end = batch * (t + 1) // threads
        for n0 in range(batch * t // threads, end, tile):
            images = min(tile, end - n0)
            for n in range(images):
                _to_values(x, n0 + n, side, forth, tiling, n, images, k, row, at, values)
            for p in range(POINTS * POINTS):
                start = starts.flat[p] * images
                gemm_tile(
                    False, transpose_u, rows.flat[p] * images, o, k,
                    values, start * k, k, u, p * k * o, u_columns, False, products, start * o, o, rooms[t],
                )  # fmt: skip
            _start_with_bias(y, n0 * image, images * image, bias)
            for n in range(images):
                _add_from_values(products, n, images, o, y_side, back, tiling, row, at, y, n0 + n)
                activate(y, (n0 + n) * image, image, slope)


@parallel
def conv2d_weight(
    x, side, inputs, dy, y_side, outputs, tiling, batch, tile, work, rooms, partial
):  # fmt: skip
    """partial = Pᵀ(x)ᵀ·E(dy) at each pair of points, one sum a thread. `inputs` are Pᵀ, `outputs` E."""
    rows, starts = tiling[0], tiling[1]
    k, o = side[2] * side[3] * side[4], y_side[2]
    threads = work.shape[0]
    for t in prange(threads):
        at = np.empty((2, POINTS), np.int64)
        x_values = work[t]
        dy_values = x_values[tile * rows.sum() * k :]
        row = dy_values[tile * rows.sum() * o :]
        clear_elements(partial[t], 0, partial.shape[1])
        end = batch * (t + 1) // threads
        for n0 in range(batch * t // threads, end, tile):
            images = min(tile, end - n0)
            for n in range(images):
                _to_values(x, n0 + n, side, inputs, tiling, n, images, k, row, at, x_values)
                _to_values(dy, n0 + n, y_side, outputs, tiling, n, images, o, row, at, dy_values)
            for p in range(POINTS * POINTS):
                start = starts.flat[p] * images
                gemm_tile(
                    True, False, k, o, rows.flat[p] * images,
                    x_values, start * k, k, dy_values, start * o, o,
                    True, partial[t], p * k * o, o, rooms[t],
                )  # fmt: skip
