"""The emulated device: NumPy arrays, and kernels/*.cu run on the CPU, each CUDA thread a fiber.

It is for reading and checking, not for speed: shared memory starts as NaN, warps and lanes run in a seeded random order,
an asynchronous copy lands only at its wait, and a barrier that not all threads reach is an error which names the kernel
and the line. See ``runtime/scheduler.cpp``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigan.devices.emulated.arrays import EmulatedArray, kernels_only
from minigan.devices.emulated.compile import compiler, kernel_library, load, runtime_library
from minigan.devices.kernels import Result
from minigan.devices.launch import Double, KernelDevice, Launch, PointerTable, kernel_sources
from minigan.errors import DeviceError, KernelError

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
        super().__init__()
        compiler()  # an error here, not at the first kernel
        self._graph: list[Launch] | None = None  # that is being captured
        self.order_seed, self.workers, self.portable_switch = order_seed, workers, portable_switch
        self.sources: Path = kernel_sources()

    def empty(self, shape: Sequence[int], dtype: Any) -> np.ndarray[Any, Any]:
        """Filled with NaN, so that what is read before it is written shows."""
        fresh = np.empty(tuple(shape), dtype)
        fresh.reshape(-1).view(np.uint8).fill(0xFF)
        return fresh.view(EmulatedArray)

    def asarray(self, values: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
        if isinstance(values, EmulatedArray) and dtype in (None, values.dtype):
            return values
        self._refuse_in_capture("asarray", "brought from the host")
        return np.asarray(values, dtype).view(EmulatedArray)

    def to_numpy(self, array: Any) -> np.ndarray[Any, Any]:
        self._refuse_in_capture("to_numpy", "read back to the host")
        return np.asarray(array)

    # -- capture --------------------------------------------------------------------------------

    def capture(self, function: Callable[[], Result]) -> Callable[[], Result]:
        """As CUDA graphs: a list of launches with fixed arguments, whose arrays it keeps."""
        launches, result = self.record(function)

        def replay() -> Result:
            for launch in launches:
                self._run(launch)
            return result

        return replay

    def record(self, function: Callable[[], Result]) -> tuple[list[Launch], Result]:
        """The launches of `function`, none of which is run, and what it returned."""
        self._refuse_in_capture("capture", "captured")
        launches: list[Launch] = []
        self._graph = launches
        try:
            with kernels_only():
                result = function()
        finally:
            self._graph = None
        return launches, result

    def _refuse_in_capture(self, operation: str, what: str) -> None:
        if self._graph is not None:
            raise DeviceError(f"{operation}: nothing can be {what} while a graph is captured")

    def launch(
        self,
        source: str,
        kernel: str,
        dtype: Any,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        *arguments: Any,
    ) -> None:
        launch = Launch(source, kernel, np.dtype(dtype), grid, block, arguments)
        if self._graph is None:
            self._run(launch)
        else:
            self._graph.append(launch)

    def _run(self, launch: Launch) -> None:
        path = self.sources / f"{launch.source}.cu"
        self.launch_file(
            path, launch.kernel, launch.dtype, launch.grid, launch.block, launch.arguments
        )

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
    if isinstance(value, PointerTable):
        return ctypes.create_string_buffer(value.to_bytes(lambda array: int(array.ctypes.data)))
    if isinstance(value, Double):
        return ctypes.c_double(value.value)
    if isinstance(value, (np.int64, np.uint64)):
        return ctypes.c_uint64(int(value) & (2**64 - 1))
    if isinstance(value, (int, np.integer)):
        return ctypes.c_int32(int(value))
    return (ctypes.c_float if real == np.float32 else ctypes.c_double)(value)
