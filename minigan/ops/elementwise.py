"""Elementwise functions of one operand: one rule beside one function.

``dy`` is the gradient of the output. At a kink (0 of `absolute`) the rule takes a subgradient, named in the
docstring and in docs/singular_points.md.
"""

from __future__ import annotations

from typing import Any

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.shared import of_real_numbers
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
    """−x."""
    return -x, lambda dy, needs: (-dy,)


@differentiable
def positive(device: Device, x: Array) -> Result:
    """+x: a copy."""
    return device.copy(x), lambda dy, needs: (dy,)


@differentiable
def absolute(device: Device, x: Array) -> Result:
    """|x|; its gradient at 0, and at NaN, is 0."""
    xp = device.array_module
    return xp.absolute(x), lambda dy, needs: (xp.where(x > 0, dy, xp.where(x < 0, -dy, 0)),), (x,)


@differentiable
@of_real_numbers
def exp(device: Device, x: Array) -> Result:
    """eˣ."""
    y = device.array_module.exp(x)
    return y, lambda dy, needs: (dy * y,), (y,)


@differentiable
@of_real_numbers
def expm1(device: Device, x: Array) -> Result:
    """eˣ − 1, exact near 0."""
    xp = device.array_module
    return xp.expm1(x), lambda dy, needs: (dy * xp.exp(x),), (x,)


@differentiable
@of_real_numbers
def log(device: Device, x: Array) -> Result:
    """Return the natural logarithm."""
    return device.array_module.log(x), lambda dy, needs: (dy / x,), (x,)


@differentiable
@of_real_numbers
def log1p(device: Device, x: Array) -> Result:
    """log(1 + x), exact near 0."""
    return device.array_module.log1p(x), lambda dy, needs: (dy / (1 + x),), (x,)


@differentiable
@of_real_numbers
def sqrt(device: Device, x: Array) -> Result:
    """√x."""
    y = device.array_module.sqrt(x)
    return y, lambda dy, needs: (dy / (2 * y),), (y,)


@differentiable
def square(device: Device, x: Array) -> Result:
    """x²."""
    return x * x, lambda dy, needs: (2 * dy * x,), (x,)


@differentiable
def reciprocal(device: Device, x: Array) -> Result:
    """1 / x."""
    y = 1 / x
    return y, lambda dy, needs: (-dy * y * y,), (y,)


@differentiable
@of_real_numbers
def sin(device: Device, x: Array) -> Result:
    """sin x, x in radians."""
    xp = device.array_module
    return xp.sin(x), lambda dy, needs: (dy * xp.cos(x),), (x,)


@differentiable
@of_real_numbers
def cos(device: Device, x: Array) -> Result:
    """cos x, x in radians."""
    xp = device.array_module
    return xp.cos(x), lambda dy, needs: (-dy * xp.sin(x),), (x,)


@differentiable
@of_real_numbers
def tan(device: Device, x: Array) -> Result:
    """tan x, x in radians."""
    y = device.array_module.tan(x)
    return y, lambda dy, needs: (dy * (1 + y * y),), (y,)


@differentiable
@of_real_numbers
def arcsin(device: Device, x: Array) -> Result:
    """Return the angle in [−π/2, π/2] with the sine x."""
    xp = device.array_module
    return xp.arcsin(x), lambda dy, needs: (dy / xp.sqrt((1 - x) * (1 + x)),), (x,)


@differentiable
@of_real_numbers
def arccos(device: Device, x: Array) -> Result:
    """Return the angle in [0, π] with the cosine x."""
    xp = device.array_module
    return xp.arccos(x), lambda dy, needs: (-dy / xp.sqrt((1 - x) * (1 + x)),), (x,)


@differentiable
@of_real_numbers
def arctan(device: Device, x: Array) -> Result:
    """Return the angle in (−π/2, π/2) with the tangent x."""
    return device.array_module.arctan(x), lambda dy, needs: (dy / (1 + x * x),), (x,)


@differentiable
@of_real_numbers
def sinh(device: Device, x: Array) -> Result:
    """(eˣ − e⁻ˣ) / 2."""
    xp = device.array_module
    return xp.sinh(x), lambda dy, needs: (dy * xp.cosh(x),), (x,)


@differentiable
@of_real_numbers
def cosh(device: Device, x: Array) -> Result:
    """(eˣ + e⁻ˣ) / 2."""
    xp = device.array_module
    return xp.cosh(x), lambda dy, needs: (dy * xp.sinh(x),), (x,)


@differentiable
def astype(device: Device, x: Array, dtype: Any) -> Result:
    """x in another dtype; between float types the gradient is cast back."""
    before = x.dtype
    return x.astype(dtype), lambda dy, needs: (dy.astype(before),)
