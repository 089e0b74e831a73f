"""Tensors made from a shape: constants, ranges, random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigan.devices import Device, get_device
from minigan.random import Generator, default_generator, normal
from minigan.tensor import Tensor, tensor

__all__ = [
    "arange",
    "eye",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "rand",
    "randn",
    "zeros",
    "zeros_like",
]

Shape = int | Sequence[int]


def full(
    shape: Shape,
    value: float,
    dtype: DTypeLike = np.float32,
    device: str | Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of one value."""
    place = get_device(device)
    values = place.empty((shape,) if isinstance(shape, int) else tuple(shape), np.dtype(dtype))
    values[...] = value
    return Tensor(values, place, requires_grad)


def zeros(shape: Shape, **settings: Any) -> Tensor:
    """A tensor of zeros; `settings` as for `full`."""
    return full(shape, 0, **settings)


def ones(shape: Shape, **settings: Any) -> Tensor:
    """A tensor of ones; `settings` as for `full`."""
    return full(shape, 1, **settings)


def full_like(x: Tensor, value: float, requires_grad: bool = False) -> Tensor:
    """One value, in the shape and dtype and on the device of x."""
    return full(x.shape, value, x.dtype, x.device, requires_grad)


def zeros_like(x: Tensor, requires_grad: bool = False) -> Tensor:
    """Zeros, in the shape and dtype and on the device of x."""
    return full_like(x, 0, requires_grad)


def ones_like(x: Tensor, requires_grad: bool = False) -> Tensor:
    """Ones, in the shape and dtype and on the device of x."""
    return full_like(x, 1, requires_grad)


def arange(
    *bounds: float, dtype: DTypeLike | None = None, device: str | Device | None = None
) -> Tensor:
    """stop, or start, stop, or start, stop, step; the stop is left out. Integers give int64, floats float32."""
    return _from_host(np.arange(*bounds), dtype, device)


def linspace(
    start: float,
    stop: float,
    count: int,
    dtype: DTypeLike | None = None,
    device: str | Device | None = None,
) -> Tensor:
    """`count` numbers from start to stop, both in."""
    return _from_host(np.linspace(start, stop, count), dtype, device)


def eye(n: int, dtype: DTypeLike | None = None, device: str | Device | None = None) -> Tensor:
    """The n×n identity."""
    return _from_host(np.eye(n), dtype, device)


def rand(
    shape: Shape,
    low: float = 0.0,
    high: float = 1.0,
    dtype: DTypeLike = np.float32,
    device: str | Device | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Uniform numbers in [low, high), from a generator's next step (the default one's: see `manual_seed`)."""
    place, key = get_device(device), (generator or default_generator()).next_key()
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return Tensor(place.random_uniform(shape, low, high, np.dtype(dtype), key), place)


def randn(
    shape: Shape,
    std: float = 1.0,
    dtype: DTypeLike = np.float32,
    device: str | Device | None = None,
    generator: Generator | None = None,
) -> Tensor:
    """Normal numbers of mean 0, from a generator's next step (the default one's: see `manual_seed`)."""
    key = (generator or default_generator()).next_key()
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return tensor(normal(shape, std, key, np.dtype(dtype)), device=device)


def _from_host(
    values: np.ndarray[Any, Any], dtype: DTypeLike | None, device: str | Device | None
) -> Tensor:
    if dtype is None:
        dtype = np.float32 if values.dtype.kind == "f" else values.dtype
    return tensor(values.astype(dtype), device=device)
