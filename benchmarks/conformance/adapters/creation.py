"""Tensors made from a shape or a range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minigan as mg
from benchmarks.conformance.adapters.arguments import dtype_name, refuse


def _name(dtype: Any, default: str | None = "float32") -> str | None:
    return default if dtype is None else dtype_name(dtype)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    return mg.zeros(tuple(shape), dtype=_name(dtype))


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Any:
    return mg.ones(tuple(shape), dtype=_name(dtype))


def full(shape: Any, value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    return mg.full(tuple(shape), value, dtype=_name(dtype))


def eye(
    n: int, m: Any = None, *, dtype: Any = None, device: Any = None, layout: Any = None, requires_grad: bool = False
) -> Any:  # fmt: skip
    return mg.eye(n, m, dtype=_name(dtype, None))


def linspace(
    start: Any, end: Any, steps: int = 100, *, dtype: Any = None, device: Any = None
) -> Any:
    refuse(tensors=hasattr(start, "numpy") or hasattr(end, "numpy"))
    return mg.linspace(start, end, steps, dtype=_name(dtype, None))


def arange(*bounds: Any, end: Any = None, dtype: Any = None, device: Any = None) -> Any:
    return mg.arange(*bounds, *([] if end is None else [end]), dtype=_name(dtype, None))


def scalar_tensor(
    value: Any, *, dtype: Any = None, device: Any = None, layout: Any = None, pin_memory: bool = False,
    requires_grad: bool = False,
) -> Any:  # fmt: skip
    return mg.tensor(value, dtype=_name(dtype))


def _like(name: str) -> Callable[..., Any]:
    function = getattr(mg, name)

    def adapter(
        x: Any, *values: Any, dtype: Any = None, device: Any = None, layout: Any = None,
        pin_memory: bool = False, memory_format: Any = None, requires_grad: bool = False,
    ) -> Any:  # fmt: skip
        return function(x, *values, dtype=_name(dtype, str(x.dtype)))

    return adapter


def _new(name: str) -> Callable[..., Any]:
    function = getattr(mg, name)

    def adapter(
        x: Any, shape: Any, *values: Any, dtype: Any = None, device: Any = None, layout: Any = None,
        pin_memory: bool = False, requires_grad: bool = False,
    ) -> Any:  # fmt: skip
        return function(tuple(shape), *values, dtype=_name(dtype, str(x.dtype)))

    return adapter


CREATION: dict[str, Callable[..., Any]] = {
    **{f"{name}_like": _like(f"{name}_like") for name in ("zeros", "ones", "full")},
    **{f"new_{name}": _new(name) for name in ("zeros", "ones", "full")},
    "arange": arange,
    "eye": eye,
    "fill": mg.full_like,
    "full": full,
    "linspace": linspace,
    "ones": ones,
    "scalar_tensor": lambda value, *, dtype=None, device=None, layout=None, pin_memory=False: (
        mg.tensor(value, dtype=_name(dtype))
    ),
    "zeros": zeros,
}
