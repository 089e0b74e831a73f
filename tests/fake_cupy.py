"""A stand-in for CuPy on a machine without a GPU, strict where CuPy is lenient or a GPU would fail silently.

It follows the signatures of CuPy 14. Its arrays are NumPy's, and its `RawModule` runs the real kernel through the emulated
device's library, so what `minigan.devices.cuda` hands over (which kernel, grid, block, the order and width of every
argument) is checked by what the kernel computes. It checks too: the options of the compiler, that no plain
NumPy array reaches an operation, that a captured function sends and reads nothing, where memory comes from and
how long it lives. It cannot check what only a GPU can: that CUDA accepts all this, timing, races, and the
array module's operations in a capture (they compute at once here; only kernels are recorded).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from minigan.devices.emulated import LaunchSettings, call_launcher, dim3
from minigan.devices.emulated.compile import kernel_library
from minigan.devices.sources import kernel_names, kernel_parameters

MIB = 2**20


class CUDARuntimeError(RuntimeError):
    def __init__(self, status: int) -> None:
        super().__init__(f"cudaError {status}")
        self.status = status


class CUDADriverError(RuntimeError):
    def __init__(self, status: int) -> None:
        super().__init__(f"CUDA_ERROR {status}")
        self.status = status


class OutOfMemoryError(MemoryError):
    pass


class CompileException(Exception):  # noqa: N818 (CuPy's name)
    def __init__(
        self, msg: str, source: str, name: str, options: Any, backend: str = "nvrtc"
    ) -> None:
        super().__init__(msg)


class Machine:
    """The GPU and the software that are pretended to be there; and what was done with them."""

    def __init__(self) -> None:
        self.gpus = 1
        self.device_count_error: int | None = None
        self.driver_version, self.runtime_version = 13000, 13020
        self.capability = "90"
        self.has_nvrtc = True
        self.free_bytes = 64 * MIB
        self.launch_error: int | None = None
        self.pending_error: int | None = None  # of a kernel that ran earlier
        self.options: list[tuple[str, ...]] = []
        self.compiled: list[str] = []
        self.launched: list[tuple[str, tuple[int, ...], tuple[int, ...], int]] = []
        self.local = threading.local()

    @property
    def streams(self) -> list[Stream]:
        if not hasattr(self.local, "streams"):
            self.local.streams = [Stream(self, null=True)]
        streams: list[Stream] = self.local.streams
        return streams

    @property
    def stream(self) -> Stream:
        return self.streams[-1]

    def wait(self) -> None:
        """What a synchronization does: refused while the stream is captured, and where earlier errors appear."""
        if self.stream.capturing is not None:
            self.stream.invalid = True
            raise CUDARuntimeError(900)
        if self.pending_error is not None:
            raise CUDARuntimeError(self.pending_error)


class Stream:
    def __init__(
        self, machine: Machine, null: bool = False, non_blocking: bool = False, ptds: bool = False
    ) -> None:
        self.machine, self.ptr, self.non_blocking = machine, 0 if null else id(self), non_blocking
        self.capturing: list[Callable[[], None]] | None = None
        self.invalid = False

    def __enter__(self) -> Stream:
        self.machine.streams.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert self.machine.streams.pop() is self

    def begin_capture(self, mode: int | None = None) -> None:
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        assert self.non_blocking, "a blocking stream is captured: the default stream would break it"
        assert mode in (None, 2), "cudaMalloc is refused in every mode but the relaxed one"
        self.capturing, self.invalid = [], False

    def end_capture(self) -> Graph:
        if self.capturing is None:
            raise CUDARuntimeError(401)
        recorded, self.capturing = self.capturing, None
        if self.invalid:
            raise CUDARuntimeError(901)
        return Graph(self.machine, recorded)

    def synchronize(self) -> None:
        self.machine.wait()


class Graph:
    def __init__(self, machine: Machine, recorded: list[Callable[[], None]]) -> None:
        self.machine, self.recorded = machine, recorded

    def launch(self, stream: Stream | None = None) -> None:
        assert (stream or self.machine.stream).capturing is None
        for run in self.recorded:
            run()


# -- memory -----------------------------------------------------------------------------------------


class Memory:
    """Some bytes of the GPU. Freed, they turn into NaN (and stay, so that a test may look)."""

    _kept: list[Any] = []  # noqa: RUF012 (of all)

    def __init__(self, machine: Machine, size: int) -> None:
        if size > machine.free_bytes:
            raise CUDARuntimeError(2)
        machine.free_bytes -= size
        self.machine, self.size = machine, size
        self.bytes = np.full(size + 512, 0xFF, np.uint8)
        self.ptr = -(-self.bytes.ctypes.data // 512) * 512 if size else 0

    def __del__(self) -> None:
        if hasattr(self, "bytes"):
            self.bytes[:] = 0xFF
            self._kept.append(self.bytes)
            self.machine.free_bytes += self.size


class UnownedMemory:
    def __init__(self, ptr: int, size: int, owner: object, device_id: int = -1) -> None:
        assert device_id >= 0 or ptr
        self.ptr, self.size, self._owner = ptr, size, owner


class MemoryPointer:
    def __init__(self, mem: Any, offset: int) -> None:
        self.mem, self.ptr, self.device_id = mem, mem.ptr + offset, 0


class _Pooled:
    def __init__(self, block: Memory, pool: MemoryPool, stream: int) -> None:
        self.ptr, self.size = block.ptr, block.size
        self.key, self.pool = (stream, block.size), weakref.ref(pool)  # weakly, as CuPy's

    def __del__(self) -> None:
        if pool := self.pool():
            pool.unused.setdefault(self.key, []).append(pool.used.pop(self.ptr))


class MemoryPool:
    """Blocks of 512 bytes' multiples, kept by stream; those in use are held by the pool, and end with it."""

    def __init__(self, machine: Machine, allocator: Any = None) -> None:
        self.machine = machine
        self.allocator = allocator or (lambda size: MemoryPointer(Memory(machine, size), 0))
        self.used: dict[int, Memory] = {}
        self.unused: dict[tuple[int, int], list[Memory]] = {}
        self.freed_blocks = 0

    def malloc(self, size: int) -> MemoryPointer:
        rounded = -(-size // 512) * 512
        if not rounded:
            return MemoryPointer(Memory(self.machine, 0), 0)
        key = self.machine.stream.ptr, rounded
        kept = self.unused.get(key)
        block = kept.pop() if kept else self._new(rounded)
        self.used[block.ptr] = block
        return MemoryPointer(_Pooled(block, self, key[0]), 0)

    def _new(self, size: int) -> Memory:
        for _ in range(2):
            try:
                memory: Memory = self.allocator(size).mem
                return memory
            except CUDARuntimeError as error:
                if error.status != 2:
                    raise
                self.free_all_blocks()
        raise OutOfMemoryError(f"Out of memory allocating {size} bytes")

    def free_all_blocks(self, stream: Stream | None = None) -> None:
        self.freed_blocks += sum(map(len, self.unused.values()))
        self.unused.clear()

    def used_bytes(self) -> int:
        return sum(block.size for block in self.used.values())


# -- arrays -----------------------------------------------------------------------------------------


def _refuse_numpy(values: Any) -> None:
    for value in values:
        if type(value) is np.ndarray:
            raise TypeError(f"Unsupported type {type(value)}")
        if isinstance(value, (tuple, list)):
            _refuse_numpy(value)


def _plain(value: Any) -> Any:
    if isinstance(value, ndarray):
        return value.view(np.ndarray)
    if isinstance(value, (tuple, list)):
        return type(value)(map(_plain, value))
    return value


class ndarray(np.ndarray):  # noqa: N801 (CuPy's name)
    machine: Machine

    def __new__(
        cls,
        shape: Any,
        dtype: Any = float,
        memptr: Any = None,
        strides: Any = None,
        order: str = "C",
    ) -> ndarray:
        assert memptr is not None, "memory from CuPy's own pool"
        dtype, size = np.dtype(dtype), int(np.prod(shape))
        if not memptr.ptr:
            return np.empty(shape, dtype).view(cls)
        buffer = (ctypes.c_uint8 * (size * dtype.itemsize)).from_address(memptr.ptr)
        array = np.frombuffer(buffer, dtype).reshape(shape).view(cls)
        buffer.owner = memptr  # type: ignore[attr-defined]
        return array

    @classmethod
    def of(cls, value: Any) -> Any:
        """Results of NumPy's functions as this module's arrays, scalars included, as CuPy gives them."""
        if isinstance(value, (tuple, list)):
            return type(value)(map(cls.of, value))
        return np.asarray(value).view(cls) if isinstance(value, (np.ndarray, np.generic)) else value

    @property
    def data(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(ptr=self.__array_interface__["data"][0], device_id=0)

    @property
    def flags(self) -> Any:  # type: ignore[override]
        flags = super().flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous, owndata=flags.owndata
        )

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.__array_interface__, "version": 3, "stream": 1}

    def get(
        self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True
    ) -> Any:
        self.machine.wait()
        return np.array(self.view(np.ndarray))

    def set(self, arr: Any, stream: Any = None) -> None:
        assert type(arr) is np.ndarray and arr.dtype == self.dtype and arr.shape == self.shape
        assert self.machine.stream.capturing is None, "a captured copy from memory of the host"
        self.view(np.ndarray)[...] = arr

    def item(self) -> Any:  # type: ignore[override]
        return self.get().item()

    def __bool__(self) -> bool:
        return bool(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        _refuse_numpy([*inputs, *settings.get("out", ())])
        out = settings.get("out")
        if out is not None:
            settings["out"] = tuple(map(_plain, out))
        result = getattr(ufunc, method)(*map(_plain, inputs), **settings)
        return out[0] if out is not None else self.of(result)

    def __array_function__(self, function: Any, types: Any, arguments: Any, settings: Any) -> Any:
        if function is np.may_share_memory:  # asked because these are NumPy's arrays underneath
            return function(*_plain(arguments), **settings)
        raise TypeError(f"a function of NumPy's, {function.__name__}, was given CuPy's array")

    def sum(self, *arguments: Any, **settings: Any) -> Any:
        return self.of(self.view(np.ndarray).sum(*arguments, **settings))

    def any(self, *arguments: Any, **settings: Any) -> Any:
        return self.of(self.view(np.ndarray).any(*arguments, **settings))

    def min(self, *arguments: Any, **settings: Any) -> Any:
        return self.of(self.view(np.ndarray).min(*arguments, **settings))

    def max(self, *arguments: Any, **settings: Any) -> Any:
        return self.of(self.view(np.ndarray).max(*arguments, **settings))

    def __getitem__(self, index: Any) -> Any:
        _refuse_numpy([index])
        return self.of(self.view(np.ndarray)[_plain(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        _refuse_numpy([index, value])
        self.view(np.ndarray)[_plain(index)] = _plain(value)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, **settings: Any) -> Any:
        return self  # a capsule that only this module's `from_dlpack` opens


# -- kernels ----------------------------------------------------------------------------------------

_WIDTHS = {
    "int": (np.int32, np.uint32), "long long": (np.int64, np.uint64), "double": (np.float64,),
    "unsigned long long": (np.int64, np.uint64), "float": (np.float32,),
}  # fmt: skip


class RawModule:
    def __init__(
        self, machine: Machine, code: str | None = None, *, path: str | None = None,
        options: tuple[str, ...] = (), backend: str = "nvrtc", translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False, name_expressions: Any = None, jitify: Any = None,
    ) -> None:  # fmt: skip
        assert isinstance(code, str) and path is None and isinstance(options, tuple)
        self.machine, self.code, self.options = machine, code, options
        (self.real,) = (o.removeprefix("-DREAL=") for o in options if o.startswith("-DREAL="))

    def get_function(self, name: str) -> RawKernel:
        if "nonsense" in self.code:
            raise CompileException('identifier "nonsense" is undefined', self.code, name, ())
        self.machine.options.append(self.options)
        self.machine.compiled.append(name)
        if name not in kernel_names(self.code):
            raise CUDADriverError(500)  # CUDA_ERROR_NOT_FOUND
        return RawKernel(self, name, kernel_parameters(self.code, name))


class RawKernel:
    max_dynamic_shared_size_bytes = 48 * 1024

    def __init__(self, module: RawModule, name: str, parameters: list[str]) -> None:
        self.module, self.name, self.parameters = module, name, parameters

    def __call__(
        self, grid: Any, block: Any, args: Any, *, shared_mem: int = 0, stream: Any = None
    ) -> None:
        machine = self.module.machine
        if machine.launch_error is not None:
            raise CUDADriverError(machine.launch_error)
        assert type(grid) is tuple and type(block) is tuple
        assert len(args) == len(self.parameters), f"{self.name} takes {self.parameters}"
        for argument, parameter in zip(args, self.parameters, strict=True):
            self._check(argument, parameter)
        if shared_mem > self.max_dynamic_shared_size_bytes:
            raise CUDADriverError(1)  # CUDA_ERROR_INVALID_VALUE
        machine.launched.append((self.name, grid, block, shared_mem))

        def run() -> None:
            self._run(grid, block, args, shared_mem)

        if machine.stream.capturing is None:
            run()
        else:
            machine.stream.capturing.append(run)

    def _check(self, argument: Any, parameter: str) -> None:
        """The argument's bytes are those that the kernel will read."""
        kind = re.sub(r"(const |__restrict__)", "", parameter.rpartition(" ")[0]).strip()
        if "*" in parameter:
            kind = kind.replace("*", "").replace("real", self.module.real).strip()
            names = {
                "float": "f4",
                "double": "f8",
                "int": "i4",
                "long long": "i8",
                "unsigned char": "u1",
            }
            right = argument is None or (
                isinstance(argument, ndarray) and argument.dtype == names[kind]
            )
        elif kind == "real":
            right = type(argument) is (np.float32 if self.module.real == "float" else np.float64)
        elif kind in _WIDTHS:
            right = type(argument) in _WIDTHS[kind]
        else:  # a struct by value: to CuPy an array of NumPy's of one element
            right = (
                type(argument) is np.ndarray and argument.dtype.kind == "V" and argument.size == 1
            )
        assert right, f"{self.name}: {type(argument)} {argument!r} for '{parameter}'"

    def _run(self, grid: Any, block: Any, args: Any, shared_bytes: int) -> None:
        values = [
            ctypes.c_void_p(0 if a is None else a.data.ptr) if a is None or isinstance(a, ndarray)
            else np.array(a) for a in args
        ]  # fmt: skip
        addresses = [
            v.ctypes.data if isinstance(v, np.ndarray) else ctypes.addressof(v) for v in values
        ]
        library = kernel_library(_path_of(self.module.code, self.module.options), self.module.real)
        settings = LaunchSettings(dim3(grid), dim3(block), shared_bytes, order_seed=1)
        pointers = (ctypes.c_void_p * len(addresses))(*addresses)
        message = call_launcher(library, self.name, settings, pointers)
        assert not message, message


@functools.cache
def _path_of(code: str, options: tuple[str, ...]) -> Path:
    """The file whose text was handed to the compiler, in a folder that it was to search; its own folder is the last."""
    folders = [Path(o.removeprefix("-I")) for o in options if o.startswith("-I")]
    files = (path for folder in reversed(folders) for path in folder.rglob("*.cu"))
    return next(p for p in files if p.read_text(encoding="utf-8") == code)


# -- the module -------------------------------------------------------------------------------------


def make_cupy(machine: Machine) -> ModuleType:
    """A module to stand in `sys.modules` for cupy."""
    cupy = ModuleType("cupy")
    array_class = type("ndarray", (ndarray,), {"machine": machine, "__module__": "cupy"})
    local, default_pool = threading.local(), MemoryPool(machine)

    def delegate(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        function = getattr(np, name)
        if isinstance(function, (type, float)) or name == "ogrid":
            return function

        def call(*arguments: Any, **settings: Any) -> Any:
            _refuse_numpy(arguments)
            return array_class.of(function(*_plain(arguments), **settings))

        call.at = lambda target, index, values: function.at(  # type: ignore[attr-defined]
            _plain(target), _plain(index), _plain(values)
        )
        return call

    def asarray(a: Any, dtype: Any = None, order: Any = None, **_: Any) -> Any:
        if not isinstance(a, ndarray) and (
            described := getattr(a, "__cuda_array_interface__", None)
        ):
            holder = SimpleNamespace(__array_interface__=described, owner=a)
            return np.asarray(holder, dtype).view(array_class)
        return a if isinstance(a, ndarray) and dtype in (None, a.dtype) else np.array(_plain(a), dtype).view(array_class)  # fmt: skip

    def device_count() -> int:
        if machine.device_count_error is not None:
            raise CUDARuntimeError(machine.device_count_error)
        return machine.gpus

    def nvrtc_version() -> tuple[int, int]:
        if not machine.has_nvrtc:
            raise RuntimeError('Failure finding "libnvrtc.so.13"')
        return 13, 0

    @contextlib.contextmanager
    def using_allocator(allocator: Any) -> Iterator[None]:
        local.allocator = allocator
        yield
        local.allocator = None

    def from_dlpack(array: Any) -> Any:
        assert array.__dlpack_device__()[0] == 2
        return array.__dlpack__()

    def empty(shape: Any, dtype: Any = float, order: str = "C") -> Any:
        dtype = np.dtype(dtype)
        allocate = getattr(local, "allocator", None) or default_pool.malloc
        return array_class(shape, dtype, allocate(int(np.prod(shape)) * dtype.itemsize))

    cupy.__getattr__ = delegate  # type: ignore[method-assign]
    cupy.__dict__.update(
        __version__="14.0.0", ndarray=array_class, asarray=asarray, empty=empty, from_dlpack=from_dlpack,
        RawModule=lambda *a, **s: RawModule(machine, *a, **s),
        get_default_memory_pool=lambda: default_pool,
        cuda=SimpleNamespace(
            Device=lambda number: SimpleNamespace(id=number, compute_capability=machine.capability),
            Stream=lambda **s: Stream(machine, **s),
            MemoryPool=lambda allocator=None: MemoryPool(machine, allocator),
            Memory=lambda size: Memory(machine, size),
            UnownedMemory=UnownedMemory, MemoryPointer=MemoryPointer,
            get_current_stream=lambda: machine.stream, using_allocator=using_allocator,
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            compiler=SimpleNamespace(CompileException=CompileException),
            driver=SimpleNamespace(CUDADriverError=CUDADriverError),
            nvrtc=SimpleNamespace(getVersion=nvrtc_version),
            runtime=SimpleNamespace(
                CUDARuntimeError=CUDARuntimeError, streamCaptureModeRelaxed=2,
                getDeviceCount=device_count, driverGetVersion=lambda: machine.driver_version,
                runtimeGetVersion=lambda: machine.runtime_version,
                memGetInfo=lambda: (machine.free_bytes, 64 * MIB),
                getDeviceProperties=lambda number: {"name": b"NVIDIA Old One"},
            ),
        ),
    )  # fmt: skip
    return cupy
