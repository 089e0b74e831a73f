"""Tensors that share memory with other libraries."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigan.devices import Device, get_device
from minigan.devices.memory import is_on_gpu
from minigan.saving import Array, exchange
from minigan.tensor import Tensor

_DLPACK_CUDA = (2, 13)  # of DLDeviceType: memory of a GPU, and memory that it shares with the host


def from_dlpack(source: Any) -> Tensor:
    """Return a tensor that shares the memory of another library's array, as `numpy.from_dlpack`.

    Strides stay as they are, and so does memory that may only be read: what would write to such a
    tensor refuses to. Writing to either is seen in both; no gradient passes between.

    Args:
        source: an array of any shape on the host or a GPU. It is read through DLPack where it has
            it (NumPy, PyTorch, CuPy, JAX), else through its array interface (Numba).

    Returns:
        A tensor of that shape, on "cpu" or "cuda".

    Raises:
        TypeError: the source has neither, or holds no real numbers or bool.
        ValueError: the source is on a GPU and may only be read, which CuPy could not tell.

    Reference: the DLPack specification, https://dmlc.github.io/dlpack/latest/.
    """
    place, array = _foreign_memory(source)
    shared = Tensor(array, place)
    exchange(shared._version, array)
    return shared


def _foreign_memory(source: Any) -> tuple[Device, Array]:
    if hasattr(source, "__dlpack__"):
        kind = int(source.__dlpack_device__()[0])
        place = get_device("cuda" if kind in _DLPACK_CUDA else "cpu")
        return place, place.array_module.from_dlpack(source)
    if is_on_gpu(source):
        if source.__cuda_array_interface__["data"][1]:
            raise ValueError(
                "from_dlpack: the memory of this array may only be read; copy it with mg.tensor"
            )
        place = get_device("cuda")
        return place, place.asarray(source)
    if not hasattr(source, "__array_interface__"):
        raise TypeError(f"from_dlpack: a {type(source).__name__} has no DLPack or array interface")
    return get_device("cpu"), np.asarray(source)
