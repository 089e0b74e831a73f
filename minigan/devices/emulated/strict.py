"""The memory of a strict or profiled launch: each array copied to a separate place, with nothing near it; shared variables.

An access outside an array then falls into a gap, also if other data lie beside the array itself. Arrays that overlap keep lying as they
do. The kernel's results are copied back, unless the launch failed.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigan.devices.emulated.reports import shared_variables

Array = np.ndarray[Any, Any]

_LEAST_GAP = 64 * 1024
_ALIGNMENT = 256  # of memory that a GPU gives; NumPy's is aligned to 16.
PARAMETER = -1  # in the place of an argument's number: a struct by value, which is not watched


class Buffer(ctypes.Structure):
    """An array as checker.h knows it."""

    _fields_ = (
        ("address", ctypes.c_uint64), ("bytes", ctypes.c_uint64), ("argument", ctypes.c_int32),
        ("item_bytes", ctypes.c_int32), ("writeable", ctypes.c_int32), ("may_be_unset", ctypes.c_int32),
    )  # fmt: skip


class SharedVariable(ctypes.Structure):
    """A static shared variable as checker.h knows it."""

    _fields_ = (("offset", ctypes.c_uint64), ("bytes", ctypes.c_uint64))


@functools.cache
def shared_extents(library: Path) -> ctypes.Array[SharedVariable]:
    """Return where each static shared variable of a library lies."""
    found = [SharedVariable(v.offset, v.bytes) for v in shared_variables(library)]
    return (SharedVariable * len(found))(*found)


@dataclass
class _Extent:
    """The bytes of an array, or of several that overlap, and the first of them by address."""

    begin: int
    end: int
    argument: int
    first: Array
    sizes: set[int] = field(default_factory=set)  # in bytes, of its arrays
    copy: int = 0


class GuardedArrays:
    """Copies of a launch's arrays; `arrays` are (place among the arguments, array).

    `may_be_unset(array)` says whether items with all bits set were never written.
    """

    def __init__(
        self, arrays: Iterable[tuple[int, Array]], may_be_unset: Callable[[Array], bool]
    ) -> None:
        self._extents = _extents(arrays)
        gaps = [max(_LEAST_GAP, e.end - e.begin) for e in self._extents]
        total = sum(
            e.end - e.begin + 2 * (gap + _ALIGNMENT)
            for e, gap in zip(self._extents, gaps, strict=True)
        )
        self._arena = np.empty(total, np.uint8)  # of the gaps no page is ever touched
        place = self._arena.ctypes.data
        for extent, gap in zip(self._extents, gaps, strict=True):
            place += gap
            extent.copy = place + (_offset(extent.first) - place) % _ALIGNMENT
            ctypes.memmove(extent.copy, extent.begin, extent.end - extent.begin)
            place = extent.copy + extent.end - extent.begin + gap
        self._buffers = [_buffer(extent, may_be_unset) for extent in self._extents]

    def buffers(self, structs: Iterable[ctypes.Array[ctypes.c_char]]) -> ctypes.Array[Buffer]:
        """Return the runtime's arguments: the arrays, and the arguments that are structs passed by value."""
        parameters = [Buffer(ctypes.addressof(s), ctypes.sizeof(s), PARAMETER, 1) for s in structs]
        found = [*self._buffers, *parameters]
        return (Buffer * len(found))(*found)

    def address(self, array: Array) -> int:
        """Return where the copy of an array is."""
        at = array.ctypes.data
        for extent in self._extents:
            if (
                extent.begin <= at < max(extent.end, extent.begin + 1)
                and array.nbytes in extent.sizes
            ):
                return extent.copy + at - extent.begin
        raise ValueError("this array is not among the launch's arguments")

    def copy_back(self) -> None:
        """Copy the kernel's results from the copies into the arrays."""
        for extent in self._extents:
            if extent.first.flags.writeable:
                ctypes.memmove(extent.begin, extent.copy, extent.end - extent.begin)


def _extents(arrays: Iterable[tuple[int, Array]]) -> list[_Extent]:
    extents: list[_Extent] = []
    for argument, array in sorted(arrays, key=lambda pair: pair[1].ctypes.data):
        begin, end = array.ctypes.data, array.ctypes.data + array.nbytes
        if extents and begin < extents[-1].end:
            extents[-1].end = max(extents[-1].end, end)
        else:
            extents.append(_Extent(begin, end, argument, array))
        extents[-1].sizes.add(array.nbytes)
    return extents


def owner_of(array: Array) -> Array:
    """Return the array that this one is a view of, or the array itself."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _offset(array: Array) -> int:
    """Return where the array begins, counted from the start of the memory that it is a view of, as if that were aligned."""
    owner = owner_of(array)
    return array.ctypes.data - owner.ctypes.data + owner.ctypes.data % 16


def _buffer(extent: _Extent, may_be_unset: Callable[[Array], bool]) -> Buffer:
    first = extent.first
    return Buffer(
        extent.copy, extent.end - extent.begin, extent.argument, first.dtype.itemsize,
        first.flags.writeable, may_be_unset(first),
    )  # fmt: skip
