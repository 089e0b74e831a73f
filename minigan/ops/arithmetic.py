"""Elementwise operations of several operands, which broadcast as NumPy's do.

``dy`` is the gradient of the output; `broadcast_rule` sums the gradient of an operand that was
broadcast back to its shape. At a kink (ties of `maximum`) the rule takes a subgradient, named in the docstring and in
docs/singular_points.md.
"""

from __future__ import annotations

from typing import Any

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.shared import check_fits, differentiable_of_reals, in_kernel_dtype
from minigan.ops.summation import broadcast_rule
from minigan.saving import Array, Result

__all__ = [
    "add", "arctan2", "clip", "divide", "logaddexp", "maximum", "minimum", "multiply", "power",
    "subtract", "where",
]  # fmt: skip


def _alike(x: Any, y: Any) -> bool:
    """Return whether kernels take both, of one shape: other operands go through the array module."""
    return in_kernel_dtype(x) and in_kernel_dtype(y) and x.dtype == y.dtype and x.shape == y.shape


def _is_number(y: Any) -> bool:
    """Return whether y is a number of Python's own. It takes the dtype of the array beside it; a NumPy scalar has one."""
    return type(y) in (int, float)


@differentiable
def add(device: Device, x: Array, y: Array) -> Result:
    """x + y, elementwise, as `numpy.add`."""
    vjp = broadcast_rule(device, (x, y), lambda dy: dy, lambda dy: dy)
    return _sum(device, x, y, 1.0) if _alike(x, y) else x + y, vjp


@differentiable
def subtract(device: Device, x: Array, y: Array) -> Result:
    """x − y, elementwise, as `numpy.subtract`."""
    vjp = broadcast_rule(device, (x, y), lambda dy: dy, lambda dy: _product(device, dy, -1.0))
    return _sum(device, x, y, -1.0) if _alike(x, y) else x - y, vjp


def _sum(device: Device, x: Array, y: Array, scale: float) -> Array:
    return device.scaled_sum(device.contiguous(x), 1.0, device.contiguous(y), scale)


@differentiable
def multiply(device: Device, x: Array, y: Array) -> Result:
    """x·y, elementwise, as `numpy.multiply`."""
    vjp = broadcast_rule(
        device, (x, y), lambda dy: _product(device, dy, y), lambda dy: _product(device, dy, x)
    )
    return _product(device, x, y), vjp, (x, y)


def _product(device: Device, x: Any, y: Any) -> Array:
    if _is_number(x):
        x, y = y, x
    if in_kernel_dtype(x) and _is_number(y):
        return device.scaled_sum(device.contiguous(x), y, None, 0.0)
    if not _alike(x, y):
        return x * y
    return device.multiply(device.contiguous(x), device.contiguous(y))


@differentiable
def divide(device: Device, x: Array, y: Array) -> Result:
    """x / y, elementwise, as `numpy.divide`."""
    result = x / y
    # −x/y² without y², which overflows and underflows where the quotient does not
    vjp = broadcast_rule(device, (x, y), lambda dy: dy / y, lambda dy: -dy * (result / y))
    return result, vjp, (y, result)


@differentiable
def power(device: Device, x: Array, y: Array) -> Result:
    """xʸ, elementwise, as `numpy.power`.

    Its derivative by x, y·xʸ⁻¹, is 0 where y is 0. That by y, xʸ·log x, is 0 where x is 0 and
    y ≥ 0.

    Raises:
        ValueError: x and y are integers, and one of y is negative.
    """
    xp = device.array_module
    result = xp.power(x, y)

    def by_x(dy: Array) -> Array:
        return xp.where(y == 0, 0, dy * y * xp.power(x, y * 1 - (y != 0)))

    def by_y(dy: Array) -> Array:
        zero = (x == 0) & (y >= 0)
        return xp.where(zero, 0, dy * result * xp.log(xp.where(zero, 1, x)))

    return result, broadcast_rule(device, (x, y), by_x, by_y), (x, y, result)


@differentiable
def maximum(device: Device, x: Array, y: Array) -> Result:
    """Return the larger of x and y, elementwise, as `numpy.maximum`.

    Where they are equal the gradient is shared half and half.
    """
    return _choose(device, device.array_module.maximum(x, y), x, y, x, y)


