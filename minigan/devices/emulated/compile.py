"""Compile .cu files with the system's C++ compiler, against the emulation in ``runtime/``; once, and cached."""

from __future__ import annotations

import ctypes
import enum
import functools
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from minigan.caches import cache_folder
from minigan.devices.sources import KernelSource, kernel_sources, read_source
from minigan.errors import DeviceError, KernelError
from minigan.files import replacing

RUNTIME = Path(__file__).parent / "runtime"

# No contraction to fused multiply-adds: a product and a sum round as they do in the CPU's kernels.
_FLAGS = (
    "-std=c++17", "-march=native", "-ffp-contract=off", "-fPIC", "-pthread", "-fvisibility=hidden",
    "-Wall", "-Wextra", "-Wno-unknown-pragmas",
)  # fmt: skip
_FAST = ("-O3",)
# A call before each load and store; the runtime answers it, not the sanitizer's own.
_WATCHED = ("-O1", "-g", "-gdwarf-4", "-DMINIGAN_STRICT", "-fsanitize=thread")
# And where an index, an address or an integer is out of range.
_STRICT = ("-fsanitize=bounds,alignment,integer-divide-by-zero,signed-integer-overflow",)
# A local variable that is not initialised holds a pattern (a float about −10³⁸, or NaN), and not zero by luck. GCC has it since 12.
UNSET_LOCALS = "-ftrivial-auto-var-init=pattern"
# And at the start of each basic block: those of the source, so that how often an instruction ran is known.
_PROFILE_GCC = ("-fsanitize-coverage=trace-pc", "-fno-reorder-blocks")
_PROFILE_CLANG = ("-fsanitize-coverage=bb,no-prune,trace-pc",)
# GCC loads values ahead of time that the source loads only under a condition; Clang leaves that when it sanitizes.
_WATCHED_GCC = ("-fno-tree-loop-im", "-fno-if-conversion", "-fno-if-conversion2")
# Neither watches the accesses that it turns into calls of the C library.
_WATCHED_CALLS = ("memcpy", "memmove", "memset")

# A thread's stack is half of what scheduler.cpp gives a fiber at most: a local array beyond it is an error of the compiler's.
_FRAME_LIMIT = "-Werror=frame-larger-than=65536"

# What follows a kernel file: an address in its static shared memory, and a launcher with C linkage for each kernel.
_WRAPPER = """
#include "cuda_emulation.h"
#include "{source}"

static thread_local char emulation_anchor;
EMULATION_UNWATCHED static void* anchor() {{ return &emulation_anchor; }}

{launchers}
"""

_LAUNCHER = """
extern "C" __attribute__((visibility("default"))) EMULATION_UNWATCHED
void launch_{kernel}(const emulation::LaunchSettings* settings, void** arguments, emulation::LaunchResult* result) {{
    emulation::launch({kernel}, "{kernel}", settings, arguments, anchor, result);
}}
"""


@functools.cache
def compiler() -> str:
    """Return the C++ compiler; DeviceError if there is none."""
    for name in (os.environ.get("CXX", ""), "g++", "clang++", "c++"):
        if name and (path := shutil.which(name)):
            return path
    raise DeviceError("the emulated device needs a C++ compiler; install g++ or clang++")


def compiler_takes(flag: str) -> bool:
    """Return whether the compiler knows a flag."""
    command = [compiler(), flag, "-E", "-x", "c++", os.devnull]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Watch(enum.Enum):
    """The reports of a running kernel library to the runtime."""

    NOTHING = ""
    ACCESSES = "strict"
    ACCESSES_AND_BLOCKS = "profile"


@functools.cache
def _watch_flags(watch: Watch) -> tuple[str, ...]:
    if watch is Watch.NOTHING:
        return _FAST
    version = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=False)
    clang = "clang" in version.stdout
    profile = _PROFILE_CLANG if clang else _PROFILE_GCC
    strict = (*_STRICT, UNSET_LOCALS) if compiler_takes(UNSET_LOCALS) else _STRICT
    return (
        *_WATCHED, *(() if clang else _WATCHED_GCC),
        *(strict if watch is Watch.ACCESSES else profile),
    )  # fmt: skip


