"""Elementwise functions of one operand: one rule beside one function.

``dy`` is the gradient of the output. At a kink (0 of `absolute`) the rule takes a subgradient, named in the
docstring and in docs/singular_points.md.
"""

from __future__ import annotations

from numpy.typing import DTypeLike

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.shared import differentiable_of_reals
from minigan.saving import Array, Result

__all__ = [
    "absolute",
    "arccos",
    "arcsin",
    "arctan",
    "astype",
    "cos",
    "cosh",
    "exp",
    "expm1",
    "log",
    "log1p",
    "negative",
    "positive",
    "reciprocal",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
]


@differentiable
def negative(device: Device, x: Array) -> Result:
    """−x, elementwise, as `numpy.negative`."""
    return -x, lambda dy, needs: (-dy,)


@differentiable
def positive(device: Device, x: Array) -> Result:
    """+x, elementwise, as `numpy.positive`: a copy."""
    return device.copy(x), lambda dy, needs: (dy,)


@differentiable
def absolute(device: Device, x: Array) -> Result:
    """|x|, elementwise, as `numpy.absolute`; its gradient at 0, and at NaN, is 0."""
    xp = device.array_module
    return xp.absolute(x), lambda dy, needs: (xp.where(x > 0, dy, xp.where(x < 0, -dy, 0)),), (x,)


@differentiable_of_reals
def exp(device: Device, x: Array) -> Result:
    """eˣ, elementwise, as `numpy.exp`."""
    y = device.array_module.exp(x)
    return y, lambda dy, needs: (dy * y,), (y,)


@differentiable_of_reals
def expm1(device: Device, x: Array) -> Result:
    """eˣ − 1, exact near 0, elementwise, as `numpy.expm1`."""
    xp = device.array_module
    return xp.expm1(x), lambda dy, needs: (dy * xp.exp(x),), (x,)


@differentiable_of_reals
def log(device: Device, x: Array) -> Result:
    """Return the natural logarithm, elementwise, as `numpy.log`."""
    return device.array_module.log(x), lambda dy, needs: (dy / x,), (x,)


@differentiable_of_reals
def log1p(device: Device, x: Array) -> Result:
    """log(1 + x), exact near 0, elementwise, as `numpy.log1p`."""
    return device.array_module.log1p(x), lambda dy, needs: (dy / (1 + x),), (x,)


@differentiable_of_reals
def sqrt(device: Device, x: Array) -> Result:
    """√x, elementwise, as `numpy.sqrt`."""
    y = device.array_module.sqrt(x)
    return y, lambda dy, needs: (dy / (2 * y),), (y,)


@differentiable
def square(device: Device, x: Array) -> Result:
    """x², elementwise, as `numpy.square`."""
    return x * x, lambda dy, needs: (2 * dy * x,), (x,)


@differentiable
def reciprocal(device: Device, x: Array) -> Result:
    """1 / x, elementwise, as `numpy.reciprocal`; of integers it is float64."""
    y = 1 / x
    return y, lambda dy, needs: (-dy * y * y,), (y,)


@differentiable_of_reals
def sin(device: Device, x: Array) -> Result:
    """sin x, x in radians, elementwise, as `numpy.sin`."""
    xp = device.array_module
    return xp.sin(x), lambda dy, needs: (dy * xp.cos(x),), (x,)


@differentiable_of_reals
def cos(device: Device, x: Array) -> Result:
    """cos x, x in radians, elementwise, as `numpy.cos`."""
    xp = device.array_module
    return xp.cos(x), lambda dy, needs: (-dy * xp.sin(x),), (x,)


@differentiable_of_reals
def tan(device: Device, x: Array) -> Result:
    """tan x, x in radians, elementwise, as `numpy.tan`."""
    y = device.array_module.tan(x)
    return y, lambda dy, needs: (dy * (1 + y * y),), (y,)


@differentiable_of_reals
def arcsin(device: Device, x: Array) -> Result:
    """Return the angle in [−π/2, π/2] with the sine x, elementwise, as `numpy.arcsin`."""
    xp = device.array_module
    return xp.arcsin(x), lambda dy, needs: (dy / xp.sqrt((1 - x) * (1 + x)),), (x,)


@differentiable_of_reals
def arccos(device: Device, x: Array) -> Result:
    """Return the angle in [0, π] with the cosine x, elementwise, as `numpy.arccos`."""
    xp = device.array_module
    return xp.arccos(x), lambda dy, needs: (-dy / xp.sqrt((1 - x) * (1 + x)),), (x,)


@differentiable_of_reals
def arctan(device: Device, x: Array) -> Result:
    """Return the angle in (−π/2, π/2) with the tangent x, elementwise, as `numpy.arctan`."""
    return device.array_module.arctan(x), lambda dy, needs: (dy / (1 + x * x),), (x,)


@differentiable_of_reals
def sinh(device: Device, x: Array) -> Result:
    """(eˣ − e⁻ˣ) / 2, elementwise, as `numpy.sinh`."""
    xp = device.array_module
    return xp.sinh(x), lambda dy, needs: (dy * xp.cosh(x),), (x,)


@differentiable_of_reals
def cosh(device: Device, x: Array) -> Result:
    """(eˣ + e⁻ˣ) / 2, elementwise, as `numpy.cosh`."""
    xp = device.array_module
    return xp.cosh(x), lambda dy, needs: (dy * xp.sinh(x),), (x,)


@differentiable
def astype(device: Device, x: Array, dtype: DTypeLike) -> Result:
    """x in another dtype, elementwise, as `numpy.astype`.

    Between float types the gradient is cast back.

    Args:
        dtype: the dtype of the result, as `numpy.dtype` takes it.

    Raises:
        TypeError: NumPy knows no such dtype, or it is of no real numbers or bool.
    """
    before = x.dtype
    return x.astype(dtype), lambda dy, needs: (dy.astype(before),)
