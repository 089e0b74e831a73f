"""GEMM of one thread, on a tile of row-major matrices: C (+)= op(A)·op(B).

The loops are those of Goto & van de Geijn (2008). A block of A, `_BLOCK_ROWS` × `_DEPTH_BYTES`, is copied into panels of
`TILE_ROWS` rows, and one panel of B after the other, `TILE_VECTORS` wide, beside it. Both stay in a core's second-level
cache. A tile of C is a panel of each, multiplied in registers (``vectors.multiply_panels``).

Why not BLAS: the linear layers of a training step have 128 or 256 rows. So each element of a
weight, copied into a panel once, serves few multiplications. A library's copies wait for memory
line by line, and take a fifth of its time. Here the next panel's lines are fetched while the last
one's products are made, and those of C before they are written. What bounds it is the rate of
multiply-adds, `TILE_ROWS` · `TILE_VECTORS` for `TILE_ROWS` + `TILE_VECTORS` loads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigan.devices.cpu import threads
from minigan.devices.cpu.compile import SERIAL, Vector, compiled, kernel, pointer_call
from minigan.devices.cpu.vectors import (
    TILE_ROWS,
    TILE_VECTORS,
    VECTOR_BYTES,
    copy_tile_rows,
    copy_vectors,
    multiply_panels,
    transpose_tile_rows,
    transpose_vectors,
)
from minigan.devices.device import Device

# A's block takes half of a second-level cache of 1 MiB. At 128 rows, 192 to 512 float32 deep, the
# products of a step's linear layers take 187, 183, 180 and 179 ms, in turns (docs/performance.md).
_BLOCK_ROWS = 256
_DEPTH_BYTES = 2048
# As many rows of A, or fewer, read B where it lies: a copy in a panel would serve too few tiles.
_FEW_ROWS = 4 * TILE_ROWS


@compiled
def panel_columns(c):
    """Return the columns of a panel of B, and so of a tile of C."""
    return TILE_VECTORS * VECTOR_BYTES // c.itemsize


def gemm_workspaces(device: Device, dtype: Any) -> Any:
    """Return the workspaces of each thread for `gemm_tile`."""
    return device.empty((threads.thread_count(), workspace_size(dtype)), dtype)


def workspace_size(dtype: Any) -> int:
    """Return the elements that `gemm_tile` needs to work in: a block of A, a panel of B, a tile of C."""
    itemsize = int(np.dtype(dtype).itemsize)
    depth, width = _DEPTH_BYTES // itemsize, TILE_VECTORS * VECTOR_BYTES // itemsize
    return _BLOCK_ROWS * depth + depth * width + TILE_ROWS * width


def _make_pack_strip(
    copy_strip: Callable[..., None], transpose_strip: Callable[..., None]
) -> Callable[..., None]:
    @compiled
    def pack_strip(x, x0, down, across, depth, count, strip, at, width, stride):
        """Fill rows 0 … depth of a panel's column block: element (k, i) is x[x0 + k·down +
        i·across], or 0 from i = count on."""
        done = 0
        if count == width and across == 1:
            copy_strip(x, x0, down, depth, strip, at, stride)
            done = depth
        elif count == width and down == 1:
            transpose_strip(x, x0, across, depth // width, strip, at, stride)
            done = depth // width * width
        for k in range(done, depth):
            row = strip[at + k * stride : at + k * stride + width]
            for i in range(width):
                row[i] = x[x0 + k * down + i * across] if i < count else 0

    return pack_strip


_pack_a_strip = _make_pack_strip(copy_tile_rows, transpose_tile_rows)
_pack_b_strip = _make_pack_strip(copy_vectors, transpose_vectors)


@compiled
def _pack_a(a, a0, row, column, m, depth, panels):
    """Copy a block of A as panels of `TILE_ROWS` rows, the last one filled up with zeros."""
    for i in range(0, m, TILE_ROWS):
        count = min(TILE_ROWS, m - i)
        _pack_a_strip(
            a, a0 + i * row, column, row, depth, count, panels, i * depth, TILE_ROWS, TILE_ROWS
        )


@compiled
def _pack_b(b, b0, row, column, depth, n, panel):
    """n columns of B as a panel, filled up with zeros."""
    lanes = VECTOR_BYTES // b.itemsize
    for j in range(TILE_VECTORS):
        count = max(0, min(lanes, n - j * lanes))
        _pack_b_strip(
            b, b0 + j * lanes * column, row, column, depth, count,
            panel, j * lanes, lanes, TILE_VECTORS * lanes,
        )  # fmt: skip


@compiled
def _add_part(tile, width, rows, columns, c, c0, row, accumulate):
    """Return the part of a tile that lies in C."""
    for i in range(rows):
        target = c[c0 + i * row : c0 + i * row + columns]
        source = tile[i * width : i * width + columns]
        for j in range(columns):
            target[j] = target[j] + source[j] if accumulate else source[j]


@compiled
def _multiply_block(
    block, rows, depth, b, b0, b_row, columns, c, c0, ldc, accumulate, tile, next_b, next_b0, ldb
):
    """Compute the tiles of C that a block of A makes with one panel of B, with rows b_row elements apart.

    The first tiles fetch the panel of B that comes next, a column of cache lines each; there is none if `next_b0` is negative.
    """
    width = panel_columns(c)
    lanes = width // TILE_VECTORS
    for i in range(0, rows, TILE_ROWS):
        ahead, stride, line = 0, 0, i // TILE_ROWS
        if line < TILE_VECTORS and next_b0 >= 0:
            ahead, stride = next_b0 + line * lanes, ldb
        at, high = c0 + i * ldc, min(TILE_ROWS, rows - i)
        if high == TILE_ROWS and columns == width:
            multiply_panels(
                block, i * depth, b, b0, b_row, depth, c, at, ldc, accumulate, next_b, ahead, stride
            )  # fmt: skip
        else:
            multiply_panels(
                block, i * depth, b, b0, b_row, depth, tile, 0, width, 0, next_b, ahead, stride
            )  # fmt: skip
            _add_part(tile, width, high, columns, c, at, ldc, accumulate)


@kernel(grain=SERIAL)
def gemm_tile(
    begin: int, end: int, transpose_a: bool, transpose_b: bool, n: int, k: int,
    a: Vector, a0: int, lda: int, b: Vector, b0: int, ldb: int, adds: bool,
    c: Vector, c0: int, ldc: int, workspace: Vector,
) -> None:  # fmt: skip
    """Rows begin … end of C = op(A)·op(B), or C += … if it `adds`: element a0 of `a` starts A, with rows lda apart.

    `workspace` is `workspace_size()` elements for this thread alone.
    """
    a_row, a_column = (1, lda) if transpose_a else (lda, 1)
    b_row, b_column = (1, ldb) if transpose_b else (ldb, 1)
    m, a0, c0 = end - begin, a0 + begin * a_row, c0 + begin * ldc
    most_depth, width = _DEPTH_BYTES // c.itemsize, panel_columns(c)
    block = workspace
    panel = workspace[_BLOCK_ROWS * most_depth :]
    tile = panel[most_depth * width :]
    if k == 0 and not adds:
        for i in range(m):
            c[c0 + i * ldc : c0 + i * ldc + n] = 0
    for p in range(0, k, most_depth):
        depth = min(most_depth, k - p)
        accumulate = 1 if adds or p > 0 else 0
        for i0 in range(0, m, _BLOCK_ROWS):
            rows = min(_BLOCK_ROWS, m - i0)
            _pack_a(a, a0 + i0 * a_row + p * a_column, a_row, a_column, rows, depth, block)
            for j0 in range(0, n, width):
                columns = min(width, n - j0)
                b_at, at = b0 + p * b_row + j0 * b_column, c0 + i0 * ldc + j0
                # The next panel of B is fetched meanwhile.
                ahead = b_at + width if j0 + width < n and not transpose_b else -1
                if rows <= _FEW_ROWS and columns == width and not transpose_b:
                    _multiply_block(
                        block, rows, depth, b, b_at, ldb, columns, c, at, ldc, accumulate, tile, b, ahead, ldb
                    )  # fmt: skip
                else:
                    _pack_b(b, b_at, b_row, b_column, depth, columns, panel)
                    _multiply_block(
                        block, rows, depth, panel, 0, width, columns, c, at, ldc, accumulate, tile, b, ahead, ldb
                    )  # fmt: skip


call_gemm_tile = pointer_call(gemm_tile)
