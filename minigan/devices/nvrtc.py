"""Compile .cu files for real GPUs with NVIDIA's runtime compiler: no GPU, no driver, no CUDA toolkit.

The compiler is one shared library, of the package nvidia-cuda-nvrtc (the ``nvrtc`` extra). Its report of each kernel,
registers, shared memory and spills, is known without running it.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from minigan.devices.compilation import compile_options
from minigan.devices.sources import KernelSource, read_source
from minigan.errors import DeviceError, KernelError

# Every GPU since 2018 runs code for one of these: Turing (T4), Ampere (A100), Hopper (H100, H200), Blackwell.
ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_120")

_ENTRY = re.compile(
    r"Compiling entry function '(?P<kernel>\w+)'.*?"
    r"(?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class KernelResources:
    """The needs of a kernel's thread (registers, spilled bytes) and block (static shared bytes)."""

    kernel: str
    registers: int
    shared_bytes: int
    spilled_bytes: int


@functools.cache
def library() -> ctypes.CDLL:
    """NVRTC; DeviceError says how to get it."""
    found = importlib.util.find_spec("nvidia")
    for root in (found.submodule_search_locations or []) if found else []:
        for path in sorted(Path(root).glob("cu*/lib/libnvrtc.so.*[0-9]")):
            return ctypes.CDLL(str(path))
        for path in sorted(Path(root).glob("cuda_nvrtc/lib/libnvrtc.so.*[0-9]")):
            return ctypes.CDLL(str(path))
    raise DeviceError("NVRTC is not installed; pip install 'minigan[nvrtc]'")


def options(source: KernelSource, real: str, architecture: str) -> tuple[str, ...]:
    """Return what CuPy tells the compiler: minigan's options and its own, or other code would be looked at than runs."""
    return (
        *compile_options(source, real), "-ftz=true", f"-arch={architecture}",
        "--device-as-default-execution-space",
    )  # fmt: skip


def compile_kernels(source: Path, real: str, architecture: str) -> list[KernelResources]:
    """Return the kernels of a .cu file for REAL = `real`, as the machine code of an architecture ("sm_90").

    Each is compiled alone, as on the GPU. KernelError holds the compiler's message on a file that it refuses.
    """
    resources = []
    for program in _programs(read_source(source), real, architecture):
        resources += [_resources(entry) for entry in _ENTRY.finditer(_log(library(), program))]
    return sorted(resources, key=lambda r: r.kernel)


def ptx(source: Path, real: str, architecture: str) -> dict[str, str]:
    """Return the PTX of each kernel of a .cu file, by name. KernelError as above."""
    nvrtc, size, found = library(), ctypes.c_size_t(), dict[str, str]()
    for program in _programs(read_source(source), real, architecture):
        nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetPTX(program, text)
        parts = re.split(r"\.entry (\w+)\(", text.value.decode())
        found.update(zip(parts[1::2], parts[2::2], strict=True))
    return found


def _programs(source: KernelSource, real: str, architecture: str) -> Iterator[ctypes.c_void_p]:
    """Return the compiler's program for each kernel; it lives until the next is asked for. KernelError if it is refused."""
    nvrtc, told = library(), options(source, real, architecture)
    told = (*told, "--ptxas-options=-v")
    array = (ctypes.c_char_p * len(told))(*(option.encode() for option in told))
    for kernel in source.kernels or [""]:  # a file without one may still be refused
        program, name = ctypes.c_void_p(), source.name.encode()
        text = source.alone(kernel).encode()
        nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, name, 0, None, None)
        try:
            if nvrtc.nvrtcCompileProgram(program, len(told), array):
                raise KernelError(
                    f"{source.name} does not compile for {architecture}:\n{_log(nvrtc, program).strip()}"
                )
            yield program
        finally:
            nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _log(nvrtc: ctypes.CDLL, program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    return log.value.decode(errors="replace")


def _resources(entry: re.Match[str]) -> KernelResources:
    shared = re.search(r"(\d+) bytes smem", entry["rest"])
    return KernelResources(
        entry["kernel"], int(entry["registers"]), int(shared[1]) if shared else 0,
        int(entry["stores"]) + int(entry["loads"]),
    )  # fmt: skip
