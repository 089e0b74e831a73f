"""Where an array lies: its address, the bytes that it reaches, and whether two arrays share some.

NumPy's arrays say so through ``__array_interface__``, arrays on a GPU through ``__cuda_array_interface__``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from minigan.errors import DeviceError

Array = Any


class Layout(NamedTuple):
    """Where an array's first element lies, and how far its others are from it, in bytes."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    itemsize: int


def is_on_gpu(values: Any) -> bool:
    """Return whether these are an array in a GPU's memory, of any library."""
    return type(values) is not np.ndarray and hasattr(values, "__cuda_array_interface__")


def address(array: Array) -> int:
    """Return where the first element of a NumPy or CuPy array lies."""
    if isinstance(array, np.ndarray):
        return int(array.__array_interface__["data"][0])
    return int(array.data.ptr)


def layout(array: Array) -> Layout | None:
    """Return the layout of an array of any library; None for what does not say."""
    if hasattr(getattr(array, "data", None), "ptr"):  # CuPy's: its interface takes long to ask for
        return Layout(address(array), array.shape, array.strides, array.dtype.itemsize)
    for name in ("__array_interface__", "__cuda_array_interface__"):
        if interface := getattr(array, name, None):
            return _described(interface)
    return None


def _described(interface: dict[str, Any]) -> Layout:
    """Return the layout that an array interface describes; its strides may be left out for a contiguous array."""
    shape, itemsize = tuple(interface["shape"]), np.dtype(interface["typestr"]).itemsize
    strides = interface.get("strides")
    if strides is None:
        strides = [itemsize] * len(shape)
        for axis in range(len(shape) - 2, -1, -1):
            strides[axis] = strides[axis + 1] * shape[axis + 1]
    return Layout(interface["data"][0], shape, tuple(strides), itemsize)


def byte_range(array: Layout) -> tuple[int, int]:
    """Return the first byte of an array, and the one after its last; strides may be negative."""
    first = last = array.address
    if 0 in array.shape:
        return first, last
    for length, stride in zip(array.shape, array.strides, strict=True):
        extent = (length - 1) * stride
        first, last = first + min(extent, 0), last + max(extent, 0)
    return first, last + array.itemsize


def share_memory(a: Array, b: Array) -> bool:
    """Return whether a write to one array may change the other: whether the bytes from first to last overlap."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return bool(a.size) if a is b else np.may_share_memory(a, b)
    layouts = layout(a), layout(b)
    if layouts[0] is None or layouts[1] is None:
        return a is b
    (first_a, last_a), (first_b, last_b) = byte_range(layouts[0]), byte_range(layouts[1])
    return max(first_a, first_b) < min(last_a, last_b)


def host_array(values: Any, dtype: Any, device: str) -> np.ndarray[Any, Any]:
    """`values` as a NumPy array for a device of the host; what lies on a GPU is not fetched silently."""
    if is_on_gpu(values):
        raise DeviceError(
            f"an array on device 'cuda' was given to device '{device}'; copy it to the host first, "
            "or name device='cuda'"
        )
    if hasattr(values, "filled"):
        raise TypeError(
            "a masked array has elements without a value; give them one: values.filled(0)"
        )
    return np.asarray(values, dtype)
