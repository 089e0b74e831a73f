"""The arrays of the emulated device: NumPy's, which can refuse all arithmetic but the kernels'.

A training step on a kernel device consists of kernels, which a graph can hold; arithmetic by the array module would be
missing from it. Within `kernels_only` these arrays allow what only looks at memory, shapes and views, and
refuse the rest by name.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import EllipsisType
from typing import Any

import numpy as np

from minigan.errors import DeviceError

_ATTRIBUTES = frozenset(
    (
        "T", "astype", "base", "ctypes", "dtype", "flags", "itemsize", "nbytes", "ndim", "reshape", "shape", "size",
        "squeeze", "strides", "swapaxes", "transpose", "view",
    )
)  # fmt: skip
_FUNCTIONS = frozenset({"may_share_memory", "shares_memory"})


class _Mode(threading.local):
    """Whether this thread is within `kernels_only`."""

    kernels_only = False


_mode = _Mode()


@contextlib.contextmanager
def kernels_only() -> Iterator[None]:
    """Within this block an emulated array allows no arithmetic, copy or read by the array module: DeviceError names it."""
    before, _mode.kernels_only = _mode.kernels_only, True
    try:
        yield
    finally:
        _mode.kernels_only = before


def _refuse(name: str) -> None:
    if _mode.kernels_only:
        raise DeviceError(
            f"'{name}' is arithmetic of the array module, which a captured graph cannot hold; use a kernel"
        )


class EmulatedArray(np.ndarray[Any, Any]):
    """An array on the emulated device."""

    def __getattribute__(self, name: str) -> Any:
        if _mode.kernels_only and name not in _ATTRIBUTES and not name.startswith("_"):
            _refuse(name)
        return super().__getattribute__(name)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **settings: Any) -> Any:
        _refuse(ufunc.__name__)
        if outputs := settings.get("out", ()):
            settings["out"] = tuple(map(_plain, outputs))
        result = getattr(ufunc, method)(*map(_plain, inputs), **settings)
        return outputs[0] if len(outputs) == 1 else result

    def __array_function__(
        self, function: Callable[..., Any], types: Any, arguments: Any, settings: Any
    ) -> Any:
        if function.__name__ not in _FUNCTIONS:
            _refuse(function.__name__)
        return super().__array_function__(function, types, arguments, settings)

    def astype(self, dtype: Any, copy: bool = True, **settings: Any) -> Any:  # type: ignore[override]
        if copy or self.dtype != np.dtype(dtype):
            _refuse("astype")
        return super().astype(dtype, copy=copy, **settings)

    def __getitem__(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        if not all(p is None or isinstance(p, (int, slice, EllipsisType)) for p in parts):
            _refuse("indexing by an array")
        return super().__getitem__(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        _refuse("assignment")
        super().__setitem__(index, value)

    def __float__(self) -> float:
        _refuse("float")
        return super().__float__()

    def __int__(self) -> int:
        _refuse("int")
        return super().__int__()

    def __bool__(self) -> bool:
        _refuse("bool")
        return super().__bool__()


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, EmulatedArray) else value
