"""The kernels of ``winograd.py``, which has the mathematics.

"Values" at the points are 16 matrices, one after the other. A row is a tile (image, tile row, tile
column). A column is a channel (for an image behind a stride: row parity, column parity, channel).
Points lie in the order 0, 1, ∞, −1, and tiles of 3 come first, so that those with a value at −1 are
the first ones.

A `layout` is (height, width, channels, vertical and horizontal stride, top, left, columns of one
parity) of an image. A `tiling` is (tiles of 3 and all tiles down, tiles of 3 and all tiles across).
`rows` and `starts` say of each pair of points how many rows its matrix has for one image, and how
many lie before it. A strip is some memory without a gap; those at offset −1 are absent.
"""

from __future__ import annotations

from minigan.devices.cpu.activation import activate
from minigan.devices.cpu.compile import (
    IntegerBlocks,
    IntegerMatrix,
    Matrix,
    MatrixPair,
    Sizes2,
    Sizes4,
    Sizes8,
    Vector,
    compiled,
    kernel,
)
from minigan.devices.cpu.copying import clear_elements
from minigan.devices.cpu.gemm import call_gemm_tile

POINTS = 4


@compiled
def _add_combinations(matrix, source, source_offsets, target, target_offsets, length):
    """target strip r += Σ_c matrix[r, c]·source strip c, strips `length` elements long."""
    for r in range(target_offsets.size):
        if target_offsets[r] < 0:
            continue
        strip = target[target_offsets[r] : target_offsets[r] + length]
        for c in range(source_offsets.size):
            factor = matrix[r, c]
            if factor == 0 or source_offsets[c] < 0:
                continue
            values = source[source_offsets[c] : source_offsets[c] + length]
            for i in range(length):
                strip[i] += factor * values[i]


@compiled
def _tile(tile, threes):
    """Return where a tile's outputs begin, and at how many points it has values."""
    return (3 * tile, POINTS) if tile < threes else (threes + 2 * tile, POINTS - 1)


@compiled
def _image_strips(first, count, phase, image, layout, offsets):
    """Return where the rows first, first + 1, … of this parity begin in x; −1 for one outside the image."""
    height, width, channels, stride, _, top, _, _ = layout
    for i in range(count):
        y = (first + i) * stride + phase - top
        offsets[i] = (image * height + y) * width * channels if 0 <= y < height else -1
    return offsets[:count]


@compiled
def _value_strips(p, i, j, starts, tiling, images, image, columns, first, offsets):
    """Return where tile (i, j) of an image has its values at (p, q), for all q, from column `first`
    on. The matrices hold `images` images."""
    threes_down, tiles_down, threes_across, tiles_across = tiling
    high = threes_down if p == POINTS - 1 else tiles_down
    points = _tile(j, threes_across)[1]
    for q in range(points):
        wide = threes_across if q == POINTS - 1 else tiles_across
        offsets[q] = (starts[p, q] * images + (image * high + i) * wide + j) * columns + first
    return offsets[:points]


@compiled
def _row_strips(first, count, length, offsets):
    """Return where the strips first, first + 1, … of a row begin, each of the channels of all
    column parities."""
    for i in range(count):
        offsets[i] = (first + i) * length
    return offsets[:count]


@compiled
def _to_values(
    x, image, layout, matrices, starts, tiling, image_index, images, columns, work, offsets, values
):
    """Compute the values of an image's tiles, rows `image_index` of the matrices: columns first, into `work`, then rows.

    `matrices` are those of a tile of 3 and of 2.
    """
    _, width, channels, stride_down, stride_across, _, left, across = layout
    threes_down, tiles_down, threes_across, tiles_across = tiling
    length = stride_across * channels
    visible = min(width, across * stride_across - left) * channels
    for phase in range(stride_down):
        for i in range(tiles_down):
            first, points = _tile(i, threes_down)
            matrix = matrices[0] if i < threes_down else matrices[1]
            source = _image_strips(first, matrix.shape[1], phase, image, layout, offsets[0])
            for p in range(points):
                clear_elements(work, p * across * length, across * length)
                offsets[1, p] = p * across * length + left * channels
            _add_combinations(matrix, x, source, work, offsets[1, :points], visible)
            for p in range(points):
                row = work[p * across * length : (p + 1) * across * length]
                for j in range(tiles_across):
                    target = _value_strips(
                        p, i, j, starts, tiling, images, image_index, columns, phase * length, offsets[0]
                    )  # fmt: skip
                    for q in range(target.size):
                        clear_elements(values, target[q], length)
                    matrix_across = matrices[0] if j < threes_across else matrices[1]
                    first_across = _tile(j, threes_across)[0]
                    strips = _row_strips(first_across, matrix_across.shape[1], length, offsets[1])
                    _add_combinations(matrix_across, row, strips, values, target, length)


