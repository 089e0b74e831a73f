"""The launch plan of every CUDA kernel: grid, block, arguments; once, for the GPU and for the emulated device.

A `KernelDevice` has the whole contract of ``kernels.py``, in terms of a few things that a device of its own supplies:
memory, and `launch`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigan.devices.arguments import REALS, Double, PointerTable, check_parameters
from minigan.devices.kernels import (
    AdamSettings,
    AffineRanges,
    BatchStatistics,
    CodeTable,
    ConvolutionGeometry,
    Device,
    Key,
    OcclusionSizes,
    Step,
    uniform_bounds,
)
from minigan.devices.memory import address
from minigan.devices.precision import float32_precision
from minigan.devices.sources import KernelSource, kernel_sources, read_source
from minigan.errors import DeviceError

Array = Any

_BLOCK = 256  # threads of an elementwise kernel's block
_TILE, _NARROW_TILE = (64, 64), (128, 4)  # rows and columns of a product's tile, as in tile.cuh
_PRODUCT_BLOCK = (128,)
_PRODUCT_BLOCKS = 264  # that fill a GPU: two for each of an H100's 132 multiprocessors
_LEAST_TERMS = 256  # of a split of a sum
_REDUCTION_BLOCK = (32, 8)  # channels side by side, rows at a time
_PARTS = 8  # into how many parts the rows of a reduction are divided
_MOST_ELEMENTS = 2**31 - 2**8  # indices of the kernels, to the end of a tile, are of 32 bits
_SUM_ELEMENTS = 2048  # that a block of a sum has at least; a second launch adds up to 64 blocks
_ADAM_TENSORS, _ADAM_ELEMENTS = 64, 4096  # of a table, and of a block: as in adam.cu
_RUNNING_GROUPS = 16  # of a table, as in normalization.cu
_CONCATENATED_PARTS = 64  # of a table, as in elementwise.cu


@dataclass(frozen=True)
class Launch:
    """One launch, as a captured graph keeps it: the arrays among its arguments live as long as it does."""

    source: str | Path
    kernel: str
    dtype: np.dtype[Any]
    grid: tuple[int, ...]
    block: tuple[int, ...]
    arguments: tuple[Any, ...]
    shared_bytes: int = 0


_MOST_BLOCKS = (2**31 - 1, 65535, 65535)  # of a grid, and
_MOST_THREADS = 1024  # of a block: CUDA's own bounds


def _check_indices(kernel: str, array: Array) -> None:
    if array.size > _MOST_ELEMENTS:
        raise ValueError(f"{kernel}: an array of {array.size} elements is over the index range")


def _splits(tiles: int, terms: int) -> int:
    """Into how many parts the sums of a product are divided so that its blocks fill a GPU (split-K).

    The number is the same on every device, and so are the roundings.
    """
    return max(1, min(_PRODUCT_BLOCKS // max(tiles, 1), terms // _LEAST_TERMS))


@dataclass(frozen=True)
class _Epilogue:
    """What is done to a product's sums: a bias for each column, the activation, and statistics of the result."""

    bias: Array | None = None
    negative_slope: float = 1.0
    statistics: BatchStatistics | None = None


_NO_EPILOGUE = _Epilogue()


