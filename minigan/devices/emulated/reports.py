"""The reports of a strict launch in the words of the source: lines of code, names of arguments and of shared variables."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from minigan.devices.emulated.compile import RUNTIME
from minigan.devices.sources import kernel_parameters


def explain(message: str, library: Path, source: Path, kernel: str) -> str:
    """`message` with its {code:…}, {argument:…}, {shared:…} and {variable:…} (see checker.h) resolved."""
    message = re.sub(r"\{code:(\w+)\}", lambda m: source_line(library, m[1]), message)
    names = parameter_names(source.read_text(encoding="utf-8"), kernel)
    message = re.sub(r"\{argument:(\d+)\}", lambda m: _argument(names, int(m[1])), message)
    message = re.sub(r"\{shared:(\w+)\}", lambda m: _shared_byte(library, int(m[1], 16)), message)
    return re.sub(r"\{variable:(\w+)\}", lambda m: _shared_name(library, int(m[1], 16)), message)


def parameter_names(source: str, kernel: str) -> list[str]:
    """Return the names of a kernel's parameters."""
    return [re.findall(r"\w+", parameter)[-1] for parameter in kernel_parameters(source, kernel)]


def _argument(names: list[str], index: int) -> str:
    return f"'{names[index]}'" if index < len(names) else f"argument {index + 1}"


class Frame(NamedTuple):
    """A line of a file."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line}"


def frames(library: Path, addresses: Iterable[int]) -> dict[int, tuple[Frame, ...]]:
    """Return the line of each instruction, and the lines of the calls that led there where the compiler has inlined them.

    Lines of the emulation itself are left out. Empty where addr2line (of binutils) is missing.
    """
    addresses = list(dict.fromkeys(addresses))
    tool = shutil.which("addr2line")
    if tool is None:
        return dict.fromkeys(addresses, ())
    command = [tool, "-a", "-i", "-e", str(library)]
    text = "".join(f"0x{address:x}\n" for address in addresses)
    result = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    blocks = re.split(r"^0x(\w+)\n", result.stdout, flags=re.MULTILINE)[1:]
    return {
        int(address, 16): tuple(_frames(lines))
        for address, lines in zip(blocks[::2], blocks[1::2], strict=True)
    }


def _frames(lines: str) -> Iterator[Frame]:
    for match in re.finditer(r"^(.+):(\d+)", lines, re.MULTILINE):
        file = Path(match[1])
        if RUNTIME not in file.parents and file.suffix in (".cu", ".cuh"):
            yield Frame(file, int(match[2]))


def source_line(library: Path, address: str) -> str:
    """Return the line of an instruction, as text."""
    first, *callers = frames(library, [int(address, 16)])[int(address, 16)] or (None,)
    if first is None:
        return f"at {address} (addr2line, of binutils, would name the line)"
    return str(first) + (f" (from {', '.join(map(str, callers))})" if callers else "")


class SharedVariable(NamedTuple):
    """A static shared variable: its place in the library's shared memory, and its name in the source."""

    offset: int
    bytes: int
    name: str


@functools.cache
def shared_variables(library: Path) -> tuple[SharedVariable, ...]:
    """Return the static shared variables of a strict library. None where readelf (of binutils) is missing."""
    tool = shutil.which("readelf")
    if tool is None:
        return ()
    command = [tool, "--syms", "--wide", "--demangle", str(library)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    pattern = re.compile(r"^\s*\d+: (\w+)\s+(\d+) TLS\s+\w+\s+\w+\s+\d+ (.+)$", re.MULTILINE)
    found = (
        SharedVariable(int(match[1], 16), int(match[2]), match[3].rpartition("::")[2])
        for match in pattern.finditer(result.stdout)
    )
    return tuple(v for v in found if not v.name.startswith("emulation_"))


def _shared_variable(library: Path, offset: int) -> SharedVariable:
    for variable in shared_variables(library):
        if variable.offset <= offset < variable.offset + variable.bytes:
            return variable
    return SharedVariable(0, 0, "")


def _shared_name(library: Path, offset: int) -> str:
    variable = _shared_variable(library, offset)
    return f"shared '{variable.name}'" if variable.name else "static shared memory"


def _shared_byte(library: Path, offset: int) -> str:
    variable = _shared_variable(library, offset)
    return f"byte {offset - variable.offset} of {_shared_name(library, offset)}"
