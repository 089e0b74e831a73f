"""GEMM and column sums on the CPU."""

from __future__ import annotations

import math

from minigan.devices.contract.products import NO_EPILOGUE, Epilogue
from minigan.devices.cpu import threads
from minigan.devices.cpu.activation import activate
from minigan.devices.cpu.arrays import Array, bias_or_empty
from minigan.devices.cpu.compile import Blocks, Matrix, Vector, compiled, kernel
from minigan.devices.cpu.gemm import call_gemm_tile, gemm_tile, gemm_workspaces, panel_columns
from minigan.devices.cpu.normalization import with_statistics
from minigan.devices.cpu.vectors import TILE_ROWS
from minigan.devices.device import Device

# Elements of a row that column sums add at once: several vectors, so that no addition waits for the one before it.
_WIDE_ROW = 128
BLOCK = 32  # rows that are added one after another


def gemm(
    device: Device,
    a: Array,
    b: Array,
    transpose_a: bool = False,
    transpose_b: bool = False,
    epilogue: Epilogue = NO_EPILOGUE,
) -> Array:
    m = a.shape[1] if transpose_a else a.shape[0]
    n = b.shape[0] if transpose_b else b.shape[1]
    k = a.shape[0] if transpose_a else a.shape[1]
    c: Array = device.empty((m, n), a.dtype)
    rows, columns = thread_grid(m, n, threads.thread_count())
    gemm_parts(
        rows * columns, gemm_tile.address(a.dtype), transpose_a, transpose_b,
        m, n, k, a.reshape(-1), b.reshape(-1), bias_or_empty(epilogue, a), epilogue.negative_slope,
        c.reshape(-1), rows, columns, gemm_workspaces(device, a.dtype),
    )  # fmt: skip
    return with_statistics(device, c, epilogue.statistics)


def column_sum(device: Device, x: Array) -> Array:
    columns = x.shape[-1]
    result: Array = device.empty((columns,), x.dtype)
    if not columns:
        return result
    x = x.reshape(-1, columns)
    # Rows of few columns are added several side by side.
    side_by_side = math.gcd(x.shape[0], max(1, _WIDE_ROW // max(1, columns)))
    x = x.reshape(x.shape[0] // side_by_side, side_by_side * columns)
    count = threads.thread_count()
    sums = device.empty((count, sum_levels(-(-x.shape[0] // count)), x.shape[1]), x.dtype)
    parts = device.empty((count, x.shape[1]), x.dtype)
    column_sum_parts(count, x, sums, parts)
    add_pairwise(columns, parts.reshape(-1, columns), result)
    return result


def thread_grid(m: int, n: int, threads: int) -> tuple[int, int]:
    """Return how many threads share the rows and the columns of an (m, n) result.

    Each thread reads m/rows rows of A and n/columns columns of B; the best grid reads least.
    """
    grids = [(r, threads // r) for r in range(1, threads + 1) if threads % r == 0]
    return min(grids, key=lambda grid: (m / grid[0] + n / grid[1], grid))


@compiled
def _share(i, parts, length, unit):
    """Return where part i of `parts` begins in a length that is cut between whole units."""
    return min(length, -(-length // unit) * i // parts * unit)


@kernel()
def gemm_parts(
    begin: int, end: int, tile: int, transpose_a: bool, transpose_b: bool,
    m: int, n: int, k: int, a: Vector, b: Vector, bias: Vector, slope: float,
    c: Vector, grid_rows: int, grid_columns: int, workspaces: Matrix,
) -> None:  # fmt: skip
    """Parts of C = activation(op(A)·op(B) + bias); `tile` is the address of `gemm_tile`."""
    width = panel_columns(c)
    lda = m if transpose_a else k
    ldb = k if transpose_b else n
    for t in range(begin, end):
        i, j = t // grid_columns, t % grid_columns
        m0, m1 = _share(i, grid_rows, m, TILE_ROWS), _share(i + 1, grid_rows, m, TILE_ROWS)
        n0, n1 = _share(j, grid_columns, n, width), _share(j + 1, grid_columns, n, width)
        b0 = n0 * k if transpose_b else n0
        call_gemm_tile(
            tile,
            (
                m0, m1, transpose_a, transpose_b, n1 - n0, k,
                a, 0, lda, b, b0, ldb, False, c, n0, n, workspaces[t],
            ),
        )  # fmt: skip
        for row in range(m0, m1):
            if bias.size:
                part, part_bias = c[row * n + n0 : row * n + n1], bias[n0:n1]
                for column in range(part.size):
                    part[column] += part_bias[column]
            activate(c, row * n + n0, n1 - n0, slope)


def sum_levels(rows: int) -> int:
    """Return how many rows of `sums` a part of `column_sum_parts` needs for so many rows of x."""
    return 2 + (-(-rows // BLOCK)).bit_length()


@kernel()
def column_sum_parts(begin: int, end: int, x: Matrix, sums: Blocks, parts: Matrix) -> None:
    """parts[t] = Σ over the rows of part t, pairwise: blocks of rows, pairs of blocks, pairs of those.

    The blocks are counted in binary: sums[t, 1 + i] waits for its partner while bit i of the count is 1. So an element takes
    part in at most 31 + log₂(blocks) + 1 additions. `sums` is (parts, levels, columns of x).
    """
    rows, columns = x.shape
    for t in range(begin, end):
        r0, r1 = rows * t // parts.shape[0], rows * (t + 1) // parts.shape[0]
        blocks = -(-(r1 - r0) // BLOCK)
        for b in range(blocks):
            for column in range(columns):
                sums[t, 0, column] = 0
            for row in range(r0 + b * BLOCK, min(r0 + (b + 1) * BLOCK, r1)):
                for column in range(columns):
                    sums[t, 0, column] += x[row, column]
            level = 1
            while (b >> (level - 1)) & 1:
                for column in range(columns):
                    sums[t, 0, column] += sums[t, level, column]
                level += 1
            for column in range(columns):
                sums[t, level, column] = sums[t, 0, column]
        for column in range(columns):
            parts[t, column] = 0
        for level in range(1, sums.shape[1]):
            if (blocks >> (level - 1)) & 1:
                for column in range(columns):
                    parts[t, column] += sums[t, level, column]


@kernel(grain=1 << 12)
def add_pairwise(begin: int, end: int, rows: Matrix, result: Vector) -> None:
    """Columns of result = Σ rows: the second half is added to the first until one is left."""
    count = rows.shape[0]
    while count > 1:
        half = (count + 1) // 2
        for i in range(count - half):
            row, other = rows[i, begin:end], rows[half + i, begin:end]
            for column in range(row.size):
                row[column] += other[column]
        count = half
    for column in range(begin, end):
        result[column] = rows[0, column]