@differentiable
def minimum(device: Device, x: Array, y: Array) -> Result:
    """Return the smaller of x and y, elementwise, as `numpy.minimum`.

    Where they are equal the gradient is shared half and half.
    """
    return _choose(device, device.array_module.minimum(x, y), x, y, y, x)


def _choose(device: Device, result: Array, x: Array, y: Array, high: Array, low: Array) -> Result:
    """x is left out where high < low, and y where high > low; NaN is neither, so both get the whole gradient, as in PyTorch."""
    xp = device.array_module

    def share(dy: Array, is_left_out: Array) -> Array:
        return xp.where(is_left_out, 0, xp.where(high == low, dy / 2, dy))

    vjp = broadcast_rule(
        device, (x, y), lambda dy: share(dy, high < low), lambda dy: share(dy, high > low)
    )
    return result, vjp, (high, low)


@differentiable_of_reals
def arctan2(device: Device, y: Array, x: Array) -> Result:
    """Return the angle of the point (x, y), in (−π, π], elementwise, as `numpy.arctan2`.

    Its gradient is 0 at the origin and at infinity.
    """
    xp = device.array_module

    def gradient(dy: Array, z: Array) -> Array:
        # z/(x² + y²) without the squares, which overflow and underflow where the radius does not
        radius = xp.hypot(x, y)
        singular = (radius == 0) | xp.isinf(radius)
        radius = xp.where(singular, 1, radius)
        return xp.where(singular, 0, dy * (z / radius / radius))

    vjp = broadcast_rule(device, (y, x), lambda dy: gradient(dy, x), lambda dy: gradient(dy, -y))
    return xp.arctan2(y, x), vjp, (x, y)


@differentiable_of_reals
def logaddexp(device: Device, x: Array, y: Array) -> Result:
    """log(eˣ + eʸ), without overflow, elementwise, as `numpy.logaddexp`.

    Two equal infinities share its gradient equally.
    """
    xp = device.array_module

    def share(a: Array, b: Array) -> Array:
        """Return eᵃ/(eᵃ + eᵇ)."""
        difference = xp.where(a == b, 0, a - b)
        return xp.exp(xp.minimum(difference, 0)) / (1 + xp.exp(-xp.absolute(difference)))

    vjp = broadcast_rule(device, (x, y), lambda dy: dy * share(x, y), lambda dy: dy * share(y, x))
    return xp.logaddexp(x, y), vjp, (x, y)


@differentiable
def where(device: Device, condition: Array, x: Array, y: Array) -> Result:
    """x where the condition holds, y elsewhere: elementwise, as `numpy.where`.

    Args:
        condition: bool, or numbers, which hold unless they are 0; it broadcasts with x and y.
    """
    xp = device.array_module
    check_fits(xp.result_type(x, y), x, y)
    vjp = broadcast_rule(
        device,
        (condition, x, y),
        None,
        lambda dy: xp.where(condition, dy, 0),
        lambda dy: xp.where(condition, 0, dy),
    )
    return xp.where(condition, x, y), vjp, (condition,)


@differentiable
def clip(device: Device, x: Array, low: Array | None = None, high: Array | None = None) -> Result:
    """x held between low and high, elementwise, as `numpy.clip`.

    The gradient goes to x on the bounds and between them, else to the bound that is the result.

    Args:
        low: the least result, a number or a tensor that broadcasts with x, or None for no bound.
        high: the largest result, a number or a tensor that broadcasts with x, or None.
    """
    xp = device.array_module
    raised = x if low is None else xp.maximum(x, low)
    y = raised if high is None else xp.minimum(raised, high)
    nowhere = xp.zeros(x.shape, bool)
    to_high = nowhere if high is None else raised > high
    to_low = nowhere if low is None else (x < low) & ~to_high
    inside = ~(to_low | to_high | xp.isnan(y))
    masks = inside, to_low, to_high
    rules = [lambda dy, mask=mask: xp.where(mask, dy, 0) for mask in masks]
    return xp.array(y), broadcast_rule(device, (x, low, high), *rules), masks