@dataclass(frozen=True)
class _Product:
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
        return _NARROW_TILE if self.narrow else _TILE

    def tiles(self) -> int:
        """How many tiles of the result there are in a phase."""
        rows, columns = self.tile()
        return -(-self.size[0] // rows) * -(-self.size[1] // columns)

    def tiles_of_a_group(self, groups: int, result: Array) -> int:
        """How many tiles down a phase have the rows of a group of `result`, no row missing and none of another's; else 0."""
        m, n, _ = self.size
        whole = m * n * self.phases == result.size and m % (groups * self.tile()[0]) == 0
        return m // groups // self.tile()[0] if whole else 0

    def kernel_for(self, *operands: Array) -> str:
        """The name of the kernel for these operands, in the precision that is set."""
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


class KernelDevice(Device):
    """A device that runs CUDA kernels: those of the contract, which are kernels/*.cu, and anybody's."""

    def __init__(self) -> None:
        self._constants: dict[tuple[Any, ...], Array] = {}
        self._own_sources: dict[Path, KernelSource] = {}
        self.sources: Path = kernel_sources()

    def source(self, source: str | Path) -> KernelSource:
        """A file of kernels/ by its name ("gemm"), which is read once; or the .cu file at a path, as it now is."""
        if isinstance(source, Path):
            return read_source(source)
        path = self.sources / f"{source}.cu"
        if path not in self._own_sources:
            self._own_sources[path] = read_source(path)
        return self._own_sources[path]

    def launch(
        self,
        source: str | Path,
        kernel: str,
        dtype: Any,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        *arguments: Any,
        shared_bytes: int = 0,
    ) -> None:
        """Run `kernel` of a .cu file, compiled for `dtype`, on a grid of blocks.

        `source` names a file of kernels/ ("gemm", "study/adam/2_fused"), or is the path of any other. An argument is an
        array, an int (32 bits), a `np.int64`/`np.uint64`, a float (of the kernel's dtype), a `Double`, a `PointerTable` (a
        struct by value), or None (a null pointer). `shared_bytes` is a block's dynamic shared memory. A device's `launch`
        begins with `check_launch`.
        """
        raise DeviceError(f"device '{self.name}' cannot launch kernels")

    def host_constant(self, values: Sequence[Any], dtype: Any) -> Array:
        """A small array of constants on the device: copied there once, so that a captured step copies nothing."""
        key = (tuple(values), np.dtype(dtype))
        if key not in self._constants:
            self._constants[key] = self.asarray(np.array(values, dtype))
        return self._constants[key]

    # -- memory ---------------------------------------------------------------------------------

    def copy(self, array: Array) -> Array:
        if array.dtype not in REALS or not array.flags.c_contiguous:
            return super().copy(array)
        fresh = self.empty(array.shape, array.dtype)
        self._elementwise(
            "elementwise", "copy", array.size, array.dtype, array, fresh, np.int64(array.size)
        )
        return fresh

    def ones(self, shape: Sequence[int], dtype: Any) -> Array:
        return self._filled(shape, dtype, 1.0)

    def zeros(self, shape: Sequence[int], dtype: Any) -> Array:
        return self._filled(shape, dtype, 0.0)

    def _filled(self, shape: Sequence[int], dtype: Any, value: float) -> Array:
        result = self.empty(shape, dtype)
        if result.dtype not in REALS:
            result[...] = value
            return result
        self._elementwise(
            "elementwise", "fill", result.size, result.dtype, result, value, np.int64(result.size)
        )
        return result

    # -- helpers --------------------------------------------------------------------------------

    def _elementwise(self, source: str, kernel: str, n: int, dtype: Any, *arguments: Any) -> None:
        """A thread an element, up to 4,096 blocks, which then take more than one each."""
        if n:
            blocks = min(-(-n // _BLOCK), 4096)
            self.launch(source, kernel, dtype, (blocks,), (_BLOCK,), *arguments)

    def _checked(self, kernel: str, *operands: Array | None, alignment: int = 1) -> tuple[Any, ...]:
        """The operands, all of one float dtype and such as a kernel can read; else an error that names the kernel.

        None stands for an operand that is left out, and stays. `alignment`, in bytes, is what the kernel's vector loads need
        of an address, beyond that of an element.
        """
        arrays = [a for a in operands if a is not None]
        dtype = arrays[0].dtype
        for array in arrays:
            self._check_array(kernel, array, alignment)
            if array.dtype != dtype or dtype not in REALS:
                raise TypeError(
                    f"{kernel}: its arrays are {' and '.join(str(a.dtype) for a in arrays)}, not all float32 "
                    "or all float64"
                )
        return operands

    def _check_array(self, kernel: str, array: Array, alignment: int = 1) -> None:
        if not isinstance(array, self.array_module.ndarray):
            raise DeviceError(
                f"{kernel}: an array is a {type(array).__module__}.{type(array).__name__}, not on device "
                f"'{self.name}'; move it there with mg.tensor(array, device='{self.name}')"
            )
        _check_indices(kernel, array)
        if not array.flags.c_contiguous:
            raise ValueError(
                f"{kernel}: an array of shape {array.shape} with strides {array.strides} is not contiguous; "
                "device.contiguous(array) makes it so"
            )
        needed = max(alignment, array.dtype.itemsize)
        if array.size and address(array) % needed:
            raise ValueError(
                f"{kernel}: an array at address {address(array):#x} is not aligned to {needed} bytes; "
                "pass a copy of it"
            )

    def check_launch(
        self,
        source: KernelSource,
        kernel: str,
        dtype: Any,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        arguments: Sequence[Any],
    ) -> None:
        """Refuse, by the kernel's name, what CUDA could not launch or would read wrongly; see `launch`."""
        tables = [argument for argument in arguments if isinstance(argument, PointerTable)]
        for argument in (*arguments, *(array for table in tables for array in table.arrays())):
            if isinstance(argument, int) and not -(2**31) <= argument < 2**32:
                raise ValueError(f"{kernel}: {argument} is over the index range of 32 bits")
            if not hasattr(argument, "flags") or isinstance(argument, np.generic):
                continue  # a number
            self._check_array(kernel, argument)
            if argument.dtype.kind == "f" and argument.dtype != dtype:
                raise TypeError(
                    f"{kernel}: an array is {argument.dtype}, and the kernel computes in {np.dtype(dtype)}"
                )
        if kernel in source.kernels:  # else the compiler knows it, or says so
            check_parameters(source, kernel, np.dtype(dtype), arguments)
        if min(*grid, *block) < 1:
            raise ValueError(
                f"{kernel}: a grid of {grid} and blocks of {block} have no threads; where there is nothing to compute, "
                "launch nothing"
            )
        if any(n > most for n, most in zip(grid, _MOST_BLOCKS, strict=False)):
            raise ValueError(f"{kernel}: a grid of {grid} blocks is over CUDA's {_MOST_BLOCKS}")
        if math.prod(block) > _MOST_THREADS:
            raise ValueError(f"{kernel}: a block of {block} threads is over CUDA's {_MOST_THREADS}")

    def _counter(self, step: Step) -> Array:
        """A step's number on the device."""
        return self.asarray(np.array([step], np.int64)) if isinstance(step, int) else step

    # -- GEMM and convolution -------------------------------------------------------------------

    def gemm(
        self,
        a: Array,
        b: Array,
        bias: Array | None = None,
        transpose_a: bool = False,
        transpose_b: bool = False,
        negative_slope: float = 1.0,
        statistics: BatchStatistics | None = None,
    ) -> Array:
        a, b, bias = self._checked("gemm", a, b, bias)
        m, k = (a.shape[1], a.shape[0]) if transpose_a else a.shape
        n = b.shape[0] if transpose_b else b.shape[1]
        c = self.empty((m, n), a.dtype)
        kernel = f"gemm_{'t' if transpose_a else 'n'}{'t' if transpose_b else 'n'}"
        product = _Product("gemm", kernel, (m, n, k), (a.shape[1], b.shape[1]), (m, n, k))
        self._multiply(product, a, b, c, _Epilogue(bias, negative_slope, statistics))
        return c

    def _multiply(
        self,
        product: _Product,
        a: Array,
        b: Array,
        result: Array,
        epilogue: _Epilogue = _NO_EPILOGUE,
    ) -> None:
        """Launch a product; where a sum is divided, its parts are added in order, and the epilogue is theirs."""
        _check_indices(product.kernel, result)
        if not result.size:
            return
        kernel, tiles, statistics = product.kernel_for(a, b), product.tiles(), epilogue.statistics
        splits = _splits(tiles * product.phases, product.size[2])
        partial = self.empty((splits, *result.shape), a.dtype) if splits > 1 else result
        moments = self._room_for_moments(product, statistics, result) if splits == 1 else None
        own = (
            (epilogue.bias, epilogue.negative_slope, moments) if splits == 1 else (None, 1.0, None)
        )
        self.launch(
            product.source, kernel, a.dtype, (tiles, splits, product.phases), _PRODUCT_BLOCK,
            a, b, *(own if product.has_epilogue else ()), partial, *product.numbers,
        )  # fmt: skip
        sums = (partial, epilogue) if splits > 1 else None
        if statistics is not None:
            rows = result.reshape(-1, result.shape[-1])
            if moments is None:
                moments = self._moments(rows, statistics.groups, sums)
            self._merge_moments(moments, len(rows), statistics)
            statistics.of = result
        elif sums is not None:
            self._sum_parts(*sums, result)

    def _room_for_moments(
        self, product: _Product, statistics: BatchStatistics | None, result: Array
    ) -> Array | None:
        """For those of each tile, where statistics are asked for and a group's rows are whole tiles; else None."""
        tiles = product.tiles_of_a_group(statistics.groups, result) if statistics else 0
        if statistics is None or not tiles:
            return None
        return self.empty(
            (product.phases, statistics.groups, tiles, 2, product.size[1]), result.dtype
        )

    def _sum_parts(self, partial: Array, epilogue: _Epilogue, result: Array) -> None:
        """Σ over the first axis, in order, a bias along the last, and the activation."""
        self._elementwise(
            "gemm", "sum_parts", result.size, result.dtype, partial, epilogue.bias,
            epilogue.negative_slope, result, partial.shape[0], result.shape[-1], np.int64(result.size),
        )  # fmt: skip

    def column_sum(self, x: Array) -> Array:
        (x,) = self._checked("column_sum", x)
        columns = x.shape[-1]
        rows = math.prod(x.shape[:-1])
        partial = self.empty((_PARTS, columns), x.dtype)
        result = self.empty((columns,), x.dtype)
        if columns:
            self.launch(
                "gemm", "column_sum_parts", x.dtype, (-(-columns // 32), _PARTS), _REDUCTION_BLOCK,
                x, partial, rows, columns,
            )  # fmt: skip
            self._sum_parts(partial, _NO_EPILOGUE, result)
        return result

    @staticmethod
    def _numbers(n: int, geometry: ConvolutionGeometry, c: int, o: int) -> tuple[int, ...]:
        """The GEOMETRY_PARAMETERS of convolution.cu: c and o are the channels of the convolution's x and y."""
        (top, _), (left, _) = geometry.padding
        return (
            n, *geometry.input_size, *geometry.output_size, *geometry.kernel_size, *geometry.stride,
            top, left, c, o,
        )  # fmt: skip

    # A transposed convolution is the adjoint, of a filter whose last axes are swapped: (…, o, c). If c or o is 1, it lies
    # in memory as (…, c, o) does.

    def _forward(
        self,
        x: Array,
        w: Array,
        g: ConvolutionGeometry,
        swapped: bool,
        epilogue: _Epilogue = _NO_EPILOGUE,
    ) -> Array:
        x, w, _ = self._checked("conv2d", x, w, epilogue.bias)
        n, c, o = x.shape[0], x.shape[3], w.shape[2] if swapped else w.shape[3]
        swapped = swapped and c > 1 and o > 1
        y = self.empty((n, *g.output_size, o), x.dtype)
        product = _Product(
            "convolution", "conv2d_swapped" if swapped else "conv2d",
            (n * math.prod(g.output_size), o, math.prod(g.kernel_size) * c),
            (c, c if swapped else o), self._numbers(n, g, c, o),
        )  # fmt: skip
        self._multiply(product, x, w, y, epilogue)
        return y

    def _adjoint(
        self,
        dy: Array,
        w: Array,
        g: ConvolutionGeometry,
        swapped: bool,
        epilogue: _Epilogue = _NO_EPILOGUE,
    ) -> Array:
        dy, w, _ = self._checked("conv2d_backward_data", dy, w, epilogue.bias)
        n, o, c = dy.shape[0], dy.shape[3], w.shape[3] if swapped else w.shape[2]
        swapped = swapped and c > 1 and o > 1
        dx = self.empty((n, *g.input_size, c), dy.dtype)

        def of_a_phase(sizes: tuple[int, int]) -> int:
            return math.prod(-(-size // s) for size, s in zip(sizes, g.stride, strict=True))

        narrow = c <= _NARROW_TILE[1]
        product = _Product(
            "convolution", "conv2d_backward_data_swapped" if swapped else "conv2d_backward_data",
            (n * of_a_phase(g.input_size), c, of_a_phase(g.kernel_size) * o),
            (o,) if narrow or not swapped else (o, c), self._numbers(n, g, c, o),
            phases=math.prod(g.stride), narrow=narrow,
        )  # fmt: skip
        self._multiply(product, dy, w, dx, epilogue)
        return dx

    def _weight(self, x: Array, dy: Array, g: ConvolutionGeometry, swapped: bool) -> Array:
        x, dy = self._checked("conv2d_backward_weight", x, dy)
        n, c, o = x.shape[0], x.shape[3], dy.shape[3]
        dw = self.empty((*g.kernel_size, *((o, c) if swapped else (c, o))), x.dtype)
        product = _Product(
            "convolution", "conv2d_backward_weight",
            (math.prod(g.kernel_size) * c, o, n * math.prod(g.output_size)),
            (c, o), (*self._numbers(n, g, c, o), int(swapped)), has_epilogue=False,
        )  # fmt: skip
        self._multiply(product, x, dy, dw)
        return dw

    def conv2d(
        self,
        x: Array,
        w: Array,
        bias: Array | None,
        geometry: ConvolutionGeometry,
        negative_slope: float = 1.0,
        statistics: BatchStatistics | None = None,
    ) -> Array:
        epilogue = _Epilogue(bias, negative_slope, statistics)
        return self._forward(x, w, geometry, swapped=False, epilogue=epilogue)

    def conv2d_backward_data(self, dy: Array, w: Array, geometry: ConvolutionGeometry) -> Array:
        return self._adjoint(dy, w, geometry, swapped=False)

    def conv2d_backward_weight(self, x: Array, dy: Array, geometry: ConvolutionGeometry) -> Array:
        return self._weight(x, dy, geometry, swapped=False)

    def conv_transpose2d(
        self,
        x: Array,
        w: Array,
        bias: Array | None,
        geometry: ConvolutionGeometry,
        negative_slope: float = 1.0,
        statistics: BatchStatistics | None = None,
    ) -> Array:
        epilogue = _Epilogue(bias, negative_slope, statistics)
        return self._adjoint(x, w, geometry, swapped=True, epilogue=epilogue)

    def conv_transpose2d_backward_data(
        self, dy: Array, w: Array, geometry: ConvolutionGeometry
    ) -> Array:
        return self._forward(dy, w, geometry, swapped=True)

    def conv_transpose2d_backward_weight(
        self, x: Array, dy: Array, geometry: ConvolutionGeometry
    ) -> Array:
        return self._weight(dy, x, geometry, swapped=True)

    # -- batch normalization and activations ----------------------------------------------------

    def batch_norm_statistics(
        self,
        x: Array,
        groups: int,
        running: Sequence[tuple[Array, Array]] = (),
        momentum: float = 0.0,
    ) -> tuple[Array, Array]:
        averages = [array for pair in running for array in pair]
        x, *_ = self._checked("batch_norm_statistics", x, *averages)
        mean, variance = self.empty((2, groups, x.shape[1]), x.dtype)
        statistics = BatchStatistics(mean, variance, running, momentum)
        self._merge_moments(self._moments(x, groups), len(x), statistics)
        return mean, variance

    def _moments(self, x: Array, groups: int, sums: tuple[Array, _Epilogue] | None = None) -> Array:
        """Mean and Σ(x − mean)² of parts of the rows of each group, as of one phase of a product.

        With `sums`, x is still to be made of them: the parts that a product's splits left, and its epilogue.
        """
        rows, channels = x.shape[0] // groups, x.shape[1]
        moments = self.empty((1, groups, _PARTS, 2, channels), x.dtype)
        grid = (-(-channels // 32), _PARTS, groups)
        if sums is None:
            self.launch(
                "normalization", "batch_norm_parts", x.dtype, grid, _REDUCTION_BLOCK,
                x, moments, rows, channels,
            )  # fmt: skip
            return moments
        partial, epilogue = sums
        self.launch(
            "normalization", "sum_parts_moments", x.dtype, grid, _REDUCTION_BLOCK, partial, epilogue.bias,
            epilogue.negative_slope, moments, x, partial.shape[0], rows, channels, np.int64(x.size),
        )  # fmt: skip
        return moments

    def _merge_moments(self, moments: Array, rows: int, statistics: BatchStatistics) -> None:
        """Fill the statistics of `rows` rows from the moments of their parts, (phases, groups, parts, 2, channels)."""
        phases, groups, parts, _, channels = moments.shape
        columns = tuple(zip(*statistics.running, strict=True)) or ((), ())
        for first in range(0, groups, _RUNNING_GROUPS):
            table = [column[first : first + _RUNNING_GROUPS] for column in columns]
            self.launch(
                "normalization", "batch_norm_merge", moments.dtype, (-(-channels // 32),), _REDUCTION_BLOCK,
                moments, statistics.mean, statistics.variance, PointerTable(tuple(table), _RUNNING_GROUPS),
                statistics.momentum, rows // groups // phases, channels, phases, parts, groups, first,
            )  # fmt: skip

    def batch_norm(
        self,
        x: Array,
        mean: Array,
        variance: Array,
        weight: Array,
        bias: Array,
        epsilon: float,
        negative_slope: float,
    ) -> Array:
        x, mean, variance, weight, bias = self._checked(
            "batch_norm", x, mean, variance, weight, bias
        )
        y = self.empty(x.shape, x.dtype)
        self._elementwise(
            "normalization", "batch_norm", x.size, x.dtype, x, mean, variance, weight, bias, y,
            epsilon, negative_slope, x.shape[0] // mean.shape[0], x.shape[1], np.int64(x.size),
        )  # fmt: skip
        return y

    def batch_norm_backward(
        self,
        dy: Array,
        x: Array,
        mean: Array,
        variance: Array,
        weight: Array,
        bias: Array,
        epsilon: float,
        negative_slope: float,
        batch_statistics: bool,
        needs_data: bool,
    ) -> tuple[Array | None, Array, Array]:
        dy, x, mean, variance, weight, bias = self._checked(
            "batch_norm_backward", dy, x, mean, variance, weight, bias
        )
        groups, channels = mean.shape
        rows = x.shape[0] // groups
        sums = self.empty((groups, _PARTS, 2, channels), x.dtype)
        group_sums = self.empty((groups, 2, channels), x.dtype)
        dweight, dbias = self.empty((2, channels), x.dtype)
        grid = (-(-channels // 32), _PARTS, groups)
        self.launch(
            "normalization", "batch_norm_backward_parts", x.dtype, grid, _REDUCTION_BLOCK,
            dy, x, mean, variance, weight, bias, sums, epsilon, negative_slope, rows, channels,
        )  # fmt: skip
        self._elementwise(
            "normalization", "batch_norm_backward_merge", channels, x.dtype,
            sums, group_sums, dweight, dbias, channels, _PARTS, groups,
        )  # fmt: skip
        if not needs_data:
            return None, dweight, dbias
        dx = self.empty(x.shape, x.dtype)
        self._elementwise(
            "normalization", "batch_norm_backward_data", x.size, x.dtype,
            dy, x, mean, variance, weight, bias, group_sums, dx, epsilon, negative_slope,
            int(batch_statistics), rows, channels, np.int64(x.size),
        )  # fmt: skip
        return dx, dweight, dbias

    def leaky_relu(self, x: Array, negative_slope: float) -> Array:
        (x,) = self._checked("leaky_relu", x)
        y = self.empty(x.shape, x.dtype)
        self._elementwise(
            "elementwise", "leaky_relu", x.size, x.dtype, x, y, negative_slope, np.int64(x.size)
        )
        return y

    def leaky_relu_backward(self, dy: Array, x: Array, negative_slope: float) -> Array:
        dy, x = self._checked("leaky_relu_backward", dy, x)
        dx = self.empty(x.shape, x.dtype)
        self._elementwise(
            "elementwise", "leaky_relu_backward", x.size, x.dtype,
            dy, x, dx, negative_slope, np.int64(x.size),
        )  # fmt: skip
        return dx

    def sigmoid(self, x: Array) -> Array:
        (x,) = self._checked("sigmoid", x)
        y = self.empty(x.shape, x.dtype)
        self._elementwise("elementwise", "sigmoid", x.size, x.dtype, x, y, np.int64(x.size))
        return y

    def sigmoid_backward(self, dy: Array, y: Array) -> Array:
        dy, y = self._checked("sigmoid_backward", dy, y)
        dx = self.empty(y.shape, y.dtype)
        self._elementwise(
            "elementwise", "sigmoid_backward", y.size, y.dtype, dy, y, dx, np.int64(y.size)
        )
        return dx

    def tanh(self, x: Array) -> Array:
        (x,) = self._checked("tanh", x)
        y = self.empty(x.shape, x.dtype)
        self._elementwise(
            "elementwise", "hyperbolic_tangent", x.size, x.dtype, x, y, np.int64(x.size)
        )
        return y

    def tanh_backward(self, dy: Array, y: Array) -> Array:
        dy, y = self._checked("tanh_backward", dy, y)
        dx = self.empty(y.shape, y.dtype)
        self._elementwise(
            "elementwise", "hyperbolic_tangent_backward", y.size, y.dtype, dy, y, dx,
            np.int64(y.size),
        )  # fmt: skip
        return dx

    # -- sums, scales and rows ------------------------------------------------------------------

    def scaled_sum(self, x: Array, x_scale: float, y: Array | None, y_scale: float) -> Array:
        x, y = self._checked("scaled_sum", x, y)
        result = self.empty(x.shape, x.dtype)
        self._add_scaled(x, x_scale, y, y_scale, result)
        return result

    def _add_scaled(
        self, x: Array, x_scale: float, y: Array | None, y_scale: float, result: Array
    ) -> None:
        self._elementwise(
            "elementwise", "scaled_sum", x.size, x.dtype,
            x, float(x_scale), y, float(y_scale), result, np.int64(x.size),
        )  # fmt: skip

    def multiply(self, x: Array, y: Array) -> Array:
        x, y = self._checked("multiply", x, y)
        result = self.empty(x.shape, x.dtype)
        self._elementwise(
            "elementwise", "multiply", x.size, x.dtype, x, y, result, np.int64(x.size)
        )
        return result

    def weighted_sum(self, x: Array, weights: Array | None, divisor: float) -> Array:
        x, weights = self._checked("weighted_sum", x, weights)
        blocks = max(1, min(-(-x.size // _SUM_ELEMENTS), 64))
        result = self.empty((), x.dtype)
        if blocks == 1:
            self._sum(1, x, weights, result, divisor)
        else:
            partial = self.empty((blocks,), x.dtype)
            self._sum(blocks, x, weights, partial, 1)
            self._sum(1, partial, None, result, divisor)
        return result

    def _sum(
        self, blocks: int, x: Array, weights: Array | None, result: Array, divisor: float
    ) -> None:
        self.launch(
            "reduction", "weighted_sum", x.dtype, (blocks,), (_BLOCK,),
            x, weights, result, float(divisor), _columns(weights), np.int64(x.size),
        )  # fmt: skip

    def weighted_sum_backward(
        self, dy: Array, weights: Array | None, divisor: float, shape: Sequence[int]
    ) -> Array:
        dy, weights = self._checked("weighted_sum_backward", dy, weights)
        dx = self.empty(shape, dy.dtype)
        self._elementwise(
            "reduction", "weighted_sum_backward", dx.size, dx.dtype,
            dy, weights, dx, float(divisor), _columns(weights), np.int64(dx.size),
        )  # fmt: skip
        return dx

    def pad_rows(self, x: Array, before: int, after: int) -> Array:
        (x,) = self._checked("pad_rows", x)
        result = self.empty((before + x.shape[0] + after, *x.shape[1:]), x.dtype)
        begin = before * math.prod(x.shape[1:])
        self._elementwise(
            "elementwise", "pad_rows", result.size, x.dtype,
            x, result, np.int64(begin), np.int64(begin + x.size), np.int64(result.size),
        )  # fmt: skip
        return result

    # -- likelihoods ----------------------------------------------------------------------------

    def binary_cross_entropy_with_logits(
        self, logits: Array, targets: Array
    ) -> tuple[Array, Array]:
        logits, targets = self._checked("binary_cross_entropy_with_logits", logits, targets)
        values, derivative = (self.empty(logits.shape, logits.dtype) for _ in range(2))
        self._elementwise(
            "likelihood", "binary_cross_entropy_with_logits", logits.size, logits.dtype,
            logits, targets, values, derivative, np.int64(logits.size),
        )  # fmt: skip
        return values, derivative

    def code_log_likelihood(
        self, parameters: Array, codes: Array, table: CodeTable
    ) -> tuple[Array, Array]:
        parameters, codes = self._checked("code_log_likelihood", parameters, codes)
        values = self.empty(codes.shape, parameters.dtype)
        derivative = self.empty(parameters.shape, parameters.dtype)
        log_std = self.host_constant(table.log_std, parameters.dtype)
        self._elementwise(
            "likelihood", "code_log_likelihood", values.size, parameters.dtype,
            parameters, codes, *self._table(table), log_std, values, derivative,
            codes.shape[1], parameters.shape[1], np.int64(values.size),
        )  # fmt: skip
        return values, derivative

    def scale_code_gradient(self, gradient: Array, dy: Array, table: CodeTable) -> Array:
        gradient, dy = self._checked("scale_code_gradient", gradient, dy)
        result = self.empty(gradient.shape, gradient.dtype)
        _, offset, width = self._table(table)
        codes = len(table.kind)
        self._elementwise(
            "likelihood", "scale_code_gradient", len(gradient) * codes, gradient.dtype,
            gradient, dy, offset, width, result, codes, gradient.shape[1], int(dy.ndim == 1),
            np.int64(len(gradient) * codes),
        )  # fmt: skip
        return result

    def _table(self, table: CodeTable) -> tuple[Array, Array, Array]:
        return (
            self.host_constant(table.kind, np.int32),
            self.host_constant(table.offset, np.int32),
            self.host_constant(table.width, np.int32),
        )

    def code_consistency_information(
        self, first: Array, second: Array, table: CodeTable, entropy_weight: float = 1.0
    ) -> tuple[Array, Array, Array]:
        first, second = self._checked("code_consistency_information", first, second)
        codes = len(table.kind)
        values = self.empty((codes,), first.dtype)
        first_derivative, second_derivative, log_first, log_second = (
            self.empty(first.shape, first.dtype) for _ in range(4)
        )
        log_mean = self.empty((first.shape[1],), first.dtype)
        self.launch(
            "likelihood", "code_consistency_information", first.dtype, (codes,), (256,),
            first, second, *self._table(table), values, first_derivative, second_derivative,
            log_first, log_second, log_mean, float(entropy_weight), first.shape[1], len(first),
        )  # fmt: skip
        return values, first_derivative, second_derivative

    # -- optimizer ------------------------------------------------------------------------------

    def adam(
        self,
        parameters: Sequence[Array],
        gradients: Sequence[Array],
        first_moments: Sequence[Array],
        second_moments: Sequence[Array],
        step: Step,
        settings: AdamSettings,
    ) -> None:
        counter = self._counter(step)
        by_dtype: dict[Any, list[tuple[Array, ...]]] = {}
        for arrays in zip(parameters, gradients, first_moments, second_moments, strict=True):
            checked = self._checked("adam", *arrays)
            if checked[0].size:
                by_dtype.setdefault(checked[0].dtype, []).append(checked)
        for tensors in by_dtype.values():
            for first in range(0, len(tensors), _ADAM_TENSORS):
                self._adam(tensors[first : first + _ADAM_TENSORS], counter, settings)

    def _adam(
        self, tensors: list[tuple[Array, ...]], counter: Array, settings: AdamSettings
    ) -> None:
        """One launch: tensor i has the blocks from `first_blocks[i]` on."""
        sizes = [p.size for p, *_ in tensors]
        *first_blocks, blocks = itertools.accumulate(
            (-(-size // _ADAM_ELEMENTS) for size in sizes), initial=0
        )
        table = PointerTable((*zip(*tensors, strict=True), sizes, first_blocks), _ADAM_TENSORS)
        self.launch(
            "adam", "adam", tensors[0][0].dtype, (blocks,), (_BLOCK,), table, len(tensors), counter,
            Double(settings.learning_rate), Double(settings.beta1), Double(settings.beta2),
            Double(settings.epsilon),
        )  # fmt: skip

    def accumulate(
        self, total: Array, gradient: Array, decay: float = 1.0, scale: float = 1.0
    ) -> None:
        total, gradient = self._checked("accumulate", total, gradient)
        self._add_scaled(total, decay, gradient, scale, total)

    def increment(self, counter: Array) -> None:
        self.launch("elementwise", "increment", np.float32, (1,), (1,), counter)

    # -- random numbers and data ----------------------------------------------------------------

    def random_uniform(
        self, shape: Sequence[int], low: float, high: float, dtype: Any, key: Key
    ) -> Array:
        first, width, last = uniform_bounds(low, high, dtype)
        result = self.empty(shape, dtype)
        seed, stream, step = key
        self._elementwise(
            "random", "random_uniform", result.size, result.dtype,
            result, np.uint64(seed), stream, self._counter(step), first, width, last,
            np.int64(result.size),
        )  # fmt: skip
        return result

    def random_integers(self, shape: Sequence[int], high: int, key: Key) -> Array:
        result = self.empty(shape, np.int64)
        seed, stream, step = key
        self._elementwise(
            "random", "random_integers", result.size, np.float32,
            result, np.uint64(seed), stream, self._counter(step), np.int64(high),
            np.int64(result.size),
        )  # fmt: skip
        return result

    def sample_codes(self, batch: int, table: CodeTable, dtype: Any, key: Key) -> Array:
        result = self.empty((batch, len(table.kind)), dtype)
        kind, _, width = self._table(table)
        seed, stream, step = key
        self._elementwise(
            "random", "sample_codes", result.size, result.dtype, result, kind, width,
            np.uint64(seed), stream, self._counter(step), result.shape[1], np.int64(result.size),
        )  # fmt: skip
        return result

    def encode_latents(self, noise: Array, codes: Array, table: CodeTable) -> Array:
        noise, codes = self._checked("encode_latents", noise, codes)
        columns = noise.shape[1] + table.encoded_columns
        result = self.empty((codes.shape[0], columns), codes.dtype)
        kind, _, width = self._table(table)
        self._elementwise(
            "likelihood", "encode_latents", codes.shape[0], codes.dtype, noise, codes, kind, width,
            result, noise.shape[1], codes.shape[1], columns, codes.shape[0],
        )  # fmt: skip
        return result

    def gather_images(
        self, images: Array, indices: Array, low: float, high: float, dtype: Any
    ) -> Array:
        result = self.empty((indices.size, *images.shape[1:]), dtype)
        pixels = math.prod(images.shape[1:])
        self._elementwise(
            "elementwise", "gather_images", result.size, result.dtype, images, indices, result,
            (high - low) / 255, float(low), pixels, np.int64(result.size),
        )  # fmt: skip
        return result

    def random_occlusion(
        self, images: Array, uniforms: Array, sizes: OcclusionSizes, low: float, high: float
    ) -> Array:
        images, uniforms = self._checked("random_occlusion", images, uniforms)
        result = self.empty(images.shape, images.dtype)
        self._elementwise(
            "elementwise", "random_occlusion", result.size, result.dtype, images, uniforms, result,
            float(sizes.thickness), float(sizes.length), float(low), float(high),
            uniforms.shape[1], *images.shape[1:], np.int64(result.size),
        )  # fmt: skip
        return result

    def random_affine(self, images: Array, uniforms: Array, ranges: AffineRanges) -> Array:
        images, uniforms = self._checked("random_affine", images, uniforms)
        result = self.empty(images.shape, images.dtype)
        self._elementwise(
            "elementwise", "random_affine", result.size, result.dtype, images, uniforms, result,
            float(ranges.rotation), float(ranges.scale), float(ranges.shear), float(ranges.shift),
            *images.shape[1:], np.int64(result.size),
        )  # fmt: skip
        return result

    def concatenate_rows(self, arrays: Sequence[Array]) -> Array:
        arrays = self._checked("concatenate_rows", *arrays)
        rows = sum(a.shape[0] for a in arrays)
        result = self.empty((rows, *arrays[0].shape[1:]), arrays[0].dtype)
        start = 0
        for first in range(0, len(arrays), _CONCATENATED_PARTS):
            parts = arrays[first : first + _CONCATENATED_PARTS]
            ends = [int(end) for end in itertools.accumulate(part.size for part in parts)]
            stop = start + sum(part.shape[0] for part in parts)
            self._elementwise(
                "elementwise", "concatenate", ends[-1], result.dtype,
                PointerTable((parts, ends), _CONCATENATED_PARTS), result[start:stop], np.int64(ends[-1]),
            )  # fmt: skip
            start = stop
        return result


def _columns(weights: Array | None) -> int:
    """How many weights there are; 1 stands for none."""
    return 1 if weights is None else int(weights.size)
