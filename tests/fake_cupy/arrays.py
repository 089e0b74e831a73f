"""CuPy's arrays: NumPy's, which refuse to meet NumPy's own."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np

from fake_cupy.machine import Machine


def refuse_numpy(values: Any) -> None:
    for value in values:
        if type(value) is np.ndarray:
            raise TypeError(f"Unsupported type {type(value)}")
        if isinstance(value, (tuple, list)):
            refuse_numpy(value)


def plain(value: Any) -> Any:
    if isinstance(value, ndarray):
        return value.view(np.ndarray)
    if isinstance(value, (tuple, list)):
        return type(value)(map(plain, value))
    return value


class ndarray(np.ndarray):  # noqa: N801 (CuPy's name)
    machine: Machine

    def __new__(
        cls,
        shape: Any,
        dtype: Any = float,
        memptr: Any = None,
        strides: Any = None,
        order: str = "C",
    ) -> ndarray:
        assert memptr is not None, "memory from CuPy's own pool"
        dtype, size = np.dtype(dtype), int(np.prod(shape))
        if not memptr.ptr:
            return np.empty(shape, dtype).view(cls)
        buffer = (ctypes.c_uint8 * (size * dtype.itemsize)).from_address(memptr.ptr)
        array = np.frombuffer(buffer, dtype).reshape(shape).view(cls)
        buffer.owner = memptr  # type: ignore[attr-defined]
        return array

    @classmethod
    def of(cls, value: Any) -> Any:
        """Results of NumPy's functions as this module's arrays, scalars included, as CuPy gives them."""
        if isinstance(value, (tuple, list)):
            return type(value)(map(cls.of, value))
        return np.asarray(value).view(cls) if isinstance(value, (np.ndarray, np.generic)) else value

    @property
    def data(self) -> Any:  # type: ignore[override]
        return SimpleNamespace(ptr=self.__array_interface__["data"][0], device_id=0)

    @property
    def flags(self) -> Any:  # type: ignore[override]
        flags = super().flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous, f_contiguous=flags.f_contiguous, owndata=flags.owndata
        )

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.__array_interface__, "version": 3, "stream": 1}

    def get(
        self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True
    ) -> Any:
        self.machine.refuse_transfer("D2H")
        self.machine.wait()
        return np.array(self.view(np.ndarray))

    def set(self, arr: Any, stream: Any = None) -> None:
        assert type(arr) is np.ndarray and arr.dtype == self.dtype and arr.shape == self.shape
        self.machine.refuse_transfer("H2D")
        self.view(np.ndarray)[...] = arr

    def item(self) -> Any:  # type: ignore[override]
        return self.get().item()

    def __bool__(self) -> bool:
        return bool(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        refuse_numpy([*inputs, *settings.get("out", ())])
        out = settings.get("out")
        if out is not None:
            settings["out"] = tuple(map(plain, out))

        def compute() -> Any:
            return getattr(ufunc, method)(*map(plain, inputs), **settings)

        capturing = self.machine.stream.capturing
        if out is not None:
            compute() if capturing is None else capturing.append(compute)
            return out[0]
        result = self.of(compute())
        if capturing is not None:  # the graph writes to the same place, whenever it is launched
            capturing.append(lambda: np.copyto(result.view(np.ndarray), compute()))
        return result

    def __array_function__(self, function: Any, types: Any, arguments: Any, settings: Any) -> Any:
        if function is np.may_share_memory:  # asked because these are NumPy's arrays underneath
            return function(*plain(arguments), **settings)
        raise TypeError(f"a function of NumPy's, {function.__name__}, was given CuPy's array")

    def sum(self, *arguments: Any, **settings: Any) -> Any:
        return self.of(self.view(np.ndarray).sum(*arguments, **settings))

    def any(self, *arguments: Any, **settings: Any) -> Any:
        return self.of(self.view(np.ndarray).any(*arguments, **settings))

    def min(self, *arguments: Any, **settings: Any) -> Any:
        return self.of(self.view(np.ndarray).min(*arguments, **settings))

    def max(self, *arguments: Any, **settings: Any) -> Any:
        return self.of(self.view(np.ndarray).max(*arguments, **settings))

    def __getitem__(self, index: Any) -> Any:
        refuse_numpy([index])
        return self.of(self.view(np.ndarray)[plain(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        refuse_numpy([index, value])
        target, place = self.view(np.ndarray), plain(index)

        def write() -> None:
            target[place] = plain(value)

        capturing = self.machine.stream.capturing
        write() if capturing is None else capturing.append(write)

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, **settings: Any) -> Any:
        return self  # a capsule that only this module's `from_dlpack` opens
