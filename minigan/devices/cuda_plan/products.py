"""Matrix products and column sums: the launches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from minigan.devices.contract.kernel import Array
from minigan.devices.contract.normalization import BatchStatistics
from minigan.devices.contract.products import NO_EPILOGUE, Epilogue
from minigan.devices.cuda_plan.base import PARTS, REDUCTION_BLOCK, CudaPlan, check_indices
from minigan.devices.cuda_plan.normalization import merge_moments, moments_of_parts
from minigan.devices.memory import address
from minigan.devices.precision import float32_precision

_TILE, NARROW_TILE = (64, 64), (128, 4)  # rows and columns of a product's tile, as in tile.cuh
_PRODUCT_BLOCK = (128,)
_PRODUCT_BLOCKS = 264  # that fill a GPU: two for each of an H100's 132 multiprocessors
_LEAST_TERMS = 256  # of a split of a sum


def splits_of(tiles: int, terms: int) -> int:
    """Into how many parts the sums of a product are divided so that its blocks fill a GPU (split-K).

    The number is the same on every device, and so are the roundings.
    """
    return max(1, min(_PRODUCT_BLOCKS // max(tiles, 1), terms // _LEAST_TERMS))


@dataclass(frozen=True)
class Product:
    """A matrix product of `size` (m, n, k) and the kernel for it, or as many of them as there are phases.

    128-bit copies serve if they divide the lengths along which the operands are `contiguous`. `numbers` are the
    kernel's last arguments. If `narrow`, its kernel has the tile for few columns, and no form for tensor cores. A kernel
    that `has_epilogue` takes one.
    """

    source: str
    kernel: str
    size: tuple[int, int, int]
    contiguous: tuple[int, ...]
    numbers: tuple[int, ...]
    phases: int = 1
    narrow: bool = False
    has_epilogue: bool = True

    def tile(self) -> tuple[int, int]:
        """Rows and columns of a tile of the result."""
        return NARROW_TILE if self.narrow else _TILE

    def tiles(self) -> int:
        """Return the number of the result's tiles in a phase."""
        rows, columns = self.tile()
        return -(-self.size[0] // rows) * -(-self.size[1] // columns)

    def tiles_of_a_group(self, groups: int, result: Array) -> int:
        """Return how many tiles down a phase hold exactly the rows of a group of `result`; else 0."""
        m, n, _ = self.size
        whole = m * n * self.phases == result.size and m % (groups * self.tile()[0]) == 0
        return m // groups // self.tile()[0] if whole else 0

    def kernel_for(self, *operands: Array) -> str:
        """Return the name of the kernel for these operands, in the precision that is set."""
        dtype = operands[0].dtype
        vector = 16 // dtype.itemsize
        whole = all(length % vector == 0 for length in self.contiguous)
        vectors = whole and all(address(operand) % 16 == 0 for operand in operands)
        tf32 = dtype == np.float32 and float32_precision() == "tf32" and not self.narrow
        return (
            self.kernel
            + ("_narrow" if self.narrow else "")
            + ("_vector" if vectors else "")
            + ("_tf32" if tf32 else "")
        )


def gemm(
    device: CudaPlan,
    a: Array,
    b: Array,
    transpose_a: bool = False,
    transpose_b: bool = False,
    epilogue: Epilogue = NO_EPILOGUE,
) -> Array:
    a, b, _ = device.checked("gemm", a, b, epilogue.bias)
    m, k = (a.shape[1], a.shape[0]) if transpose_a else a.shape
    n = b.shape[0] if transpose_b else b.shape[1]
    c = device.empty((m, n), a.dtype)
    kernel = f"gemm_{'t' if transpose_a else 'n'}{'t' if transpose_b else 'n'}"
    product = Product("gemm", kernel, (m, n, k), (a.shape[1], b.shape[1]), (m, n, k))
    launch_product(device, product, a, b, c, epilogue)
    return c


def launch_product(
    device: CudaPlan,
    product: Product,
    a: Array,
    b: Array,
    result: Array,
    epilogue: Epilogue = NO_EPILOGUE,
) -> None:
    """Launch a product; where a sum is divided, its parts are added in order, and the epilogue is theirs."""
    check_indices(product.kernel, result)
    if not result.size:
        return
    kernel, tiles, statistics = product.kernel_for(a, b), product.tiles(), epilogue.statistics
    splits = splits_of(tiles * product.phases, product.size[2])
    partial = device.empty((splits, *result.shape), a.dtype) if splits > 1 else result
    moments = _tile_moments(device, product, statistics, result) if splits == 1 else None
    own = (epilogue.bias, epilogue.negative_slope, moments) if splits == 1 else (None, 1.0, None)
    device.launch(
        product.source, kernel, a.dtype, (tiles, splits, product.phases), _PRODUCT_BLOCK,
        a, b, *(own if product.has_epilogue else ()), partial, *product.numbers,
    )  # fmt: skip
    sums = (partial, epilogue) if splits > 1 else None
    if statistics is not None:
        rows = result.reshape(-1, result.shape[-1])
        if moments is None:
            moments = moments_of_parts(device, rows, statistics.groups, sums)
        merge_moments(device, moments, len(rows), statistics)
        statistics.of = result
    elif sums is not None:
        sum_parts(device, *sums, result)


def _tile_moments(
    device: CudaPlan, product: Product, statistics: BatchStatistics | None, result: Array
) -> Array | None:
    """Allocate the moments of each tile if statistics are asked for and a group's rows are whole tiles."""
    tiles = product.tiles_of_a_group(statistics.groups, result) if statistics else 0
    if statistics is None or not tiles:
        return None
    return device.empty(
        (product.phases, statistics.groups, tiles, 2, product.size[1]), result.dtype
    )


def sum_parts(device: CudaPlan, partial: Array, epilogue: Epilogue, result: Array) -> None:
    """Σ over the first axis, in order, a bias along the last, and the activation."""
    device.launch_elementwise(
        "gemm", "sum_parts", result.size, result.dtype, partial, epilogue.bias,
        epilogue.negative_slope, result, partial.shape[0], result.shape[-1], np.int64(result.size),
    )  # fmt: skip


def column_sum(device: CudaPlan, x: Array) -> Array:
    (x,) = device.checked("column_sum", x)
    columns = x.shape[-1]
    rows = math.prod(x.shape[:-1])
    partial = device.empty((PARTS, columns), x.dtype)
    result = device.empty((columns,), x.dtype)
    if columns:
        device.launch(
            "gemm", "column_sum_parts", x.dtype, (-(-columns // 32), PARTS), REDUCTION_BLOCK,
            x, partial, rows, columns,
        )  # fmt: skip
        sum_parts(device, partial, NO_EPILOGUE, result)
    return result
