"""The devices that a test runs on: `@pytest.mark.parametrize("device", DEVICES)`, or `KERNEL_DEVICES`.

One that cannot be opened here is skipped, with its own reason; `python -m pytest -m gpu` runs the GPU's alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pytest

import minigan as mg
from minigan.devices import Device
from minigan.devices.emulated import Emulated


def absent(name: str) -> str:
    """Why a device cannot be opened; empty if it can."""
    try:
        mg.get_device(name)
    except mg.MiniganError as error:
        return str(error)
    return ""


gpu = [pytest.mark.gpu, pytest.mark.skipif(bool(absent("cuda")), reason=absent("cuda"))]

KERNEL_DEVICES = ["emulated", pytest.param("cuda", marks=gpu)]  # what runs kernels/*.cu
DEVICES = ["cpu", *KERNEL_DEVICES]


@contextmanager
def unwatched() -> Iterator[None]:
    """Let emulated kernels run with no watch on their accesses: ten times as fast, for what watched calls stand beside."""
    device = cast(Emulated, mg.get_device("emulated"))
    before, device.strict = device.strict, False
    try:
        yield
    finally:
        device.strict = before


def moved_to(device: Device, values: Any) -> Any:
    """Copies of the arrays among a kernel's arguments, on the device."""
    if isinstance(values, np.ndarray):
        return device.copy(device.asarray(values))
    return _mapped(lambda value: moved_to(device, value), values)


def moved_back(device: Device, values: Any) -> Any:
    """The arrays of the device, anywhere among the values, as NumPy's."""
    if isinstance(values, device.array_module.ndarray):
        return device.to_numpy(values)
    return _mapped(lambda value: moved_back(device, value), values)


def _mapped(function: Any, values: Any) -> Any:
    if isinstance(values, tuple) and hasattr(values, "_fields"):  # a named tuple
        return type(values)(*map(function, values))
    return type(values)(map(function, values)) if type(values) in (tuple, list) else values


def array(device: Device, *values: float, dtype: Any = np.float32) -> Any:
    """These values on the device."""
    return device.asarray(np.array(values, dtype))
