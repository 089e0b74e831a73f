"""Checks and rules that several operations share."""

from __future__ import annotations

import contextlib
import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, SupportsIndex, cast

import numpy as np

from minigan.devices import Device
from minigan.devices.arguments import REALS
from minigan.operation import as_operand, differentiable
from minigan.saving import Array, Result, is_array
from minigan.tensor import Tensor, common_device

Parameters = ParamSpec("Parameters")

Axis = SupportsIndex | Sequence[SupportsIndex] | None
_HALF = np.dtype(np.float16)


def axes_of(ndim: int, axis: Any) -> tuple[int, ...]:
    """Return the axes that `axis` names, counted from the first: one, several in a tuple or list, or None for all."""
    if axis is None:
        return tuple(range(ndim))
    names = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(axis_of(ndim, a) for a in names)
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis {axis} names an axis twice")
    return axes


def axis_of(ndim: int, axis: Any) -> int:
    """Return one axis, counted from the first; ValueError where there is no such axis."""
    position = integer(axis, "axis")
    if not -ndim <= position < ndim:
        raise ValueError(f"axis {position} is not one of the {ndim} axes")
    return position % ndim


def checked_axis(x: Any, axis: int, operation: str) -> int:
    """Return an axis of a tensor, counted from the first; a ValueError names the operation."""
    try:
        return axis_of(x.ndim, axis)
    except ValueError as error:
        raise ValueError(f"{operation}: {error} of {x.shape}") from None


def integer(value: Any, name: str) -> int:
    """Return an int of Python, NumPy or a tensor as Python's; TypeError for a number that is none, and for True."""
    with contextlib.suppress(TypeError):
        if not isinstance(value, bool):
            return operator.index(value)
    raise TypeError(f"{name} is an integer, not {value!r}")


def integers(values: tuple[Any, ...], name: str = "a length or an axis") -> tuple[int, ...]:
    """Return (2, 3) from f(2, 3), f((2, 3)), f([2, 3]) or an array or tensor of them."""
    if len(values) == 1 and np.ndim(values[0]) == 1:
        values = tuple(values[0])
    return tuple(integer(v, name) for v in values)


def largest(device: Device, x: Array, axis: Axis) -> Array:
    """Return the largest element along the axes, or of none 0: a softmax of nothing is nothing."""
    xp = device.array_module
    return (xp.max if x.size else xp.sum)(x, axis=axis, keepdims=True)


def deviations(device: Device, x: Array, mean: Array, axes: Axis) -> Array:
    """x − mean, but 0 where all along the axes are equal: a rounded mean may differ from them."""
    xp, high = device.array_module, largest(device, x, axes)
    return x - xp.where(xp.all(x == high, axis=axes, keepdims=True), high, mean)


def differentiable_of_reals(
    function: Callable[Concatenate[Device, Parameters], Result],
) -> Callable[Parameters, Tensor]:
    """Turn a function into an operation that computes integers and bool in float64, and float16 in float32.

    NumPy might choose float16 for integers, or wrap; and sums of float16 end at 65,504.
    """

    @functools.wraps(function)
    def of_floats(device: Device, /, *operands: Any, **settings: Any) -> Result:
        given = [*map(_as_float, operands)]
        dtypes = [getattr(x, "dtype", None) for x in given]
        if _HALF not in dtypes:
            return function(device, *given, **settings)
        wide = [
            x.astype(np.float32) if d == _HALF else x for x, d in zip(given, dtypes, strict=True)
        ]
        output, vjp, *saved = cast(Any, function(device, *wide, **settings))
        computed = output.dtype

        def narrow(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
            gradients = zip(vjp(dy.astype(computed), needs), dtypes, strict=False)
            return tuple(None if g is None else g.astype(d) for g, d in gradients)

        result = np.result_type(*(d for d in dtypes if d is not None))
        return output.astype(result), narrow, *saved

    return differentiable(cast(Callable[Concatenate[Device, Parameters], Result], of_floats))


def _as_float(x: Any) -> Any:
    return x.astype(np.float64) if is_array(x) and x.dtype.kind in "iub" else x


def in_kernel_dtype(x: Any) -> bool:
    """Return whether x is an array that kernels take: of float32 or float64."""
    return getattr(x, "dtype", None) in REALS


def check_one_float_dtype(*operands: Array | None) -> None:
    """Refuse operands of several dtypes: a kernel reads all in one; None stands for an operand that is left out."""
    dtypes = {a.dtype for a in operands if a is not None}
    if len(dtypes) != 1 or not dtypes <= REALS.keys():
        names = ", ".join(sorted(map(str, dtypes)))
        raise ValueError(f"the operands are {names}, not all float32 or all float64")


def check_range(name: str, value: float, most: float = math.inf, below: float = math.inf) -> float:
    """Return a finite number where 0 ≤ value ≤ most, and value < below; NaN lies nowhere."""
    if not hasattr(value, "__float__"):
        raise TypeError(f"{name} is a number, not {value!r}")
    if not (0 <= value <= most and value < below):
        ends = {most: f"in [0, {most:g}]", below: f"in [0, {below:g})"}
        ends[math.inf] = "at least 0 and finite"
        raise ValueError(f"{name} is {ends[min(most, below)]}; not {value}")
    return float(value)


def check_fits(dtype: Any, *values: Any) -> None:
    """Raise OverflowError for a number that an integer dtype lacks: some functions of NumPy wrap it around."""
    np.array([v for v in values if isinstance(v, (int, float))], dtype)


def array_beside(operation: str, like: Tensor, data: Any) -> Array:
    """Return a tensor, an array or numbers as an array of the device of `like`; no gradient reaches it."""
    device = common_device(operation, [like, data])
    return as_operand(operation, data if hasattr(data, "dtype") else np.asarray(data), device)
