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


BLOCK = 32  # rows that are added one after another


def levels(rows: int) -> int:
    """How many rows of `sums` `add_column_sums` needs for so many rows of x."""
    return 2 + (-(-rows // BLOCK)).bit_length()


@compiled
def add_column_sums(x, r0, r1, sums):
    """sums[0] = Σ x[r0:r1], pairwise: blocks of rows, pairs of blocks, pairs of those.

    The blocks are counted in binary: sums[1 + i] waits for its partner while bit i of the count is 1. So an element takes
    part in at most 31 + log₂(blocks) + 1 additions.
    """
    total = sums[0]
    blocks = -(-(r1 - r0) // BLOCK)
    for b in range(blocks):
        total[:] = 0
        for row in range(r0 + b * BLOCK, min(r0 + (b + 1) * BLOCK, r1)):
            for column in range(total.size):
                total[column] += x[row, column]
        level = 1
        while (b >> (level - 1)) & 1:
            _add_row(total, sums[level])
            level += 1
        sums[level] = total
    total[:] = 0
    for level in range(1, sums.shape[0]):
        if (blocks >> (level - 1)) & 1:
            _add_row(total, sums[level])


@compiled
def _add_row(total, row):
    for column in range(total.size):
        total[column] += row[column]


@compiled
def add_pairwise(rows):
    """rows[0] = Σ rows: the second half is added to the first until one is left."""
    count = rows.shape[0]
    while count > 1:
        half = (count + 1) // 2
        for i in range(count - half):
            _add_row(rows[i], rows[half + i])
        count = half


@parallel
def column_sum(x, sums, parts, result):
    """Σ over rows, pairwise: a part a thread, then the parts. A row of `x` may hold several, side by side.

    `sums` is (threads, levels, columns of x), and `parts` (threads, columns of x).
    """
    rows = x.shape[0]
    threads = parts.shape[0]
    for t in prange(threads):
        add_column_sums(x, rows * t // threads, rows * (t + 1) // threads, sums[t])
        parts[t] = sums[t, 0]
    _finish_column_sum(parts, result)


@compiled
def _finish_column_sum(parts, result):
    rows = parts.reshape(-1, result.size)
    add_pairwise(rows)
    result[:] = rows[0]
