"""The emulated device: NumPy arrays, and kernels/*.cu run on the CPU, each CUDA thread a fiber.

It is for reading and checking, not for speed: shared memory starts as NaN, warps and lanes run in a seeded random order,
an asynchronous copy lands only at its wait, and a barrier that not all threads reach is an error which names the kernel
and the line. See ``runtime/scheduler.cpp``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigan.devices.emulated.compile import compiler, kernel_library, load, runtime_library
from minigan.devices.launch import KernelDevice, kernel_sources
from minigan.devices.memory import host_array
from minigan.errors import KernelError

_REALS = {"float32": "float", "float64": "double"}


class _Dim3(ctypes.Structure):
    _fields_ = (("x", ctypes.c_uint), ("y", ctypes.c_uint), ("z", ctypes.c_uint))


class Emulated(KernelDevice):
    """`order_seed` decides the order in which warps and lanes run; `workers` how many blocks at once (0: a core each)."""

    name = "emulated"
    array_module = np

    def __init__(
        self, order_seed: int = 1, workers: int = 0, portable_switch: bool = False
    ) -> None:
        compiler()  # an error here, not at the first kernel
        self.order_seed, self.workers, self.portable_switch = order_seed, workers, portable_switch
        self.sources: Path = kernel_sources()

    def empty(self, shape: Sequence[int], dtype: Any) -> np.ndarray[Any, Any]:
        """Filled with NaN, so that what is read before it is written shows."""
        fresh = np.empty(tuple(shape), dtype)
        fresh.reshape(-1).view(np.uint8).fill(0xFF)
        return fresh

    def asarray(self, values: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
        return host_array(values, dtype, self.name)

    def to_numpy(self, array: Any) -> np.ndarray[Any, Any]:
        return np.asarray(array)

    def launch(
        self,
        source: str,
        kernel: str,
        dtype: Any,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        *arguments: Any,
        shared_bytes: int = 0,
    ) -> None:
        self.check_launch(kernel, dtype, grid, block, arguments)
        path = self.sources / f"{source}.cu"
        self.launch_file(path, kernel, dtype, grid, block, arguments, shared_bytes)

    def launch_file(
        self,
        path: Path,
        kernel: str,
        dtype: Any,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        arguments: Sequence[Any],
        shared_bytes: int = 0,
    ) -> None:
        """Run a kernel of any .cu file; KernelError says what it did that CUDA does not allow."""
        real = np.dtype(dtype)
        library = load(kernel_library(path, _REALS[real.name], self.portable_switch))
        load(runtime_library(self.portable_switch)).minigan_configure(self.order_seed, self.workers)
        values = [_argument(value, real) for value in arguments]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        message = ctypes.create_string_buffer(512)
        getattr(library, f"launch_{kernel}")(
            ctypes.byref(_dim3(grid)), ctypes.byref(_dim3(block)), ctypes.c_size_t(shared_bytes),
            pointers, message,
        )  # fmt: skip
        if message.value:
            raise KernelError(f"{path.name}: {message.value.decode()}")


def _dim3(sizes: tuple[int, ...]) -> _Dim3:
    return _Dim3(*sizes, *(1,) * (3 - len(sizes)))


def _argument(value: Any, real: np.dtype[Any]) -> Any:
    """A kernel argument as the C value that a pointer to it stands for; see `KernelDevice.launch`."""
    if value is None:
        return ctypes.c_void_p(0)
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, (np.int64, np.uint64)):
        return ctypes.c_uint64(int(value) & (2**64 - 1))
    if isinstance(value, (int, np.integer)):
        return ctypes.c_int32(int(value))
    return (ctypes.c_float if real == np.float32 else ctypes.c_double)(value)
