"""Tensors made from a shape: constants, ranges, random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, SupportsIndex, TypedDict, Unpack

import numpy as np
from numpy.typing import DTypeLike

from minigan.devices import DeviceLike, get_device
from minigan.operation import as_tensor, explained
from minigan.ops.shaping import broadcast_arrays
from minigan.ops.shared import check_fits, check_range, integer, integers
from minigan.random import Generator, next_key, normal
from minigan.tensor import Tensor, tensor, values_on

__all__ = [
    "arange", "empty", "empty_like", "eye", "full", "full_like", "linspace", "meshgrid", "one_hot",
    "ones", "ones_like", "rand", "randint", "randn", "randperm", "zeros", "zeros_like",
]  # fmt: skip

Shape = SupportsIndex | Sequence[SupportsIndex]


class _Settings(TypedDict, total=False):
    dtype: DTypeLike
    device: DeviceLike
    requires_grad: bool


def full(
    shape: Shape,
    value: float,
    dtype: DTypeLike = np.float32,
    device: DeviceLike = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of one value, as `numpy.full`.

    Args:
        shape: the lengths of the axes, or one length.
        value: the value of every element, converted to `dtype`.

    Returns:
        A tensor of that shape.

    Raises:
        ValueError: a length is negative.
    """
    place = get_device(device)
    values = place.empty(checked_shape(shape), np.dtype(dtype))
    values[...] = value if isinstance(value, (int, float)) else values_on(value, place)
    return Tensor(values, place, requires_grad)


def zeros(shape: Shape, **settings: Unpack[_Settings]) -> Tensor:
    """Return `minigan.full` of this `shape` and these `settings` with 0, as `numpy.zeros`."""
    return full(shape, 0, **settings)


def ones(shape: Shape, **settings: Unpack[_Settings]) -> Tensor:
    """Return `minigan.full` of this `shape` and these `settings` with 1, as `numpy.ones`."""
    return full(shape, 1, **settings)


