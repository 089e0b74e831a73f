"""A stand-in for CuPy on a machine without a GPU, strict where CuPy is lenient or a GPU would fail silently.

It follows the signatures of CuPy 14. Its arrays are NumPy's, and its `RawModule` runs the real
kernel through the emulated device's library. So the kernel's result checks the launch of
`minigan.devices.cuda`: which kernel, grid, block, the order and width of every argument. It also
checks the compiler's options, and where memory comes from and how long it lives. No plain NumPy
array may reach an operation, and a captured function may send and read nothing. It cannot check
what only a GPU can: that CUDA accepts all this, timing and races. A capture records kernels, ufuncs
and assignments; the array module's other functions compute at once here.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fake_cupy.arrays import ndarray, plain, refuse_numpy
from fake_cupy.kernels import RawModule
from fake_cupy.machine import (
    MIB,
    CompileException,
    CUDADriverError,
    CUDARuntimeError,
    Event,
    Graph,
    Machine,
    OutOfMemoryError,
    Stream,
    get_elapsed_time,
)
from fake_cupy.memory import Memory, MemoryPointer, MemoryPool, UnownedMemory

__all__ = [
    "MIB", "Graph", "Machine", "Memory", "MemoryPointer", "MemoryPool", "RawModule", "Stream", "UnownedMemory",
    "installed", "make_cupy", "ndarray",
]  # fmt: skip


class _Importer(MetaPathFinder, Loader):
    """Answers `import cupy` as CuPy does: the import makes the folder of its cache."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name == "cupy" else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        if self.machine.import_error is not None:
            raise self.machine.import_error
        default = Path("~/.cupy/kernel_cache").expanduser()
        Path(os.environ.get("CUPY_CACHE_DIR", default)).mkdir(parents=True, exist_ok=True)
        return make_cupy(self.machine)

    def exec_module(self, module: ModuleType) -> None:
        pass


def installed(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    """Let `import cupy` find a new module, until the test ends."""
    monkeypatch.setitem(sys.modules, "cupy", None)  # pytest restores it
    del sys.modules["cupy"]
    monkeypatch.setattr(sys, "meta_path", [_Importer(machine), *sys.meta_path])


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
            refuse_numpy(arguments)
            return array_class.of(function(*plain(arguments), **settings))

        call.at = lambda target, index, values: function.at(  # type: ignore[attr-defined]
            plain(target), plain(index), plain(values)
        )
        return call

    def asarray(a: Any, dtype: Any = None, order: Any = None, **_: Any) -> Any:
        if not isinstance(a, ndarray) and (
            described := getattr(a, "__cuda_array_interface__", None)
        ):
            holder = SimpleNamespace(__array_interface__=described, owner=a)
            return np.asarray(holder, dtype).view(array_class)
        return a if isinstance(a, ndarray) and dtype in (None, a.dtype) else np.array(plain(a), dtype).view(array_class)  # fmt: skip

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
            Device=lambda number: SimpleNamespace(
                id=number, compute_capability=machine.capability, use=lambda: None
            ),
            Stream=lambda **s: Stream(machine, **s),
            MemoryPool=lambda allocator=None: MemoryPool(machine, allocator),
            Memory=lambda size: Memory(machine, size),
            UnownedMemory=UnownedMemory, MemoryPointer=MemoryPointer,
            Event=lambda: Event(machine), get_elapsed_time=get_elapsed_time,
            get_current_stream=lambda: machine.stream, using_allocator=using_allocator,
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            compiler=SimpleNamespace(CompileException=CompileException),
            driver=SimpleNamespace(CUDADriverError=CUDADriverError),
            nvrtc=SimpleNamespace(getVersion=nvrtc_version),
            runtime=SimpleNamespace(
                CUDARuntimeError=CUDARuntimeError, streamCaptureModeRelaxed=2,
                getDeviceCount=device_count, driverGetVersion=lambda: machine.driver_version,
                runtimeGetVersion=lambda: machine.runtime_version,
                memGetInfo=machine.memory,
                getDeviceProperties=lambda number: {"name": b"NVIDIA Old One"},
            ),
        ),
    )  # fmt: skip
    return cupy
