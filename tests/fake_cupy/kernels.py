"""CuPy's `RawModule` and kernels: run by the emulated device's library, each argument checked by its width."""

from __future__ import annotations

import ctypes
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np

from fake_cupy.arrays import ndarray
from fake_cupy.machine import CompileException, CUDADriverError, Machine
from minigan.devices.emulated import LaunchSettings, call_launcher, dim3
from minigan.devices.emulated.compile import kernel_library
from minigan.devices.sources import kernel_names, kernel_parameters, read_source

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
        self.code.encode(self.machine.encoding)  # CuPy writes it to a file
        self.machine.compiling_threads.add(threading.get_ident())
        if "nonsense" in self.code:
            raise CompileException('identifier "nonsense" is undefined', self.code, name, ())
        self.machine.options.append(self.options)
        self.machine.compiled.append(name)
        if name not in kernel_names(self.code):
            raise CUDADriverError(500)  # CUDA_ERROR_NOT_FOUND
        path = self._path(name)
        return RawKernel(self, name, kernel_parameters(_with_headers(path), name), path)

    def _path(self, kernel: str) -> Path:
        """The file of the given text, in a folder that the compiler searches; its own folder is the
        last."""
        folders = [Path(o.removeprefix("-I")) for o in self.options if o.startswith("-I")]
        files = (path for folder in reversed(folders) for path in folder.rglob("*.cu"))
        return next(p for p in files if read_source(p).alone(kernel) == self.code)


def _with_headers(path: Path) -> str:
    """Return a kernel file's text after those of its headers, where its macros may be defined."""
    text = path.read_text(encoding="utf-8")
    names = re.findall(r'#include "(.+)"', text)
    headers = [folder / name for name in names for folder in path.parents]
    return "".join(map(_with_headers, filter(Path.exists, headers))) + text


class RawKernel:
    max_dynamic_shared_size_bytes = 48 * 1024

    def __init__(self, module: RawModule, name: str, parameters: list[str], path: Path) -> None:
        self.module, self.name, self.parameters, self.path = module, name, parameters, path

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
        library = kernel_library(self.path, self.module.real)
        settings = LaunchSettings(dim3(grid), dim3(block), shared_bytes, order_seed=1)
        pointers = (ctypes.c_void_p * len(addresses))(*addresses)
        message = call_launcher(library, self.name, settings, pointers)
        assert not message, message
