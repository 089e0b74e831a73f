"""The CUDA device: CuPy arrays, and kernels/*.cu compiled by NVRTC for the GPU that is there.

CuPy supplies memory, copies, streams, graphs and the compiler; minigan's own kernels compute a
training step. Everything runs on CuPy's *current* stream of the calling Python thread, kernels and
the array module's operations alike. So they run in the order of the calls. A number is on the host
only after `to_numpy`, which waits for it; until then a call returns before the GPU has computed
anything.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from minigan.devices import nvidia
from minigan.devices.arguments import Double, PointerTable
from minigan.devices.compilation import KernelCompiler, Wanted
from minigan.devices.cuda_plan import CudaPlanDevice
from minigan.devices.memory import address, is_on_gpu
from minigan.errors import DeviceError, KernelError

Array = Any
Result = TypeVar("Result")

_STATIC_SHARED_BYTES = 48 * 1024  # a block has so much without asking for more

_OUT_OF_MEMORY = 2  # of cudaError_t


class _Memory(threading.local):
    """Where the arrays of a Python thread come from: the device's pool, or a graph's while one is captured.

    `needed` are the kernels that a function would launch, while it is prepared.
    """

    def __init__(self, pool: Callable[[int], Any]) -> None:
        self.allocate = pool
        self.capturing = False
        self.needed: list[Wanted] | None = None


class CUDA(CudaPlanDevice):
    """The first GPU that CUDA shows (CUDA_VISIBLE_DEVICES chooses another)."""

    name = "cuda"
    steps_per_reading = 20

    def __init__(self) -> None:
        super().__init__()
        cupy = self.array_module = nvidia.import_cupy()
        nvidia.check_driver(cupy)
        self.gpu = cupy.cuda.Device(0)
        self.architecture = nvidia.architecture(cupy, self.gpu)
        nvidia.check_compiler(cupy)
        self.pool = cupy.cuda.MemoryPool()
        self._memory = _Memory(self._from_pool)
        self.compiler = KernelCompiler(cupy, self.gpu, self.architecture)

    @property
    def model(self) -> str:
        """Return the GPU's name, as its vendor gives it."""
        return nvidia.model(self.array_module, self.gpu)

    def identity(self) -> dict[str, str]:
        return {"device": self.name, **nvidia.identity(self.array_module, self.gpu)}

    # -- memory ---------------------------------------------------------------------------------

    def empty(self, shape: Sequence[int], dtype: Any) -> Array:
        shape, dtype = tuple(shape), np.dtype(dtype)
        memory = self._memory.allocate(math.prod(shape) * dtype.itemsize)
        return self.array_module.ndarray(shape, dtype, memory)

    def asarray(self, values: Any, dtype: Any = None) -> Array:
        if isinstance(values, self.array_module.ndarray) and dtype is None:
            return values
        if is_on_gpu(values):
            return self.array_module.asarray(values, dtype)
        host = np.asarray(values, dtype)
        if host.dtype.kind not in "biufc":  # of objects CuPy would send the addresses
            raise TypeError(f"device 'cuda' holds numbers and bool; these values are {host.dtype}")
        self._refuse_capture("sends values from the host")
        fresh = self.empty(host.shape, host.dtype)
        with self._errors():
            fresh.set(host)
        return fresh

    def to_numpy(self, array: Array) -> np.ndarray[Any, Any]:
        self._refuse_capture("reads values back")
        with self._errors():
            host: np.ndarray[Any, Any] = array.get()
        return host

    def erf(self, array: Array) -> Array:
        special = importlib.import_module("cupyx.scipy.special")
        return special.erf(array)

    def synchronize(self) -> None:
        self._refuse_capture("waits for the GPU")
        with self._errors():
            self.array_module.cuda.get_current_stream().synchronize()

    def _from_pool(self, size: int) -> Any:
        """Memory of the device's own pool. What CuPy keeps unused in its default one is given back before we give up."""
        cupy = self.array_module
        try:
            return self.pool.malloc(size)
        except cupy.cuda.memory.OutOfMemoryError:
            cupy.get_default_memory_pool().free_all_blocks()
        try:
            return self.pool.malloc(size)
        except cupy.cuda.memory.OutOfMemoryError:
            raise self._too_little_memory(size) from None

    def _new_block(self, size: int) -> Any:
        """Memory straight from CUDA, for the pool of a graph."""
        cuda = self.array_module.cuda
        try:
            return cuda.MemoryPointer(cuda.Memory(size), 0)
        except cuda.runtime.CUDARuntimeError as error:
            if error.status != _OUT_OF_MEMORY:
                raise
            raise self._too_little_memory(size) from error

    def _too_little_memory(self, size: int) -> DeviceError:
        free, total = self.array_module.cuda.runtime.memGetInfo()
        return DeviceError(
            f"the GPU has too little memory: {size / 2**20:.1f} MiB were asked for, and {free / 2**20:.1f} of its "
            f"{total / 2**20:.0f} MiB are free; a smaller batch needs less, and so do other programs once they end"
        )

    # -- kernels --------------------------------------------------------------------------------

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
        file, real = self.source(source), np.dtype(dtype)
        self.check_launch(file, kernel, dtype, grid, block, arguments)
        wanted = Wanted(file, kernel, real.name)
        if self._memory.needed is not None:
            self._memory.needed.append(wanted)
            return
        values = tuple(_argument(value, real) for value in arguments)
        function = self.compiler.kernel(wanted)
        try:
            if shared_bytes > _STATIC_SHARED_BYTES:
                function.max_dynamic_shared_size_bytes = shared_bytes
            function(tuple(grid), tuple(block), values, shared_mem=shared_bytes)
        except self._cuda_errors as error:
            raise KernelError(
                f"{file.name}: {kernel} could not be launched with grid {grid}, block {block} and "
                f"{shared_bytes} bytes of shared memory: {error}"
            ) from error

    def prepare(self, function: Callable[[], Any]) -> None:
        here, needed = self._memory, list[Wanted]()
        here.needed = needed
        try:
            function()
        finally:
            here.needed = None
        self.compiler.compile_all(needed, self.compile_progress)

    # -- graphs ---------------------------------------------------------------------------------

    def capture(self, function: Callable[[], Result]) -> Callable[[], Result]:
        """Record what `function` launches as one CUDA graph; the result launches it, and returns what `function` did.

        `function` must have run before: kernels are compiled and constants sent by then. Nothing is computed while it is
        recorded. Its arrays lie in memory that belongs to the graph: each launch writes the same
        ones. They live as long as the graph or an array does. DeviceError if `function` reads a
        value back or sends one from the host.
        """
        self._refuse_capture("captures another one")
        cupy = self.array_module
        stream = cupy.cuda.Stream(non_blocking=True)  # the default one cannot be captured
        memory = _GraphMemory(self)
        with stream, cupy.cuda.using_allocator(memory.allocate), self._capturing(memory):
            # Relaxed: the memory of the graph may grow, and cudaMalloc is refused in CUDA's other modes.
            stream.begin_capture(cupy.cuda.runtime.streamCaptureModeRelaxed)
            try:
                result = function()
                graph = stream.end_capture()
            except BaseException as error:
                with contextlib.suppress(*self._cuda_errors):  # the capture may have ended already
                    stream.end_capture()
                if self._is_refusal(error):
                    raise DeviceError(
                        f"a captured function does what a CUDA graph cannot repeat, such as to read a value back: {error}"
                    ) from error
                raise
        return _CapturedFunction(self, graph, result, (memory, function))

    @contextlib.contextmanager
    def _capturing(self, memory: _GraphMemory) -> Iterator[None]:
        before, here = (self._memory.allocate, self._memory.capturing), self._memory
        here.allocate, here.capturing = memory.allocate, True
        try:
            yield
        finally:
            here.allocate, here.capturing = before

    def _refuse_capture(self, what: str) -> None:
        if self._memory.capturing:
            raise DeviceError(f"a captured function {what}, and a CUDA graph cannot repeat that")

    def _is_refusal(self, error: BaseException) -> bool:
        """Return whether CUDA, or CuPy before it asks CUDA, refused something in a capture. CuPy's errors are plain RuntimeErrors."""
        said_by_cupy = isinstance(error, RuntimeError) and "captur" in str(error)
        return said_by_cupy or isinstance(error, self._cuda_errors)

    # -- errors ---------------------------------------------------------------------------------

    @functools.cached_property
    def _cuda_errors(self) -> tuple[type[Exception], ...]:
        cuda = self.array_module.cuda
        return cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Report an error that happened earlier: kernels run after the call that launched them has returned."""
        try:
            yield
        except self._cuda_errors as error:
            if getattr(error, "status", None) == _OUT_OF_MEMORY:
                raise self._too_little_memory(0) from error
            raise KernelError(
                f"the GPU stopped: {error}; run again with CUDA_LAUNCH_BLOCKING=1 to see which kernel it was"
            ) from error


class _CapturedFunction(Generic[Result]):
    """A CUDA graph, to be launched on the current stream; and the arrays that must live as long, since it holds addresses only."""

    def __init__(self, device: CUDA, graph: Any, result: Result, kept: tuple[Any, ...]) -> None:
        self.device, self.graph, self.result, self.kept = device, graph, result, kept

    def __call__(self) -> Result:
        with self.device._errors():
            self.graph.launch()
        return self.result


class _GraphMemory:
    """The memory of one CUDA graph. A graph writes to the addresses that it was recorded with, so nothing else gets them.

    CuPy's pool answers a lack of memory by freeing its unused blocks. Here the graph writes to
    them: an error of another class keeps the pool from that. CuPy's arrays do not hold their pool:
    here they do. A pool that ends keeps its unused blocks for good (CuPy 14.1 and later), so they
    are freed first.
    """

    def __init__(self, device: CUDA) -> None:
        self.gpu, self.cuda = device.gpu, device.array_module.cuda
        self.pool = self.cuda.MemoryPool(device._new_block)
        weakref.finalize(self, self.pool.free_all_blocks)

    def allocate(self, size: int) -> Any:
        block = _GraphBlock(self, self.pool.malloc(size))
        owned = self.cuda.UnownedMemory(block.memory.ptr, size, block, self.gpu.id)
        return self.cuda.MemoryPointer(owned, 0)


class _GraphBlock:
    """A block of a graph's memory, for as long as an array lies there."""

    def __init__(self, owner: _GraphMemory, memory: Any) -> None:
        self.owner, self.memory = owner, memory

    def __del__(self) -> None:
        del self.memory  # before its owner may end


def _argument(value: Any, real: np.dtype[Any]) -> Any:
    """Return a kernel argument for CuPy, which passes a NumPy number by its own width; see `CudaPlanDevice.launch`."""
    if isinstance(value, PointerTable):  # CuPy passes an array of NumPy's, of one element, by value
        table = value.to_bytes(address)
        return np.frombuffer(table, f"V{len(table)}")
    if isinstance(value, Double):
        return np.float64(value.value)
    if isinstance(value, (int, np.integer)) and not isinstance(value, (np.int64, np.uint64)):
        return np.uint32(int(value) % 2**32)  # the 32 bits of an int or of an unsigned
    if isinstance(value, (float, np.floating)):
        return real.type(value)
    return value  # an array, a null pointer, 64 bits