@explained
def full_like(
    x: Tensor, value: float | Any, dtype: DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of one value, with the shape of x and on its device, as `numpy.full_like`.

    Args:
        x: any shape.
        value: the value of every element, converted to the dtype.
        dtype: the type of the result's elements; None is that of x.

    Returns:
        A tensor of x's shape.
    """
    return full(x.shape, value, x.dtype if dtype is None else dtype, x.device, requires_grad)


@explained
def zeros_like(x: Tensor, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Return `minigan.full_like` with the value 0, as `numpy.zeros_like`."""
    return full_like(x, 0, dtype, requires_grad)


@explained
def ones_like(x: Tensor, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Return `minigan.full_like` with the value 1, as `numpy.ones_like`."""
    return full_like(x, 1, dtype, requires_grad)


def arange(*bounds: float, dtype: DTypeLike | None = None, device: DeviceLike = None) -> Tensor:
    """Return the numbers from start to stop, the stop left out, in equal steps, as `numpy.arange`.

    Args:
        bounds: stop, or start and stop, or start, stop and step. The start is 0 and the step 1 by
            default.

    Returns:
        A tensor (count,). Integers give int64, floats float32, unless `dtype` says another type.

    Raises:
        ZeroDivisionError: the step is 0.
        TypeError: there are no bounds, or more than three.
    """
    values = np.arange(*bounds, dtype=None)  # no fourth bound becomes a dtype
    check_fits(dtype, *values[:1].tolist(), *values[-1:].tolist())
    return _from_host(values, dtype, device)


def linspace(
    start: float, stop: float, count: int, dtype: DTypeLike | None = None, device: DeviceLike = None
) -> Tensor:
    """Return `count` numbers from start to stop, both in, in equal steps, as `numpy.linspace`.

    Args:
        start: the first number.
        stop: the last number.
        count: how many numbers, at least 0.

    Returns:
        A tensor (count,), float32 unless `dtype` says another type.

    Raises:
        ValueError: the count is negative.
    """
    check_fits(dtype, start, stop)
    return _from_host(np.linspace(start, stop, count, dtype=dtype), dtype, device)


def eye(
    n: int,
    columns: int | None = None,
    k: int = 0,
    dtype: DTypeLike | None = None,
    device: DeviceLike = None,
) -> Tensor:
    """Return the matrix with ones on its k-th diagonal and zeros elsewhere, as `numpy.eye`.

    Args:
        n: the number of rows.
        columns: the number of columns; by default n.
        k: the column of the diagonal in the first row; a negative one begins below that row.

    Returns:
        A tensor (n, columns), float32 unless `dtype` says another type.

    Raises:
        ValueError: a number of rows or columns is negative.
    """
    return _from_host(np.eye(n, columns, k), dtype, device)


def one_hot(labels: Tensor | Any, classes: int, dtype: DTypeLike = np.float32) -> Tensor:
    """Return 1 where the last, new axis has the label's index, else 0.

    Args:
        labels: integers 0 … classes − 1, of any shape.
        classes: the length of the new axis.

    Returns:
        A tensor (…, classes) for labels (…).

    Raises:
        TypeError: the labels are no integers.
        ValueError: a label is outside 0 … classes − 1.
    """
    labels = as_tensor(labels, None)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot: labels are integers, not {labels.dtype}")
    columns = arange(integer(classes, "one_hot: classes"), device=labels.device)
    if bool(((labels < 0) | (labels >= classes)).any()):
        raise ValueError(f"one_hot: a label is outside 0 … {classes - 1}")
    return (labels.expand_dims(-1) == columns).astype(dtype)


def randint(
    low: int, high: int, shape: Shape, device: DeviceLike = None, generator: Generator | None = None
) -> Tensor:
    """Return uniform integers in [low, high), as `numpy.random.randint`.

    They are those of the generator's next step.

    Args:
        low: the least integer.
        high: one more than the largest integer, at most low + 2³².
        shape: the lengths of the axes, or one length.

    Returns:
        A tensor of that shape, int64.

    Raises:
        ValueError: high is not in low + 1 … low + 2³², or a length is negative.
    """
    place, lengths = get_device(device), checked_shape(shape)
    low, high = integer(low, "randint: low"), integer(high, "randint: high")
    if not low < high <= low + 2**32:
        raise ValueError(f"randint: low < high ≤ low + 2³²; got {low} and {high}")
    return Tensor(place.random_integers(lengths, high - low, next_key(generator)) + low, place)


def randperm(n: int, device: DeviceLike = None, generator: Generator | None = None) -> Tensor:
    """Return the integers 0 … n − 1 in random order, as `numpy.random.permutation`.

    Args:
        n: how many, at least 0.

    Returns:
        A tensor (n,), int64.

    Raises:
        ValueError: n is negative.
    """
    count, cpu = checked_shape(n), get_device("cpu")
    draws = cpu.random_uniform(count, 0.0, 1.0, np.dtype(np.float64), next_key(generator))
    return tensor(np.argsort(draws, kind="stable"), device=device)


@explained
def meshgrid(*vectors: Tensor, indexing: Literal["xy", "ij"] = "xy") -> list[Tensor]:
    """Return the coordinates of a grid, from the coordinates along each axis, as `numpy.meshgrid`.

    Args:
        vectors: the coordinates along each axis, (n₁,), (n₂,), ….
        indexing: "ij", or "xy", which exchanges the first two axes.

    Returns:
        For each vector a tensor of its coordinates, (n₁, n₂, …), or (n₂, n₁, …) with "xy".

    Raises:
        ValueError: the indexing is neither.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is 'xy' or 'ij', not {indexing!r}")
    last = len(vectors) - 1
    apart = [v.reshape([1] * i + [v.size] + [1] * (last - i)) for i, v in enumerate(vectors)]
    grids = broadcast_arrays(*apart)
    return [g.swapaxes(0, 1) for g in grids] if indexing == "xy" and last > 0 else grids


def empty(shape: Shape, **settings: Unpack[_Settings]) -> Tensor:
    """Return `minigan.zeros` of this `shape` and these `settings`; `numpy.empty` sets no values."""
    return zeros(shape, **settings)


@explained
def empty_like(x: Tensor, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Return `minigan.zeros_like`; `numpy.empty_like` sets no values."""
    return zeros_like(x, dtype, requires_grad)


def rand(
    shape: Shape,
    low: float = 0.0,
    high: float = 1.0,
    dtype: DTypeLike = np.float32,
    device: DeviceLike = None,
    generator: Generator | None = None,
) -> Tensor:
    """Return uniform numbers in [low, high), as `numpy.random.uniform`.

    They are those of the generator's next step.

    Args:
        shape: the lengths of the axes, or one length.
        low: the least number.
        high: the upper bound, left out unless it is `low`.

    Returns:
        A tensor of that shape.

    Raises:
        TypeError: `dtype` is not float32 or float64, or the call looks like PyTorch's rand(3, 1).
        ValueError: low > high, a bound is not finite, or a length is negative.
    """
    if isinstance(shape, int) and type(low) is int and high == 1 <= low:  # high is left out
        raise TypeError(f"rand takes one shape: rand(({shape}, {low})), or a float as a bound")
    place, key = get_device(device), next_key(generator)
    values = place.random_uniform(checked_shape(shape), low, high, np.dtype(dtype), key)
    return Tensor(values, place)


def randn(
    shape: Shape,
    *,
    std: float = 1.0,
    dtype: DTypeLike = np.float32,
    device: DeviceLike = None,
    generator: Generator | None = None,
) -> Tensor:
    """Return normal numbers of mean 0, as `numpy.random.normal`.

    They are those of the generator's next step.

    Args:
        shape: the lengths of the axes, or one length.
        std: the standard deviation.

    Returns:
        A tensor of that shape.

    Raises:
        ValueError: a length is negative, or `std` is negative, infinite or NaN.
        TypeError: `dtype` is not float32 or float64.
    """
    check_range("randn: std", std)
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise TypeError(f"randn: the dtype is float32 or float64, not {np.dtype(dtype)}")
    key = next_key(generator)
    return tensor(normal(checked_shape(shape), std, key, np.dtype(dtype)), device=device)


def checked_shape(shape: Shape) -> tuple[int, ...]:
    """Return the shape as Python's integers, none negative."""
    lengths = integers((shape,), "a length")
    if any(n < 0 for n in lengths):
        raise ValueError(f"no length of a shape is negative; got {lengths}")
    return lengths


def _from_host(values: np.ndarray[Any, Any], dtype: DTypeLike | None, device: DeviceLike) -> Tensor:
    if dtype is None:
        dtype = np.float32 if values.dtype.kind == "f" else values.dtype
    return tensor(values.astype(dtype), device=device)
