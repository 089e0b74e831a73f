"""Elementwise functions of one operand: one rule beside one function.

``dy`` is the gradient of the output. At a kink (0 of `absolute`) the rule takes a subgradient, named in the
docstring and in docs/singular_points.md.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import DTypeLike

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.by_name import of_x, of_y
from minigan.saving import Array, Result

__all__ = [
    "absolute", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "astype", "cos", "cosh", "exp", "exp2",
    "expm1", "log", "log1p", "log2", "log10", "negative", "positive", "reciprocal", "sin", "sinh", "sqrt", "square", "tan",
]  # fmt: skip


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


@differentiable
def square(device: Device, x: Array) -> Result:
    """x², elementwise, as `numpy.square`."""
    return x * x, lambda dy, needs: (dy * (2 * x),), (x,)


reciprocal = of_y("reciprocal", "1 / x, float64 for integers", lambda xp, y, dy: -dy * y * y)
sqrt = of_y("sqrt", "√x", lambda xp, y, dy: dy / (2 * y))

# Exponentials and logarithms
exp = of_y("exp", "eˣ", lambda xp, y, dy: dy * y)
exp2 = of_y("exp2", "2ˣ", lambda xp, y, dy: dy * y * math.log(2))
expm1 = of_x("expm1", "eˣ − 1, exact near 0", lambda xp, x, dy: dy * xp.exp(x))
log = of_x("log", "Return the natural logarithm", lambda xp, x, dy: dy / x)
log1p = of_x("log1p", "log(1 + x), exact near 0", lambda xp, x, dy: dy / (1 + x))
log2 = of_x("log2", "log x, to base 2", lambda xp, x, dy: dy / (x * math.log(2)))
log10 = of_x("log10", "log x, to base 10", lambda xp, x, dy: dy / (x * math.log(10)))

# Trigonometric functions, of radians, and their inverses
sin = of_x("sin", "sin x, x in radians", lambda xp, x, dy: dy * xp.cos(x))
cos = of_x("cos", "cos x, x in radians", lambda xp, x, dy: -dy * xp.sin(x))
tan = of_y("tan", "tan x, x in radians", lambda xp, y, dy: dy * (1 + y * y))
arcsin = of_x("arcsin", "sin⁻¹ x, in [−π/2, π/2]", lambda xp, x, dy: dy / _cosine(xp, x))
arccos = of_x("arccos", "cos⁻¹ x, in [0, π]", lambda xp, x, dy: -dy / _cosine(xp, x))
arctan = of_x("arctan", "tan⁻¹ x, in (−π/2, π/2)", lambda xp, x, dy: dy / (1 + x * x))

# Hyperbolic functions and their inverses
sinh = of_x("sinh", "(eˣ − e⁻ˣ) / 2", lambda xp, x, dy: dy * xp.cosh(x))
cosh = of_x("cosh", "(eˣ + e⁻ˣ) / 2", lambda xp, x, dy: dy * xp.sinh(x))
arcsinh = of_x("arcsinh", "sinh⁻¹ x", lambda xp, x, dy: dy / xp.hypot(x, xp.ones_like(x)))
arccosh = of_x("arccosh", "cosh⁻¹ x, ≥ 0", lambda xp, x, dy: dy / xp.sqrt(x - 1) / xp.sqrt(x + 1))
arctanh = of_x("arctanh", "tanh⁻¹ x", lambda xp, x, dy: dy / ((1 - x) * (1 + x)))


def _cosine(xp: Any, sine: Array) -> Array:
    return xp.sqrt((1 - sine) * (1 + sine))


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
