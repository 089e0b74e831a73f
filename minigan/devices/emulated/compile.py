"""Compile kernels/*.cu with the system's C++ compiler, against the emulation in ``runtime/``; once, and cached."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from minigan.devices.launch import kernel_sources
from minigan.errors import DeviceError
from minigan.files import replacing

RUNTIME = Path(__file__).parent / "runtime"

# No contraction to fused multiply-adds: a product and a sum round as they do in the CPU's kernels.
_FLAGS = (
    "-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared", "-pthread",
    "-Wall", "-Wextra", "-Wno-unknown-pragmas",
)  # fmt: skip

# What follows a kernel file: a launcher with C linkage for each kernel, and the poisoning of its shared memory.
# The loader knows where the thread-local segment of a library is, and static shared memory is all that is in it.
_WRAPPER = """
#include "cuda_emulation.h"
#include "{source}"

#include <link.h>

namespace {{

const char here = 0;
thread_local char first;  // of a thread's copy of the segment, which the loader makes when it is first touched

int poison_segment(dl_phdr_info* info, size_t, void*) {{
    bool ours = false;
    const ElfW(Phdr)* segment = nullptr;
    for (int i = 0; i < info->dlpi_phnum; ++i) {{
        const ElfW(Phdr)& header = info->dlpi_phdr[i];
        const auto begin = info->dlpi_addr + header.p_vaddr, address = reinterpret_cast<ElfW(Addr)>(&here);
        if (header.p_type == PT_LOAD && address >= begin && address < begin + header.p_memsz) ours = true;
        if (header.p_type == PT_TLS) segment = &header;
    }}
    if (ours && segment != nullptr && info->dlpi_tls_data != nullptr)
        std::memset(info->dlpi_tls_data, 0xff, segment->p_memsz);  // every bit set: a NaN
    return ours;
}}

void poison_shared() {{
    *static_cast<volatile char*>(&first) = 0;
    dl_iterate_phdr(poison_segment, nullptr);
}}

}}  // namespace

{launchers}
"""

_LAUNCHER = """
extern "C" __attribute__((visibility("default"))) void launch_{kernel}(const dim3* grid, const dim3* block, size_t shared_bytes, void** arguments,
                                emulation::LaunchResult* result) {{
    emulation::launch({kernel}, "{kernel}", grid, block, shared_bytes, arguments, poison_shared, result);
}}
"""


def kernel_names(source: str) -> list[str]:
    """The kernels that a .cu file defines."""
    return re.findall(r"^(?:KERNEL|extern \"C\" __global__ void)\s+(\w+)\(", source, re.MULTILINE)


@functools.cache
def compiler() -> str:
    """The C++ compiler; DeviceError if there is none."""
    for name in (os.environ.get("CXX", ""), "g++", "clang++", "c++"):
        if name and (path := shutil.which(name)):
            return path
    raise DeviceError("the emulated device needs a C++ compiler; install g++ or clang++")


@functools.cache
def cache_directory() -> Path:
    """Where compiled kernels are kept."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minigan"
    for parent in (root, Path(tempfile.gettempdir()) / f"minigan-{os.getuid()}"):
        try:
            (parent / "emulated").mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        return parent / "emulated"
    raise DeviceError("the emulated device found no folder to keep compiled kernels in")


@functools.cache
def runtime_library(portable_switch: bool = False) -> Path:
    """The scheduler, compiled once for all kernels."""
    flags = ("-DMINIGAN_PORTABLE_SWITCH",) if portable_switch else ()
    return _build("scheduler", (RUNTIME / "scheduler.cpp").read_text(encoding="utf-8"), flags)


@functools.cache
def kernel_library(path: Path, real: str, portable_switch: bool = False) -> Path:
    """The kernels of a .cu file for REAL = `real`, as a shared library with launch_NAME for each.

    Its sources are read once a process, not at each launch.
    """
    launchers = "".join(
        _LAUNCHER.format(kernel=name) for name in kernel_names(path.read_text(encoding="utf-8"))
    )
    text = _WRAPPER.format(source=path, launchers=launchers)
    runtime = runtime_library(portable_switch)
    flags = (
        "-fvisibility=hidden",
        f"-DREAL={real}",
        f"-I{kernel_sources()}",
        str(runtime),
        f"-Wl,-rpath,{runtime.parent}",
    )
    return _build(
        f"{path.stem}-{real}", text, flags, depends=[path, *sorted(kernel_sources().glob("*.cuh"))]
    )


def _build(name: str, text: str, flags: tuple[str, ...], depends: list[Path] | None = None) -> Path:
    """Compile `text` unless the cache has it, under a hash of all that it depends on."""
    digest = hashlib.sha256(" ".join([compiler(), *_FLAGS, *flags, text]).encode())
    for source in [*sorted(RUNTIME.iterdir()), *(depends or [])]:
        digest.update(source.read_bytes())
    target = cache_directory() / f"{name}-{digest.hexdigest()[:16]}.so"
    if target.exists():
        return target
    with replacing(target) as temporary:
        command = [
            compiler(), *_FLAGS, f"-I{RUNTIME}", "-x", "c++", "-", "-x", "none", *flags,
            "-o", str(temporary),
        ]  # fmt: skip
        result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if result.returncode:
            raise DeviceError(f"{name}: the C++ compiler failed:\n{result.stderr}")
    return target


@functools.cache
def load(path: Path) -> ctypes.CDLL:
    """The library, loaded into this process."""
    return ctypes.CDLL(str(path))
