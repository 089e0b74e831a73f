"""A .cu file, minigan's own or a user's: its text, its includes, and the kernels that it
defines."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from minigan.errors import DeviceError, KernelError

# The head of a kernel. Its name is C's, not C++'s, so that it can be found by it in a compiler's output.
_BOUNDS = r"(?:__launch_bounds__\([^)]*\)\s*)?"
_HEAD = rf"^[ \t]*(?:KERNEL|extern \"C\" __global__)\s+{_BOUNDS}(?:void\s+{_BOUNDS})?"
_DEFINITION = re.compile(rf"{_HEAD}(\w+)\s*\(([^)]*)\)", re.MULTILINE)
_HEAD_AND_NAME = re.compile(rf"{_HEAD}(\w+)(?=\s*\()", re.MULTILINE)
_UNUSED = "[[maybe_unused]] static __device__"  # which compilers drop, and do not warn of
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*\"([^\"\n]+)\"", re.MULTILINE)
_MACRO = re.compile(r"^#define (\w+) +(.*)$", re.MULTILINE)


def kernel_sources() -> Path:
    """Return the folder of minigan's .cu files: beside the package in a checkout, inside it in an installed one."""
    package = Path(__file__).parents[1]
    for folder in (package.parent / "kernels", package / "kernels"):
        if (folder / "minigan.cuh").exists():
            return folder
    raise DeviceError("the kernels' sources (kernels/*.cu) are missing; reinstall minigan")


def kernel_names(text: str) -> list[str]:
    """Return the kernels that a .cu file's text defines."""
    return [name for name, _ in _DEFINITION.findall(_code(text))]


def kernel_parameters(text: str, kernel: str) -> list[str]:
    """Return a kernel's parameters, as they are declared; macros of its file are expanded."""
    text = _code(text)
    parameters = dict(_DEFINITION.findall(text)).get(kernel, "").strip()
    if parameters in ("", "void"):
        return []
    macros = dict(_MACRO.findall(text))
    while used := [word for word in re.findall(r"\w+", parameters) if word in macros]:
        parameters = re.sub(rf"\b{used[0]}\b", lambda _: macros[used[0]], parameters)
    return [" ".join(parameter.split()) for parameter in parameters.split(",")]


def _never_called(head: re.Match[str]) -> str:
    """Return the head of a kernel as that of a function that nothing calls, which the compiler drops."""
    text = re.sub(r"__launch_bounds__\([^)]*\)", "", head[0])
    text = text.replace("KERNEL", f"{_UNUSED} void", 1)
    return text.replace('extern "C" __global__', _UNUSED, 1)


def _code(text: str) -> str:
    """Return the text without comments, and with lines that go on joined."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", " ", text.replace("\\\n", " "), flags=re.DOTALL)


@dataclass(frozen=True, eq=False)
class KernelSource:
    """A .cu file as it was when it was read, and the files that it includes by "…", in order of first use."""

    path: Path
    text: str
    headers: tuple[Path, ...]
    headers_digest: str

    @property
    def name(self) -> str:
        """Return the name of the file in messages."""
        return self.path.name

    @property
    def include_folders(self) -> tuple[Path, ...]:
        """Return where a compiler that is given the text, and not the file, finds the included files."""
        return tuple(dict.fromkeys((kernel_sources(), self.path.parent)))

    @functools.cached_property
    def kernels(self) -> dict[str, list[str]]:
        """Return the kernels that it defines, and the parameters of each."""
        return {name: kernel_parameters(self.text, name) for name in kernel_names(self.text)}

    def alone(self, kernel: str) -> str:
        """Return the text with that kernel as the only one: the others become functions that nothing calls, and cost no time.

        Lines keep their numbers. It is in ASCII, since CuPy writes it to a file in the locale's encoding.
        """
        if kernel not in self.kernels:
            return _in_ascii(self.text)
        others = self.kernels.keys() - {kernel}
        text = _HEAD_AND_NAME.sub(
            lambda head: _never_called(head) if head[1] in others else head[0], self.text
        )
        return _in_ascii(text)


def _in_ascii(text: str) -> str:
    """Return the same program, its other characters as C++ writes them in ASCII."""
    return re.sub(r"[^\x00-\x7f]", lambda found: f"\\U{ord(found[0]):08x}", text)


_read: dict[Path, tuple[list[tuple[int, ...]], KernelSource]] = {}


def read_source(path: Path) -> KernelSource:
    """Return a .cu file: read once, and again when it, or a file that it includes, has changed.

    KernelError if there is no such file, or it is not text.
    """
    path = path.absolute()
    if path in _read:
        stamps, source = _read[path]
        if stamps == _stamps(source):
            return source
    source = _read_anew(path)
    _read[path] = (_stamps(source), source)
    return source


def _stamps(source: KernelSource) -> list[tuple[int, ...]]:
    """Return what changes when a file is written; nothing for one that is gone."""
    found: list[tuple[int, ...]] = []
    for path in (source.path, *source.headers):
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            found.append(())
    return found


def _read_anew(path: Path) -> KernelSource:
    texts = {path: _text_of(path)}
    waiting = [path]
    while waiting:
        file = waiting.pop(0)
        for name in _INCLUDE.findall(texts[file]):
            for folder in (file.parent, path.parent, kernel_sources()):
                header = folder / name
                if header.is_file():
                    if header not in texts:
                        texts[header] = _text_of(header)
                        waiting.append(header)
                    break  # one that is nowhere is the compiler's to report
    text, *headers = texts.values()
    digest = hashlib.sha256("\0".join(headers).encode())
    return KernelSource(path, text, tuple(texts)[1:], digest.hexdigest())


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise KernelError(f"{path} is not text in UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise KernelError(f"{path}: {error.strerror or error}") from None
