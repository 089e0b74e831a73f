"""The base of all families' plans: the launch, its checks, and memory that kernels fill."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigan.devices.arguments import REALS, PointerTable, check_parameters
from minigan.devices.contract.kernel import Array, check_contiguous
from minigan.devices.contract.random import Step
from minigan.devices.device import Device
from minigan.devices.memory import address
from minigan.devices.sources import KernelSource, kernel_sources, read_source
from minigan.errors import DeviceError

BLOCK = 256  # threads of an elementwise kernel's block.
REDUCTION_BLOCK = (32, 8)  # channels side by side, rows at a time.
PARTS = 8  # into how many parts the rows of a reduction are divided.
_MOST_ELEMENTS = 2**31 - 2**8  # indices of the kernels, to the end of a tile, are of 32 bits
_MOST_BLOCKS = (2**31 - 1, 65535, 65535)  # of a grid, CUDA's bound.
_MOST_THREADS = 1024  # of a block, CUDA's bound


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


def check_indices(kernel: str, array: Array) -> None:
    if array.size > _MOST_ELEMENTS:
        raise ValueError(f"{kernel}: an array of {array.size} elements is over the index range")


class CudaPlan(Device):
    """A device that runs CUDA kernels from .cu files; the plans of the families build on it."""

    def __init__(self) -> None:
        self._constants: dict[tuple[Any, ...], Array] = {}
        self._own_sources: dict[Path, KernelSource] = {}
        self.sources: Path = kernel_sources()

    def source(self, source: str | Path) -> KernelSource:
        """Return a file of kernels/ by its name ("gemm"), which is read once, or the .cu file at a path, as it now is."""
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

        `source` names a file of kernels/ ("gemm", "study/adam/2_fused"), or is the path of any
        other. An argument is an array, None (a null pointer), or a number: an int (32 bits), a
        `np.int64`/`np.uint64`, a float (of the kernel's dtype), a `Double`. It may be a
        `PointerTable` too (a struct by value). `shared_bytes` is a block's dynamic shared memory. A
        device's `launch` begins with `check_launch`.
        """
        raise DeviceError(f"device '{self.name}' cannot launch kernels")

    def host_constant(self, values: Sequence[Any], dtype: Any) -> Array:
        """Return a small array of constants on the device. It is copied there once, so that a captured step copies nothing."""
        key = (tuple(values), np.dtype(dtype))
        if key not in self._constants:
            self._constants[key] = self.asarray(np.array(values, dtype))
        return self._constants[key]

    # -- memory ---------------------------------------------------------------------------------

    def copy(self, array: Array) -> Array:
        if array.dtype not in REALS or not array.flags.c_contiguous:
            return super().copy(array)
        fresh = self.empty(array.shape, array.dtype)
        self.launch_elementwise(
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
        self.launch_elementwise(
            "elementwise", "fill", result.size, result.dtype, result, value, np.int64(result.size)
        )
        return result

    # -- helpers --------------------------------------------------------------------------------

    def launch_elementwise(
        self, source: str, kernel: str, n: int, dtype: Any, *arguments: Any
    ) -> None:
        """Launch a thread an element, in up to 4,096 blocks; each thread of those takes several elements."""
        if n:
            blocks = min(-(-n // BLOCK), 4096)
            self.launch(source, kernel, dtype, (blocks,), (BLOCK,), *arguments)

    def checked(self, kernel: str, *operands: Array | None, alignment: int = 1) -> tuple[Any, ...]:
        """Return the operands, or refuse by the kernel's name: all of one float dtype, such as a kernel can read.

        None stands for an operand that is left out, and stays. `alignment` in bytes is that of the kernel's vector loads.
        """
        arrays = [a for a in operands if a is not None]
        dtype = arrays[0].dtype
        for array in arrays:
            self.check_array(kernel, array, alignment)
            if array.dtype != dtype or dtype not in REALS:
                raise TypeError(
                    f"{kernel}: its arrays are {' and '.join(str(a.dtype) for a in arrays)}, not all float32 "
                    "or all float64"
                )
        return operands

    def check_array(self, kernel: str, array: Array, alignment: int = 1) -> None:
        if not isinstance(array, self.array_module.ndarray):
            raise DeviceError(
                f"{kernel}: an array is a {type(array).__module__}.{type(array).__name__}, not on device "
                f"'{self.name}'; move it there with mg.tensor(array, device='{self.name}')"
            )
        check_indices(kernel, array)
        check_contiguous(kernel, array)
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
            self.check_array(kernel, argument)
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

    def step_counter(self, step: Step) -> Array:
        """Return a step's number on the device."""
        return self.asarray(np.array([step], np.int64)) if isinstance(step, int) else step
