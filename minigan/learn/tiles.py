"""Exercises on CUDA kernels: a transpose and products, from one thread an element to tensor cores."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from minigan.learn.exercise import Array, Launch, cuda_kernel
from minigan.learn.kernels import blocks, floats

Shape = tuple[int, int, int]
_TILE = 16


def _transposes(rng: np.random.Generator) -> list[Launch]:
    made = []
    for rows, columns in [(2, 3), (17, 33), (64, 64)]:
        x = floats(rng, rows, columns)
        expected = x.astype(np.float64).T
        grid = (blocks(columns, _TILE), blocks(rows, _TILE))
        made.append(Launch(grid, (_TILE, _TILE), (x, rows, columns), 1, expected, 8 * x.size))
    return made


def _products(
    shapes: Sequence[Shape], tile: tuple[int, int], block: tuple[int, ...],
    round_operands: Callable[[Array], Array] = lambda x: x,
    least_of_loads: Callable[[Shape], int] | None = None,
) -> Callable[[np.random.Generator], list[Launch]]:  # fmt: skip
    """Return launches of c = a·b with a block for each tile of c: kernel(a, b, c, m, n, k)."""

    def launches(rng: np.random.Generator) -> list[Launch]:
        made = []
        for m, n, k in shapes:
            a, b = floats(rng, m, k), floats(rng, k, n)
            expected = round_operands(a).astype(np.float64) @ round_operands(b).astype(np.float64)
            down, across = blocks(m, tile[0]), blocks(n, tile[1])
            loads = least_of_loads((m, n, k)) if least_of_loads else a.size * across + b.size * down
            least = 4 * (loads + m * n)
            made.append(Launch((across, down), block, (a, b, m, n, k), 2, expected, least))
        return made

    return launches


def _round_to_tf32(x: Array) -> Array:
    """Return the nearest TF32 values: the last 13 bits become 0, halves go away from zero."""
    bits = (x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    return bits.view(np.float32)


_OPERANDS = "const real* a, const real* b, real* c, int m, int n, int k"

_kernel = functools.partial(cuda_kernel, tolerance=1e-4)  # sums of products

TILES = (
    _kernel(
        "transpose",
        "y[j][i] = x[i][j], in tiles of 16×16 in shared memory: rows are read and rows written.",
        "const real* x, real* y, int rows, int columns",
        """\
    __shared__ real tile[16][17];
    const int left = blockIdx.x * 16, top = blockIdx.y * 16;
    const int row = top + threadIdx.y, column = left + threadIdx.x;
    if (row < rows && column < columns) tile[threadIdx.y][threadIdx.x] = x[row * columns + column];
    __syncthreads();
    const int y_row = left + threadIdx.y, y_column = top + threadIdx.x;
    if (y_row < columns && y_column < rows) y[y_row * rows + y_column] = tile[threadIdx.x][threadIdx.y];""",
        _transposes,
    ),
    _kernel(
        "product",
        "c = a·b of (m, k) and (k, n), a thread an element, in blocks of 16×16.",
        _OPERANDS,
        """\
    const int column = blockIdx.x * 16 + threadIdx.x, row = blockIdx.y * 16 + threadIdx.y;
    if (row >= m || column >= n) return;
    real sum = 0;
    for (int i = 0; i < k; ++i) sum += a[row * k + i] * b[i * n + column];
    c[row * n + column] = sum;""",
        _products(
            [(2, 3, 2), (17, 18, 5), (32, 32, 32)],
            (_TILE, _TILE),
            (_TILE, _TILE),
            least_of_loads=lambda shape: int(np.prod(shape)),  # a float for each product
        ),
    ),
    _kernel(
        "tiled_product",
        "c = a·b of (m, k) and (k, n): a block loads tiles of 16×16 of a and b once each.",
        _OPERANDS,
        """\
    __shared__ real left[16][16], right[16][16];
    const int x = threadIdx.x, y = threadIdx.y;
    const int column = blockIdx.x * 16 + x, row = blockIdx.y * 16 + y;
    real sum = 0;
    for (int begin = 0; begin < k; begin += 16) {
        left[y][x] = row < m && begin + x < k ? a[row * k + begin + x] : real(0);
        right[y][x] = begin + y < k && column < n ? b[(begin + y) * n + column] : real(0);
        __syncthreads();
        for (int i = 0; i < 16; ++i) sum += left[y][i] * right[i][x];
        __syncthreads();
    }
    if (row < m && column < n) c[row * n + column] = sum;""",
        _products([(2, 3, 2), (17, 18, 21), (32, 32, 64)], (_TILE, _TILE), (_TILE, _TILE)),
    ),
    _kernel(
        "tensor_core_product",
        "c = a·b by mma in TF32: a warp makes a tile of 16×8; m is a multiple of 16, n and k of 8.",
        _OPERANDS,
        """\
    __shared__ float left[16][8], right[8][8];
    const int lane = threadIdx.x, group = lane / 4, t = lane % 4;
    const int top = blockIdx.y * 16, first = blockIdx.x * 8;
    float sum[1][1][4] = {};
    for (int begin = 0; begin < k; begin += 8) {
        for (int i = lane; i < 128; i += 32) left[i / 8][i % 8] = a[(top + i / 8) * k + begin + i % 8];
        for (int i = lane; i < 64; i += 32) right[i / 8][i % 8] = b[(begin + i / 8) * n + first + i % 8];
        __syncthreads();
        unsigned x[1][4], y[1][2];
        for (int e = 0; e < 4; ++e) x[0][e] = round_to_tf32(left[group + e % 2 * 8][t + e / 2 * 4]);
        for (int e = 0; e < 2; ++e) y[0][e] = round_to_tf32(right[t + 4 * e][group]);
        mma(sum, x, y);
        __syncthreads();
    }
    for (int e = 0; e < 4; ++e) c[(top + group + e / 2 * 8) * n + first + 2 * t + e % 2] = sum[0][0][e];""",
        _products([(16, 8, 8), (32, 16, 128)], (16, 8), (32,), _round_to_tf32),
        include="tensor_core.cuh",
    ),
)
