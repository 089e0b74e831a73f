"""What a strict launch reports, in the words of the source: lines of code, names of arguments and of shared variables."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path

from minigan.devices.emulated.compile import RUNTIME


def explain(message: str, library: Path, source: Path, kernel: str) -> str:
    """`message` with its {code:…}, {argument:…} and {shared:…} (see checker.h) resolved."""
    message = re.sub(r"\{code:(\w+)\}", lambda m: source_line(library, m[1]), message)
    names = parameters(source.read_text(encoding="utf-8"), kernel)
    message = re.sub(r"\{argument:(\d+)\}", lambda m: _argument(names, int(m[1])), message)
    return re.sub(r"\{shared:(\w+)\}", lambda m: shared_variable(library, int(m[1], 16)), message)


def parameters(text: str, kernel: str) -> list[str]:
    """The names of a kernel's parameters. A macro counts as one: those after it have no name here."""
    found = re.search(rf"\b{kernel}\(([^)]*)\)", text)
    names: list[str] = []
    for parameter in found[1].split(",") if found else []:
        words = re.findall(r"\w+", parameter)
        if len(words) < 2:
            break
        names.append(words[-1])
    return names


def _argument(names: list[str], index: int) -> str:
    return f"'{names[index]}'" if index < len(names) else f"argument {index + 1}"


@functools.cache
def source_line(library: Path, address: str) -> str:
    """The line of an instruction, and the lines of the calls that led there where the compiler has inlined them."""
    tool = shutil.which("addr2line")
    if tool is None:
        return f"at {address} (addr2line, of binutils, would name the line)"
    command = [tool, "-i", "-e", str(library), f"0x{address}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    frames = [
        f"{Path(match[1]).name}:{match[2]}"
        for match in re.finditer(r"^(.+):(\d+)", result.stdout, re.MULTILINE)
        if RUNTIME not in Path(match[1]).parents
    ]
    if not frames:
        return "an unknown line"
    return frames[0] + (f" (from {', '.join(frames[1:])})" if frames[1:] else "")


@functools.cache
def _shared_variables(library: Path) -> list[tuple[int, int, str]]:
    """(offset, bytes, name) of the static shared variables of a library."""
    tool = shutil.which("readelf")
    if tool is None:
        return []
    command = [tool, "--syms", "--wide", "--demangle", str(library)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    pattern = re.compile(r"^\s*\d+: (\w+)\s+(\d+) TLS\s+\w+\s+\w+\s+\d+ (.+)$", re.MULTILINE)
    return [
        (int(match[1], 16), int(match[2]), match[3].rpartition("::")[2])
        for match in pattern.finditer(result.stdout)
    ]


def shared_variable(library: Path, offset: int) -> str:
    """The static shared variable at an offset, and the byte in it."""
    for begin, size, name in _shared_variables(library):
        if begin <= offset < begin + size:
            return f"byte {offset - begin} of shared '{name}'"
    return f"byte {offset} of static shared memory"
