"""The emulated device: NumPy arrays, and kernels/*.cu run on the CPU, each CUDA thread a fiber.

It is for reading and checking, not for speed. Shared memory starts as NaN, warps and lanes run in a
seeded random order, and an asynchronous copy lands only at its wait. A barrier that not all threads
reach is an error that names the kernel and the line (``runtime/scheduler.cpp``). Strict mode also
watches every access of every thread. Bounds, unwritten bytes, and races are errors that name the
line and the threads (``runtime/checker.h``).
"""

from __future__ import annotations

import contextlib
import ctypes
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigan.devices.arguments import REALS, Double, PointerTable
from minigan.devices.cuda_plan import CudaPlanDevice
from minigan.devices.cuda_plan.base import Launch
from minigan.devices.device import Result
from minigan.devices.emulated.arrays import EmulatedArray, kernels_only
from minigan.devices.emulated.compile import Watch, compiler, kernel_library, load
from minigan.devices.emulated.profiling import LaunchProfile, Recorder
from minigan.devices.emulated.reports import explain
from minigan.devices.emulated.strict import GuardedArrays, owner_of, shared_extents
from minigan.devices.memory import address, host_array
from minigan.devices.sources import KernelSource, read_source
from minigan.errors import DeviceError, KernelError

Array = np.ndarray[Any, Any]


class LaunchSettings(ctypes.Structure):
    """As cuda_emulation.h has it."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3), ("shared_bytes", ctypes.c_uint64),
        ("order_seed", ctypes.c_uint32), ("workers", ctypes.c_int32),
        ("buffers", ctypes.c_void_p), ("buffer_count", ctypes.c_int32),
        ("shared_count", ctypes.c_int32), ("shared_variables", ctypes.c_void_p),
        ("check", ctypes.c_int32), ("profile", ctypes.c_void_p),
    )  # fmt: skip


class Emulated(CudaPlanDevice):
    """`order_seed` decides the order in which warps and lanes run; `workers` how many blocks at once (0: a core each).

    `strict` watches every access, some ten times slower. `sources` is the folder of the .cu files.
    """

    name = "emulated"
    faster_device = "cpu"
    array_module = np

    def __init__(
        self,
        order_seed: int = 1,
        workers: int = 0,
        portable_switch: bool = False,
        strict: bool = False,
        sources: Path | None = None,
    ) -> None:
        super().__init__()
        compiler()  # an error here, not at the first kernel
        self._graph: list[Launch] | None = None  # that is being captured
        self.order_seed, self.workers, self.portable_switch = order_seed, workers, portable_switch
        self.strict = strict
        if sources is not None:
            self.sources = sources
        self._profiles: list[LaunchProfile] | None = None
        self._fresh: weakref.WeakValueDictionary[int, Array] = weakref.WeakValueDictionary()

    def empty(self, shape: Sequence[int], dtype: Any) -> Array:
        """Set every bit, which is NaN in a float, so that a read before the first write shows."""
        fresh = np.empty(tuple(shape), dtype)
        fresh.reshape(-1).view(np.uint8).fill(0xFF)
        self._fresh[id(fresh)] = fresh
        return fresh.view(EmulatedArray)

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        if isinstance(values, EmulatedArray) and dtype in (None, values.dtype):
            return values
        self._refuse_in_capture("asarray", "brought from the host")
        return host_array(values, dtype, self.name).view(EmulatedArray)

    def to_numpy(self, array: Any) -> Array:
        self._refuse_in_capture("to_numpy", "read back to the host")
        return np.asarray(array)

    # -- capture --------------------------------------------------------------------------------

    def capture(self, function: Callable[[], Result]) -> Callable[[], Result]:
        """Record a list of launches with fixed arguments, as CUDA graphs do; it keeps their arrays."""
        launches, result = self.record(function)

        def replay() -> Result:
            for launch in launches:
                self._run(launch)
            return result

        return replay

    def record(self, function: Callable[[], Result]) -> tuple[list[Launch], Result]:
        """Return the launches of `function`, none of them run, and its result."""
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
        source: str | Path,
        kernel: str,
        dtype: Any,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        *arguments: Any,
        shared_bytes: int = 0,
    ) -> None:
        self.check_launch(self.source(source), kernel, dtype, grid, block, arguments)
        launch = Launch(source, kernel, np.dtype(dtype), grid, block, arguments, shared_bytes)
        if self._graph is None:
            self._run(launch)
        else:
            self._graph.append(launch)

    def _run(self, launch: Launch) -> None:
        self.launch_file(
            self.source(launch.source).path, launch.kernel, launch.dtype, launch.grid, launch.block, launch.arguments,
            launch.shared_bytes,
        )  # fmt: skip

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
        """Run a kernel of any .cu file; KernelError names the offence against CUDA's rules."""
        real, source = np.dtype(dtype), read_source(path)
        if kernel not in source.kernels:
            raise KernelError(_unknown_kernel(source, kernel))
        recorder = Recorder() if self._profiles is not None else None
        watch = (
            Watch.ACCESSES_AND_BLOCKS if recorder is not None
            else Watch.ACCESSES if self.strict else Watch.NOTHING
        )  # fmt: skip
        library = kernel_library(path, REALS[real], self.portable_switch, watch)
        guarded = self._guarded(arguments) if watch is not Watch.NOTHING else None
        place = guarded.address if guarded is not None else address
        values = [_argument(value, real, place) for value in arguments]
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(v) for v in values))
        structs = [value for value in values if isinstance(value, ctypes.Array)]
        buffers = guarded.buffers(structs) if guarded is not None else ()
        shared = shared_extents(library) if self.strict else ()
        settings = LaunchSettings(
            dim3(grid), dim3(block), shared_bytes, self.order_seed, self.workers,
            ctypes.addressof(buffers) if buffers else None, len(buffers),
            len(shared), ctypes.addressof(shared) if shared else None,
            self.strict, ctypes.addressof(recorder.sink) if recorder is not None else None,
        )  # fmt: skip
        if message := call_launcher(library, kernel, settings, pointers):
            report = explain(message, library, path, kernel)
            raise KernelError(f"{path.name}: {report}")
        if guarded is not None:
            guarded.copy_back()
        if recorder is not None and self._profiles is not None:
            self._profiles.append(recorder.profile(kernel, path, library, grid, block))

    @contextlib.contextmanager
    def profiling(self) -> Iterator[list[LaunchProfile]]:
        """Within it every launch is profiled, and its profile added to the list."""
        profiles: list[LaunchProfile] = []
        self._profiles = profiles
        try:
            yield profiles
        finally:
            self._profiles = None

    def _guarded(self, arguments: Sequence[Any]) -> GuardedArrays:
        arrays = [
            (i, array.view(np.ndarray))
            for i, value in enumerate(arguments)
            for array in (value.arrays() if isinstance(value, PointerTable) else (value,))
            if isinstance(array, np.ndarray)
        ]
        return GuardedArrays(arrays, self._may_be_unset)

    def _may_be_unset(self, array: Array) -> bool:
        """Return whether items may be unset. All bits set is no result of computing with floats; an integer array may hold -1, unless it is as `empty` made it."""
        if array.dtype.kind == "f":
            return True
        owner = owner_of(array)
        untouched = bool((array.reshape(-1).view(np.uint8) == 0xFF).all())
        return self._fresh.get(id(owner)) is owner and untouched


