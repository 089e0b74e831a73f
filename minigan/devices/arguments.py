"""The arguments of a launch: those that Python has no type for, and whether they fit a kernel's parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigan.devices.sources import KernelSource

Array = Any

REALS = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}  # as C++ names them


@dataclass(frozen=True)
class Double:
    """A kernel argument that is a double in a kernel of any dtype."""

    value: float


@dataclass(frozen=True)
class PointerTable:
    """A kernel argument passed by value: a C struct with a member `T name[rows]` for each column.

    A column holds arrays, passed by address (None is a null pointer), or ints (long long). A column
    shorter than `rows` is filled with zeros.
    """

    columns: tuple[Sequence[Array | int | None], ...]
    rows: int

    def arrays(self) -> list[Array]:
        """Return the arrays of all columns."""
        cells = [value for column in self.columns for value in column]
        return [value for value in cells if value is not None and not isinstance(value, int)]

    def to_bytes(self, address: Callable[[Array], int]) -> bytes:
        """Return the struct; `address` says where an array's first element lies."""
        values = np.zeros((len(self.columns), self.rows), np.int64)
        for row, column in zip(values, self.columns, strict=True):
            for i, value in enumerate(column):
                if value is not None:
                    row[i] = value if isinstance(value, int) else address(value)
        return values.tobytes()


_INTEGERS = {"int": "i4", "unsigned": "u4", "unsigned int": "u4", "int32_t": "i4", "uint32_t": "u4"}
_LONG_INTEGERS = {
    "long long": "i8", "unsigned long long": "u8", "int64_t": "i8", "uint64_t": "u8", "size_t": "u8",
}  # fmt: skip
_REAL_TYPES = {"float": "f4", "double": "f8"}
_ITEMS = {**_INTEGERS, **_LONG_INTEGERS, **_REAL_TYPES, "unsigned char": "u1", "uint8_t": "u1"}


def check_parameters(
    source: KernelSource, kernel: str, dtype: np.dtype[Any], arguments: Sequence[Any]
) -> None:
    """Refuse arguments that the kernel would misread: neither compiler nor GPU would notice."""
    parameters = source.kernels[kernel]
    if any(len(re.findall(r"\w+", parameter)) < 2 for parameter in parameters):
        return  # a macro of a header stands for some of them
    if len(arguments) != len(parameters):
        raise TypeError(
            f"{kernel} of {source.name} takes {len(parameters)} arguments ({', '.join(parameters)}), and "
            f"{len(arguments)} were given"
        )
    for argument, parameter in zip(arguments, parameters, strict=True):
        needed = _what_it_needs(parameter, dtype, argument)
        if needed:
            raise TypeError(
                f"{kernel} of {source.name}: '{parameter}' needs {needed}, and {_described(argument)} was given"
            )


def _what_it_needs(parameter: str, dtype: np.dtype[Any], argument: Any) -> str:
    """Return the type that the parameter takes, if the argument has another; types that are not known here take anything."""
    name = re.findall(r"\w+", parameter)[-1]
    words = re.sub(rf"\bconst\b|\b__restrict__\b|\b{name}\b", " ", parameter)
    kind = " ".join(words.replace("*", " * ").split())
    kind = re.sub(r"\breal\b", REALS[dtype], kind)
    is_array = hasattr(argument, "flags") and not isinstance(argument, np.generic)
    if kind.endswith("*"):
        item = _ITEMS.get(kind.removesuffix("*").strip())
        if argument is None or (is_array and item in (None, argument.dtype.str[1:])):
            return ""
        return f"an array of {np.dtype(item)}" if item else "an array"
    is_long = isinstance(argument, (np.int64, np.uint64))
    if kind in _LONG_INTEGERS:
        return "" if is_long else "np.int64(…)"
    if kind in _INTEGERS:
        fits = isinstance(argument, (int, np.integer)) and not is_long
        return "" if fits else "an int"
    is_float = isinstance(argument, (float, np.floating))
    if kind == "double":
        fits = isinstance(argument, Double) or (is_float and dtype == np.float64)
        return "" if fits else "Double(…)" if dtype == np.float32 else "a float"
    if kind == "float" and dtype == np.float32:
        return "" if is_float else "a float"
    return ""


def _described(argument: Any) -> str:
    if hasattr(argument, "dtype") and not isinstance(argument, np.generic):
        return f"an array of {argument.dtype}"
    return f"{type(argument).__name__} {argument!r}"
