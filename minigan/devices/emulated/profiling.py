"""The counts of a profiled launch (``runtime/profiler.h``), by line of the source."""

from __future__ import annotations

import ctypes
import functools
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minigan.devices.emulated.reports import Frame, frames, parameter_names

# Scalar arithmetic of x86-64, single or double: a strict build has no vectors.
_FLOATING_POINT = re.compile(r"v?(?:add|sub|mul|div|sqrt)s[sd]\b")

KINDS = ("read", "write", "atomic", "barrier", "basic_block")
SPACES = ("global", "shared")


class _SiteCounts(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint64), ("kind", ctypes.c_int32), ("space", ctypes.c_int32), ("bytes", ctypes.c_int32),
        ("requests", ctypes.c_uint64), ("lanes", ctypes.c_uint64), ("sectors", ctypes.c_uint64),
        ("least_sectors", ctypes.c_uint64), ("wavefronts", ctypes.c_uint64), ("least_wavefronts", ctypes.c_uint64),
    )  # fmt: skip


class _ArgumentCounts(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_int32), ("bytes", ctypes.c_uint64), ("read", ctypes.c_uint64), ("written", ctypes.c_uint64),
    )  # fmt: skip


_OnSite = ctypes.CFUNCTYPE(None, ctypes.POINTER(_SiteCounts))
_OnArgument = ctypes.CFUNCTYPE(None, ctypes.POINTER(_ArgumentCounts))


class _Sink(ctypes.Structure):
    _fields_ = (("site", _OnSite), ("argument", _OnArgument))


@dataclass(frozen=True)
class Site:
    """An instruction that touches memory, a barrier, or the start of a basic block.

    `kind` is one of KINDS and `space` of SPACES. `requests` counts warps' executions, and `lanes`
    all lanes in them. `sectors` and `wavefronts` are their costs in global and in shared memory.
    The `least_` ones are the least cost of the same bytes.
    """

    frames: tuple[Frame, ...]
    kind: str
    space: str
    bytes: int
    requests: int
    lanes: int
    sectors: int
    least_sectors: int
    wavefronts: int
    least_wavefronts: int


@dataclass(frozen=True)
class ArgumentTraffic:
    """Of an array among the arguments: its bytes, and how many were read and written at least once."""

    name: str
    bytes: int
    read: int
    written: int


@dataclass(frozen=True)
class Arithmetic:
    """An instruction that adds, multiplies, divides or takes a root of floating-point numbers, and how often it ran."""

    frames: tuple[Frame, ...]
    operations: int


@dataclass
class LaunchProfile:
    """One launch: its kernel, shape and counts."""

    kernel: str
    source: Path
    grid: tuple[int, ...]
    block: tuple[int, ...]
    sites: list[Site] = field(default_factory=list)
    arguments: list[ArgumentTraffic] = field(default_factory=list)
    arithmetic: list[Arithmetic] = field(default_factory=list)


class Recorder:
    """Collects a launch's counts. `sink` is the runtime's argument."""

    def __init__(self) -> None:
        self._sites: list[dict[str, int]] = []
        self._arguments: list[dict[str, int]] = []
        self.sink = _Sink(
            _OnSite(lambda counts: self._sites.append(_values(counts.contents))),
            _OnArgument(lambda counts: self._arguments.append(_values(counts.contents))),
        )

    def profile(
        self,
        kernel: str,
        source: Path,
        library: Path,
        grid: tuple[int, ...],
        block: tuple[int, ...],
    ) -> LaunchProfile:
        """Return the collected counts, with the lines and names of the source."""
        lanes = {s["code"]: s["lanes"] for s in self._sites if KINDS[s["kind"]] == "basic_block"}
        executed = [(at, lanes[block]) for block, at in _arithmetic(library) if lanes.get(block)]
        lines = frames(
            library, [*(site["code"] for site in self._sites), *(at for at, _ in executed)]
        )
        names = parameter_names(source.read_text(encoding="utf-8"), kernel)
        result = LaunchProfile(kernel, source, grid, block)
        for counts in self._sites:
            code, kind, space = counts.pop("code"), counts.pop("kind"), counts.pop("space")
            result.sites.append(Site(lines[code], KINDS[kind], SPACES[space], **counts))
        result.arithmetic = [Arithmetic(lines[at], count) for at, count in executed]
        for traffic in self._arguments:
            place = traffic.pop("argument")
            name = names[place] if place < len(names) else f"argument {place + 1}"
            result.arguments.append(ArgumentTraffic(name, **traffic))
        return result


@functools.cache
def _arithmetic(library: Path) -> tuple[tuple[int, int], ...]:
    """Return for each floating-point instruction the basic block it stands in, by the address that the profiler knows, and its own.

    Each block of a profiled library begins with a call that counts it. Empty where objdump (of binutils) is missing.
    """
    tool = shutil.which("objdump")
    if tool is None:
        return ()
    command = [tool, "--disassemble", "--no-show-raw-insn", str(library)]
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found: list[tuple[int, int]] = []
    block, after_call = 0, False
    for address, instruction in re.findall(r"^ +(\w+):\t(.+)$", listing, re.MULTILINE):
        at = int(address, 16)
        if after_call:
            block = at - 1
        after_call = "<__sanitizer_cov_trace_pc" in instruction
        if _FLOATING_POINT.match(instruction):
            found.append((block, at))
    return tuple(found)


def _values(counts: Any) -> dict[str, int]:
    return {name: getattr(counts, name) for name, _ in counts._fields_}
