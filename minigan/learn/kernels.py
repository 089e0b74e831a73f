"""Exercises on CUDA kernels: from a map to sums over a block."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minigan.learn.exercise import Array, Launch, cuda_kernel

Launches = Callable[[np.random.Generator], list[Launch]]
_THREADS = 64


def floats(rng: np.random.Generator, *shape: int) -> Array:
    """Return random float32 numbers."""
    return rng.normal(size=shape).astype(np.float32)


def blocks(count: int, threads: int) -> int:
    """Return how many blocks cover `count`."""
    return -(-count // threads)


def elementwise(
    function: Callable[..., Array], inputs: int, sizes: Sequence[int] = (3, 65, 2048)
) -> Launches:
    """Return launches with a thread an element: kernel(inputs…, y, n)."""

    def launches(rng: np.random.Generator) -> list[Launch]:
        made = []
        for n in sizes:
            arrays = [floats(rng, n) for _ in range(inputs)]
            expected = function(*(array.astype(np.float64) for array in arrays))
            grid = (blocks(n, _THREADS),)
            arguments = (*arrays, n)
            made.append(
                Launch(grid, (_THREADS,), arguments, inputs, expected, 4 * n * (inputs + 1))
            )
        return made

    return launches


def _few_blocks(rng: np.random.Generator) -> list[Launch]:
    made = []
    for n in (3, 200, 2048):
        x = floats(rng, n)
        expected = x.astype(np.float64) ** 2
        made.append(Launch((2,), (32,), (x, n), 1, expected, 8 * n))
    return made


def _bias(rng: np.random.Generator) -> list[Launch]:
    made = []
    for rows, columns in [(1, 2), (3, 37), (64, 64)]:
        x, b = floats(rng, rows, columns), floats(rng, columns)
        expected = x.astype(np.float64) + b
        least = 4 * (2 * x.size + columns)
        grid = (blocks(columns, 32),)
        made.append(Launch(grid, (32,), (x, b, rows, columns), 2, expected, least))
    return made


def _rows(
    function: Callable[[Array], Array], threads: int, shapes: Sequence[tuple[int, int]]
) -> Launches:
    """Return launches with a block a row: kernel(x, y, columns)."""

    def launches(rng: np.random.Generator) -> list[Launch]:
        made = []
        for rows, columns in shapes:
            x = floats(rng, rows, columns)
            expected = function(x.astype(np.float64))
            least = 4 * (x.size + max(expected.size, 8 * rows))  # a sector for each row's result
            made.append(Launch((rows,), (threads,), (x, columns), 1, expected, least))
        return made

    return launches


def _neighbours(x: Array) -> Array:
    padded = np.pad(x, 1)
    return np.asarray(padded[:-2] + padded[1:-1] + padded[2:])


def _stencil(rng: np.random.Generator) -> list[Launch]:
    made = []
    for n in (3, 65, 2048):
        x, grid = floats(rng, n), blocks(n, _THREADS)
        least = 8 * n + 64 * grid  # a sector at each side of a block
        expected = _neighbours(x.astype(np.float64))
        made.append(Launch((grid,), (_THREADS,), (x, n), 1, expected, least))
    return made


KERNELS = (
    cuda_kernel(
        "map",
        "y[i] = 2·x[i] + 1, a thread an element; the last block has threads to spare.",
        "const real* x, real* y, int n",
        """\
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = 2 * x[i] + 1;""",
        elementwise(lambda x: 2 * x + 1, 1),
    ),
    cuda_kernel(
        "zip",
        "z[i] = x[i]·y[i], a thread an element.",
        "const real* x, const real* y, real* z, int n",
        """\
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) z[i] = x[i] * y[i];""",
        elementwise(lambda x, y: x * y, 2),
    ),
    cuda_kernel(
        "grid_stride",
        "y[i] = x[i]², with fewer threads than elements: each takes steps of the grid's size.",
        "const real* x, real* y, int n",
        """\
    const int step = gridDim.x * blockDim.x;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step) y[i] = x[i] * x[i];""",
        _few_blocks,
    ),
    cuda_kernel(
        "bias",
        "y[row][column] = x[row][column] + b[column], a thread a column: read b once.",
        "const real* x, const real* b, real* y, int rows, int columns",
        """\
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= columns) return;
    const real addend = b[column];
    for (int i = column; i < rows * columns; i += columns) y[i] = x[i] + addend;""",
        _bias,
    ),
    cuda_kernel(
        "stencil",
        "y[i] = x[i − 1] + x[i] + x[i + 1], 0 outside; read x once, into shared memory.",
        "const real* x, real* y, int n",
        """\
    __shared__ real tile[66];
    const int i = blockIdx.x * 64 + threadIdx.x, place = threadIdx.x + 1;
    tile[place] = i < n ? x[i] : real(0);
    if (threadIdx.x == 0) tile[0] = i > 0 ? x[i - 1] : real(0);
    if (threadIdx.x == 63) tile[65] = i + 1 < n ? x[i + 1] : real(0);
    __syncthreads();
    if (i < n) y[i] = tile[place - 1] + tile[place] + tile[place + 1];""",
        _stencil,
    ),
    cuda_kernel(
        "warp_rows",
        "y[row] = Σ x[row][column]: a warp for each row, the sum by shuffles.",
        "const real* x, real* y, int columns",
        """\
    real sum = 0;
    for (int i = threadIdx.x; i < columns; i += 32) sum += x[blockIdx.x * columns + i];
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(kAllLanes, sum, step);
    if (threadIdx.x == 0) y[blockIdx.x] = sum;""",
        _rows(lambda x: x.sum(axis=1), 32, [(1, 3), (2, 37), (16, 256)]),
    ),
    cuda_kernel(
        "block_rows",
        "y[row] = Σ x[row][column]: a block of 128 for each row, a tree in shared memory.",
        "const real* x, real* y, int columns",
        """\
    __shared__ real sums[128];
    real sum = 0;
    for (int i = threadIdx.x; i < columns; i += 128) sum += x[blockIdx.x * columns + i];
    sums[threadIdx.x] = sum;
    for (int step = 64; step > 0; step /= 2) {
        __syncthreads();
        if (threadIdx.x < step) sums[threadIdx.x] += sums[threadIdx.x + step];
    }
    if (threadIdx.x == 0) y[blockIdx.x] = sums[0];""",
        _rows(lambda x: x.sum(axis=1), 128, [(1, 3), (2, 130), (8, 512)]),
    ),
    cuda_kernel(
        "scan",
        "y[row][i] = Σ x[row][j] over j ≤ i: a block of 64 for each row of at most 64.",
        "const real* x, real* y, int columns",
        """\
    __shared__ real sums[64];
    const int i = threadIdx.x;
    sums[i] = i < columns ? x[blockIdx.x * columns + i] : real(0);
    for (int step = 1; step < 64; step *= 2) {
        __syncthreads();
        const real before = i >= step ? sums[i - step] : real(0);
        __syncthreads();
        sums[i] += before;
    }
    if (i < columns) y[blockIdx.x * columns + i] = sums[i];""",
        _rows(lambda x: np.cumsum(x, axis=1), 64, [(1, 3), (2, 37), (16, 64)]),
    ),
)