@compiled
def _add_from_values(
    values, image_index, images, columns, layout, matrices, starts, tiling, work, offsets, x, image
):
    """Add the adjoint of `_to_values` to the image; `matrices` are the transposed ones."""
    _, width, channels, stride_down, stride_across, _, left, across = layout
    threes_down, tiles_down, threes_across, tiles_across = tiling
    length = stride_across * channels
    visible = min(width, across * stride_across - left) * channels
    for phase in range(stride_down):
        for i in range(tiles_down):
            first, points = _tile(i, threes_down)
            clear_elements(work, 0, points * across * length)
            for p in range(points):
                row = work[p * across * length : (p + 1) * across * length]
                for j in range(tiles_across):
                    source = _value_strips(
                        p, i, j, starts, tiling, images, image_index, columns, phase * length, offsets[0]
                    )  # fmt: skip
                    matrix_across = matrices[0] if j < threes_across else matrices[1]
                    first_across = _tile(j, threes_across)[0]
                    strips = _row_strips(first_across, matrix_across.shape[0], length, offsets[1])
                    _add_combinations(matrix_across, values, source, row, strips, length)
            for p in range(points):
                offsets[0, p] = p * across * length + left * channels
            matrix = matrices[0] if i < threes_down else matrices[1]
            target = _image_strips(first, matrix.shape[0], phase, image, layout, offsets[1])
            _add_combinations(matrix, work, offsets[0, :points], x, target, visible)


@compiled
def _start_with_bias(x, start, count, bias):
    """Pixels of `bias`, or zeros."""
    if bias.size == 0:
        clear_elements(x, start, count)
        return
    for first in range(start, start + count, bias.size):
        pixel = x[first : first + bias.size]
        for c in range(bias.size):
            pixel[c] = bias[c]


