"""Questions about elements, and arithmetic of truth values and bits: no gradient."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.by_name import of_one, of_two
from minigan.ops.shared import Axis, axes_of
from minigan.saving import Array, Result, is_array
from minigan.tensor import Tensor

__all__ = [
    "all", "allclose", "any", "bitwise_and", "bitwise_invert", "bitwise_left_shift", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "count_nonzero", "equal", "greater", "greater_equal",
    "isclose", "isfinite", "isinf", "isnan", "less", "less_equal", "logical_and", "logical_not",
    "logical_or", "logical_xor", "not_equal", "searchsorted", "signbit",
]  # fmt: skip


Side = Literal["left", "right"]


less = of_two("less", "x < y: bool")
less_equal = of_two("less_equal", "x <= y: bool")
greater = of_two("greater", "x > y: bool")
greater_equal = of_two("greater_equal", "x >= y: bool")
logical_and = of_two("logical_and", "x and y: bool")
logical_or = of_two("logical_or", "x or y: bool")
logical_xor = of_two("logical_xor", "Either x or y, not both: bool")
logical_not = of_one("logical_not", "not x: bool")
bitwise_and = of_two("bitwise_and", "x & y of the bits of integers, or of bool")
bitwise_or = of_two("bitwise_or", "x | y of the bits of integers, or of bool")
bitwise_xor = of_two("bitwise_xor", "x ^ y of the bits of integers, or of bool")
bitwise_invert = of_one("invert", "~x: every bit of an integer, or bool, the other way")
bitwise_left_shift = of_two("left_shift", "x·2ʸ of integers")
bitwise_right_shift = of_two("right_shift", "⌊x / 2ʸ⌋ of integers")
isfinite = of_one("isfinite", "Return whether x is neither NaN nor infinite")
isinf = of_one("isinf", "Return whether x is infinite")
isnan = of_one("isnan", "Return whether x is NaN")
signbit = of_one("signbit", "Return whether the sign of x is minus, −0 included")


@differentiable
def equal(device: Device, x: Array, y: Array | Any) -> Result:
    """x == y: bool, elementwise, as `numpy.equal`; a y that is no real number equals none.

    It has no gradient.
    """
    return x == y if _is_real(y) else device.array_module.zeros(x.shape, bool), None


@differentiable
def not_equal(device: Device, x: Array, y: Array | Any) -> Result:
    """x != y: bool, elementwise, as `numpy.not_equal`; a y that is no real number equals none.

    It has no gradient.
    """
    return x != y if _is_real(y) else device.array_module.ones(x.shape, bool), None


def _is_real(y: Any) -> bool:
    return is_array(y) or isinstance(y, (int, float, np.generic))


@differentiable
def searchsorted(device: Device, x: Array, values: Array, side: Side = "left") -> Result:
    """Return the indices in the sorted x where `values` belong, as `numpy.searchsorted`.

    It has no gradient.

    Args:
        x: numbers in rising order, (n,).
        values: numbers of any shape.
        side: "left" is before equal elements of x, "right" after them.

    Returns:
        A tensor of the shape of `values`, int64, 0 … n.

    Raises:
        ValueError: x has other than one axis, or the side is neither.
    """
    return device.array_module.searchsorted(x, values, side=side), None


def allclose(
    x: Tensor, y: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Return whether |x − y| ≤ atol + rtol·|y| for every element, as `numpy.allclose`.

    Args:
        x: numbers of any shape.
        y: numbers of a shape that broadcasts with x's.
        rtol: the error allowed in proportion to |y|.
        atol: the error allowed in any case.
        equal_nan: whether NaN is close to NaN.

    Raises:
        ValueError: the shapes do not broadcast.
    """
    return bool(all(isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan)))


@differentiable
def isclose(
    device: Device,
    x: Array,
    y: Array,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Result:
    """Return whether |x − y| ≤ atol + rtol·|y|, elementwise, as `numpy.isclose`: bool.

    It has no gradient.

    Args:
        rtol: the error allowed in proportion to |y|.
        atol: the error allowed in any case.
        equal_nan: whether NaN is close to NaN.
    """
    return device.array_module.isclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan), None


@differentiable
def all(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Return whether every element along the axes is true, that is not 0, as `numpy.all`.

    It has no gradient.

    Args:
        x: bool or numbers, of any shape.

    Returns:
        A tensor of bool, of x's shape without the axes, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks an axis, or one is named twice.
        TypeError: an axis is no integer.
    """
    return device.array_module.all(x, axis=axes_of(x.ndim, axis), keepdims=keepdims), None


@differentiable
def any(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Return whether some element along the axes is true, that is not 0, as `numpy.any`.

    It has no gradient.

    Args:
        x: bool or numbers, of any shape.

    Returns:
        A tensor of bool, of x's shape without the axes, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks an axis, or one is named twice.
        TypeError: an axis is no integer.
    """
    return device.array_module.any(x, axis=axes_of(x.ndim, axis), keepdims=keepdims), None


@differentiable
def count_nonzero(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Return how many elements along the axes are not 0, as `numpy.count_nonzero`.

    It has no gradient.

    Args:
        x: bool or numbers, of any shape.

    Returns:
        A tensor of int64, of x's shape without the axes, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks an axis, or one is named twice.
        TypeError: an axis is no integer.
    """
    return device.array_module.sum(x != 0, axis=axes_of(x.ndim, axis), keepdims=keepdims), None
