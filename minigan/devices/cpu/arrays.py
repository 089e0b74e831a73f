"""The treatment of NumPy's arrays that all kernels share."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigan.devices.contract.products import Epilogue
from minigan.devices.contract.random import Step
from minigan.devices.device import Device

Array = np.ndarray[Any, Any]


def bias_or_empty(epilogue: Epilogue, like: Array) -> Array:
    """Kernels take an empty bias for none: their compiled code has one signature."""
    return np.empty(0, like.dtype) if epilogue.bias is None else epilogue.bias


_APART = 128  # bytes: two cache lines, since the neighbour of a line is fetched too


def rows_of_threads(
    device: Device, shape: tuple[int, ...], columns: int, dtype: np.dtype[Any]
) -> Array:
    """Return rows that threads write to side by side: (*shape, columns and some more, which are not used).

    Threads that write to one cache line wait for each other. So the rows lie apart.
    """
    rows: Array = device.empty((*shape, columns + _APART // dtype.itemsize), dtype)
    return rows


def step_number(step: Step) -> int:
    """Return a step that is counted on the device, or given as a number."""
    return int(step[0]) if isinstance(step, np.ndarray) else step
