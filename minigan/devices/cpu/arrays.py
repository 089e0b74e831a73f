"""The treatment of NumPy's arrays that all kernels share."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigan.devices.contract.products import Epilogue
from minigan.devices.contract.random import Step

Array = np.ndarray[Any, Any]


def bias_or_empty(epilogue: Epilogue, like: Array) -> Array:
    """Kernels take an empty bias for none: their compiled code has one signature."""
    return np.empty(0, like.dtype) if epilogue.bias is None else epilogue.bias


def step_number(step: Step) -> int:
    """Return a step that is counted on the device, or given as a number."""
    return int(step[0]) if isinstance(step, np.ndarray) else step