@kernel()
def filter_values(
    begin: int,
    end: int,
    matrix: Matrix,
    w: Vector,
    stride: Sizes2,
    offsets: IntegerBlocks,
    u: Vector,
) -> None:
    """u = the filter's values, (points², channels by parity, channels out), from w (kernel, channels in, out).

    Of each pair of parities; so are the rows of `offsets`, which has 4 and points² in each.
    """
    down, across = stride
    block = w.size // (4 * down * across)
    for pair in range(begin, end):
        a, b = pair // across, pair % across
        source, target = offsets[pair, 0, :4], offsets[pair, 1]
        for i in range(4):
            source[i] = ((i // 2 * down + a) * 2 * across + i % 2 * across + b) * block
        for p in range(POINTS * POINTS):
            target[p] = ((p * down + a) * across + b) * block
            clear_elements(u, target[p], block)
        _add_combinations(matrix, w, source, u, target, block)


@kernel()
def filter_gradient(
    begin: int, end: int, matrix: Matrix, partial: Matrix, stride: Sizes2, offsets: IntegerBlocks, dw: Vector
) -> None:  # fmt: skip
    """Compute the adjoint of `filter_values`, of the parts' gradients, added in their order."""
    down, across = stride
    block = dw.size // (4 * down * across)
    for pair in range(begin, end):
        a, b = pair // across, pair % across
        target, source = offsets[pair, 0, :4], offsets[pair, 1]
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


@kernel()
def filter_images(
    begin: int, end: int, tile: int, x: Vector, layout: Sizes8, input_transform: MatrixPair,
    u: Vector, transpose_u: bool, bias: Vector, slope: float,
    y: Vector, y_layout: Sizes8, output_transform: MatrixPair,
    rows: IntegerMatrix, starts: IntegerMatrix, tiling: Sizes4, batch: int, tile_images: int,
    work: Matrix, offsets: IntegerBlocks, workspaces: Matrix,
) -> None:  # fmt: skip
    """Parts of y = activation(T(U ⊙ S(x)) + bias), S and T the transforms, `tile_images` images at a time.

    Each matrix of U is transposed if asked. The convolution has S = Pᵀ and T = Eᵀ; its data gradient E and P, with U transposed.
    """
    k, o = layout[2] * layout[3] * layout[4], y_layout[2] * y_layout[3] * y_layout[4]
    image = y_layout[0] * y_layout[1] * y_layout[2]
    u_columns = k if transpose_u else o
    all_rows = starts[POINTS - 1, POINTS - 1] + rows[POINTS - 1, POINTS - 1]
    parts = work.shape[0]
    for t in range(begin, end):
        values = work[t]
        products = values[tile_images * all_rows * k :]
        row = products[tile_images * all_rows * o :]
        last = batch * (t + 1) // parts
        for n0 in range(batch * t // parts, last, tile_images):
            images = min(tile_images, last - n0)
            for n in range(images):
                _to_values(
                    x, n0 + n, layout, input_transform, starts, tiling, n, images, k, row, offsets[t], values
                )  # fmt: skip
            for p in range(POINTS):
                for q in range(POINTS):
                    start = starts[p, q] * images
                    call_gemm_tile(
                        tile,
                        (
                            0, rows[p, q] * images, False, transpose_u, o, k, values, start * k, k,
                            u, (p * POINTS + q) * k * o, u_columns, False, products, start * o, o, workspaces[t],
                        ),
                    )  # fmt: skip
            _start_with_bias(y, n0 * image, images * image, bias)
            for n in range(images):
                _add_from_values(
                    products, n, images, o, y_layout, output_transform, starts, tiling, row, offsets[t], y, n0 + n
                )  # fmt: skip
                activate(y, (n0 + n) * image, image, slope)


@kernel()
def conv2d_weight(
    begin: int, end: int, tile: int, x: Vector, layout: Sizes8, x_transform: MatrixPair,
    dy: Vector, y_layout: Sizes8, dy_transform: MatrixPair,
    rows: IntegerMatrix, starts: IntegerMatrix, tiling: Sizes4, batch: int, tile_images: int,
    work: Matrix, offsets: IntegerBlocks, workspaces: Matrix, partial: Matrix,
) -> None:  # fmt: skip
    """partial[t] = Pᵀ(x)ᵀ·E(dy) at each pair of points, over the images of part t."""
    k, o = layout[2] * layout[3] * layout[4], y_layout[2]
    all_rows = starts[POINTS - 1, POINTS - 1] + rows[POINTS - 1, POINTS - 1]
    parts = work.shape[0]
    for t in range(begin, end):
        x_values = work[t]
        dy_values = x_values[tile_images * all_rows * k :]
        row = dy_values[tile_images * all_rows * o :]
        clear_elements(partial[t], 0, partial.shape[1])
        last = batch * (t + 1) // parts
        for n0 in range(batch * t // parts, last, tile_images):
            images = min(tile_images, last - n0)
            for n in range(images):
                _to_values(
                    x, n0 + n, layout, x_transform, starts, tiling, n, images, k, row, offsets[t], x_values
                )  # fmt: skip
                _to_values(
                    dy, n0 + n, y_layout, dy_transform, starts, tiling, n, images, o, row, offsets[t], dy_values
                )  # fmt: skip
            for p in range(POINTS):
                for q in range(POINTS):
                    start = starts[p, q] * images
                    call_gemm_tile(
                        tile,
                        (
                            0, k, True, False, o, rows[p, q] * images, x_values, start * k, k,
                            dy_values, start * o, o, True, partial[t], (p * POINTS + q) * k * o, o, workspaces[t],
                        ),
                    )  # fmt: skip