@functools.cache
def cache_directory() -> Path:
    """Return where compiled kernels are kept."""
    directory = cache_folder("emulated")
    if directory is None:
        raise DeviceError("the emulated device found no folder to keep compiled kernels in")
    return directory


@functools.cache
def runtime_library(portable_switch: bool = False) -> Path:
    """Return the scheduler and the checker of strict launches, compiled once for all kernels."""
    flags = ("-DMINIGAN_PORTABLE_SWITCH",) if portable_switch else ()
    parts = ("scheduler.cpp", "checker.cpp", "profiler.cpp", "instrumentation.cpp")
    text = "".join(f'#include "{part}"\n' for part in parts)
    return _build("runtime", text, (*_FAST, *flags))


def kernel_library(
    path: Path, real: str, portable_switch: bool = False, watch: Watch = Watch.NOTHING
) -> Path:
    """Return the kernels of a .cu file for REAL = `real`, as a shared library with launch_NAME for each.

    It is compiled anew when the file, or one that it includes, has changed. KernelError holds the compiler's message.
    """
    return _kernel_library(read_source(path), real, portable_switch, watch)


@functools.cache
def _kernel_library(source: KernelSource, real: str, portable_switch: bool, watch: Watch) -> Path:
    launchers = "".join(_LAUNCHER.format(kernel=name) for name in source.kernels)
    text = _WRAPPER.format(source=source.path, launchers=launchers)
    flags = (*_watch_flags(watch), _FRAME_LIMIT, f"-DREAL={real}", f"-I{kernel_sources()}")
    name = "-".join(filter(None, (source.path.stem, real, watch.value)))
    runtime = runtime_library(portable_switch)
    calls = () if watch is Watch.NOTHING else _WATCHED_CALLS
    linked = (str(runtime), f"-Wl,-rpath,{runtime.parent}", *(f"-Wl,--wrap={c}" for c in calls))
    try:
        return _build(name, text, flags, linked, (source.path, *source.headers))
    except _CompilerError as error:
        raise KernelError(
            f"{source.name} does not compile for the emulated device:\n{_of_the_kernels(str(error))}"
        ) from None


class _CompilerError(Exception):
    """The compiler's message about refused source."""


def _of_the_kernels(errors: str) -> str:
    """Return a compiler's messages without those of how the file came to be included."""
    lines = (
        line for line in errors.splitlines()
        if "<stdin>" not in line and not re.match(r" +from ", line)
    )  # fmt: skip
    return "\n".join(lines)


def _build(
    name: str,
    text: str,
    flags: tuple[str, ...],
    linked: tuple[str, ...] = (),
    depends: Sequence[Path] = (),
) -> Path:
    """Compile `text` and link it, unless the cache has it, under a hash of all that it depends on."""
    digest = hashlib.sha256(" ".join([compiler(), *_FLAGS, *flags, *linked, text]).encode())
    for source in [*sorted(RUNTIME.iterdir()), *depends]:
        digest.update(source.read_bytes())
    target = cache_directory() / f"{name}-{digest.hexdigest()[:16]}.so"
    if target.exists():
        return target
    with replacing(target) as temporary:
        compiled = temporary.with_suffix(".o")
        try:
            _run(
                [*_FLAGS, *flags, f"-I{RUNTIME}", "-x", "c++", "-c", "-", "-o", str(compiled)], text
            )
            # Linked apart, without the flags: the sanitizers' own runtimes stay out.
            _run(["-shared", "-pthread", str(compiled), *linked, "-o", str(temporary)])
        finally:
            compiled.unlink(missing_ok=True)
    return target


def _run(arguments: list[str], text: str = "") -> None:
    command = [compiler(), *arguments]
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if result.returncode:
        raise _CompilerError(result.stderr)


@functools.cache
def load(path: Path) -> ctypes.CDLL:
    """Return the library, loaded into this process."""
    return ctypes.CDLL(str(path))
