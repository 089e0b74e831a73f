"""Kernels of the contract: methods with a signature and a description, and no body."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from minigan.errors import DeviceError

Array = Any


def kernel(method: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a method as a kernel: a device that does not override it refuses it by name."""
    name = method.__name__

    def missing(self: Any, *arguments: Any, **settings: Any) -> Any:
        raise DeviceError(f"device '{self.name}' has no kernel '{name}'")

    missing.__doc__ = method.__doc__
    missing.__name__ = name
    missing.__annotations__ = method.__annotations__
    missing.__dict__["is_kernel"] = True
    return missing


def check_contiguous(kernel: str, array: Any) -> None:
    """Refuse an array with gaps or in another order: a kernel reads memory from the first element on."""
    if not getattr(getattr(array, "flags", None), "c_contiguous", True):
        raise ValueError(
            f"{kernel}: an array of shape {array.shape} with strides {array.strides} is not contiguous; "
            "device.contiguous(array) makes it so"
        )


def keeping_the_contract(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a device's kernel that refuses arguments which the contract does not allow."""
    name = method.__name__

    @functools.wraps(method)
    def call(self: Any, *arguments: Any, **settings: Any) -> Any:
        for argument in (*arguments, *settings.values()):
            for value in argument if isinstance(argument, (tuple, list)) else (argument,):
                check_contiguous(name, value)
        return method(self, *arguments, **settings)

    return call


def kernels_of(family: type) -> dict[str, str]:
    """Return the kernels of a family: name -> the first line of its description, in the order of its file."""
    return {
        name: (method.__doc__ or "").strip().split("\n")[0]
        for name, method in vars(family).items()
        if getattr(method, "is_kernel", False)
    }
