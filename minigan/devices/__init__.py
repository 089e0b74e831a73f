"""Where arrays live, and which kernels work on them. A device is opened when it is first asked for."""

from __future__ import annotations

import copyreg
import functools
import importlib
from collections.abc import Callable

from minigan.devices.device import Device
from minigan.errors import DeviceError

DeviceLike = str | Device | None  # a name, or None for the default device

# name -> where its class stands; nothing of a device is imported before it is opened
_DEVICES = {
    "cpu": ("minigan.devices.cpu", "CPU"),
    "emulated": ("minigan.devices.emulated", "Emulated"),
    "cuda": ("minigan.devices.cuda", "CUDA"),
}

# What to know before one is used. A test removes "cuda" as soon as benchmarks/results/ has a measurement of a GPU.
_NOTES = {"cuda": "experimental: no run on a GPU is recorded yet"}

_default = "cpu"


def device_names() -> list[str]:
    """Return the names that `get_device` knows."""
    return list(_DEVICES)


def device_note(name: str) -> str:
    """Return what to know before a device is used; empty if all is well."""
    return _NOTES.get(name, "")


def check_device_name(name: str) -> None:
    """Raise DeviceError unless there is a device of that name; it is not opened."""
    if name not in _DEVICES:
        raise DeviceError(f"there is no device '{name}'; there is {', '.join(_DEVICES)}")


@functools.cache
def _open(name: str) -> Device:
    module, class_name = _DEVICES[name]
    make: Callable[[], Device] = getattr(importlib.import_module(module), class_name)
    device = make()
    copyreg.pickle(type(device), _by_name)
    return device


def _by_name(device: Device) -> tuple[Callable[[str], Device], tuple[str]]:
    """Copy and pickle a device by its name: there is one of each."""
    return _open, (device.name,)


def get_device(device: DeviceLike = None) -> Device:
    """Return the device of that name, or the default one.

    Args:
        device: a name, a device, or None for the default one.

    Raises:
        DeviceError: there is none of that name, or it cannot be opened.
    """
    if isinstance(device, Device):
        return device
    name = _default if device is None else device
    check_device_name(name)
    return _open(name)


def uses_gpu(name: str) -> bool:
    """Return whether the device of that name is a GPU; it is not opened."""
    return name == "cuda"


def set_default_device(name: str) -> None:
    """Set the device of tensors and layers that are made with no device named; "cpu" at first.

    Args:
        name: the device's name, one of `device_names`.

    Raises:
        DeviceError: there is none of that name, or it cannot be opened.
    """
    global _default
    get_device(name)  # an error here, and not at the first tensor
    _default = name


__all__ = [
    "Device",
    "check_device_name",
    "device_names",
    "device_note",
    "get_device",
    "set_default_device",
    "uses_gpu",
]
