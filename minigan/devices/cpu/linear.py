"""GEMM and column sums on the CPU."""

from __future__ import annotations

from numba import prange

from minigan.devices.cpu.compile import compiled, parallel
from minigan.devices.cpu.elementwise import activate
from minigan.devices.cpu.gemm import gemm_tile, panel_columns
from minigan.devices.cpu.vectors import TILE_ROWS


def thread_grid(m: int, n: int, threads: int) -> tuple[int, int]:
    """How many threads share the rows and the columns of an (m, n) result.

    Each thread reads m/rows rows of A and n/columns columns of B; the best grid reads least.
    """
    grids = [(r, threads // r) for r in range(1, threads + 1) if threads % r == 0]
    return min(grids, key=lambda grid: (m / grid[0] + n / grid[1], grid))


@compiled
def _share(i, parts, length, unit):
    """Where part i of `parts` begins in a length that is cut between whole units."""
    return min(length, -(-length // unit) * i // parts * unit)


@parallel
def gemm(transpose_a, transpose_b, a, b, bias, slope, c, grid_rows, grid_columns, rooms):
    """C = activation(op(A)·op(B) + bias); each thread computes one part of C."""
    m, n = c.shape
    k = a.shape[0] if transpose_a else a.shape[1]
    for t in prange(grid_rows * grid_columns):
        i, j = t // grid_columns, t % grid_columns
        m0, m1 = _share(i, grid_rows, m, TILE_ROWS), _share(i + 1, grid_rows, m, TILE_ROWS)
        width = panel_columns(c)
        n0, n1 = _share(j, grid_columns, n, width), _share(j + 1, grid_columns, n, width)
        a0 = m0 if transpose_a else m0 * k
        b0 = n0 * k if transpose_b else n0
        lda = m if transpose_a else k
        ldb = k if transpose_b else n
        gemm_tile(
            transpose_a, transpose_b, m1 - m0, n1 - n0, k,
            a, a0, lda, b, b0, ldb, False, c, m0 * n + n0, n, rooms[t],
        )  # fmt: skip
        for row in range(m0, m1):
            if bias.size:
                for column in range(n0, n1):
                    c[row, column] += bias[column]
            activate(c.reshape(-1), row * n + n0, n1 - n0, slope)


@compiled
def add_column_sums(x, r0, r1, total, block):
    """total += Σ x[r0:r1] by blocks of rows, so that rounding grows with the block, not the height."""
    columns = x.shape[1]
    for b0 in range(r0, r1, 128):
        block[:] = 0
        for row in range(b0, min(b0 + 128, r1)):
            for column in range(columns):
                block[column] += x[row, column]
        for column in range(columns):
            total[column] += block[column]


@parallel
def column_sum(x, partial, work, result):
    """Σ over rows: one partial sum a thread, added in the order of the threads. A row of `x` may hold several, side by side."""
    rows, width = x.shape
    columns = result.size
    threads = partial.shape[0]
    for t in prange(threads):
        partial[t] = 0
        add_column_sums(x, rows * t // threads, rows * (t + 1) // threads, partial[t], work[t])
    for column in range(
        columns
    ):  # no expression of arrays, which would be a parallel region of its own
        total = result.dtype.type(0)
        for t in range(threads):
            for side in range(column, width, columns):
                total += partial[t, side]
        result[column] = total