def _unknown_kernel(source: KernelSource, kernel: str) -> str:
    if source.kernels:
        return f"{source.name} has no kernel '{kernel}'; it has {', '.join(source.kernels)}"
    return (
        f"{source.name} defines no kernel '{kernel}': a kernel begins with KERNEL, which minigan.cuh defines, or with "
        'extern "C" __global__ void'
    )


def call_launcher(library: Path, kernel: str, settings: LaunchSettings, pointers: Any) -> str:
    """Run a compiled kernel; return its offences against CUDA's rules, or nothing."""
    message = ctypes.create_string_buffer(1024)
    getattr(load(library), f"launch_{kernel}")(ctypes.byref(settings), pointers, message)
    return message.value.decode()


def dim3(sizes: tuple[int, ...]) -> Any:
    return (ctypes.c_uint * 3)(*sizes, *(1,) * (3 - len(sizes)))


def _argument(value: Any, real: np.dtype[Any], place: Callable[[Array], int]) -> Any:
    """Return a kernel argument as the C value that a pointer to it stands for; see `CudaPlanDevice.launch`."""
    if value is None:
        return ctypes.c_void_p(0)
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(place(value))
    if isinstance(value, PointerTable):
        return ctypes.create_string_buffer(value.to_bytes(place))
    if isinstance(value, Double):
        return ctypes.c_double(value.value)
    if isinstance(value, (np.int64, np.uint64)):
        return ctypes.c_uint64(int(value) & (2**64 - 1))
    if isinstance(value, (int, np.integer)):
        return ctypes.c_int32(int(value))
    return (ctypes.c_float if real == np.float32 else ctypes.c_double)(value)
