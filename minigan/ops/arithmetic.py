"""Elementwise operations of several operands, which broadcast as NumPy's do.

``dy`` is the gradient of the output; `unbroadcast` sums it back to the shape of an operand that was
broadcast. At a kink (ties of `maximum`) the rule takes a subgradient, named in the docstring and in
docs/singular_points.md.
"""

from __future__ import annotations

from typing import Any

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.shared import in_kernel_dtype, of_real_numbers
from minigan.ops.summation import unbroadcast
from minigan.saving import Array, Result, ShapeAndDtype

__all__ = [
    "add",
    "arctan2",
    "clip",
    "divide",
    "logaddexp",
    "maximum",
    "minimum",
    "multiply",
    "power",
    "subtract",
    "where",
]


def _alike(x: Any, y: Any) -> bool:
    """Return whether kernels take both, of one shape: other operands go through the array module."""
    return in_kernel_dtype(x) and in_kernel_dtype(y) and x.dtype == y.dtype and x.shape == y.shape


def _is_number(y: Any) -> bool:
    """Return whether y is a number of Python's own. It takes the dtype of the array beside it; a NumPy scalar has one."""
    return type(y) in (int, float)


@differentiable
def add(device: Device, x: Array, y: Array) -> Result:
    """x + y, elementwise, as `numpy.add`."""
    x_like, y_like = ShapeAndDtype(x), ShapeAndDtype(y)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (
            unbroadcast(device, dy, x_like) if needs[0] else None,
            unbroadcast(device, dy, y_like) if needs[1] else None,
        )

    return _sum(device, x, y, 1.0) if _alike(x, y) else x + y, vjp


@differentiable
def subtract(device: Device, x: Array, y: Array) -> Result:
    """x − y, elementwise, as `numpy.subtract`."""
    x_like, y_like = ShapeAndDtype(x), ShapeAndDtype(y)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (
            unbroadcast(device, dy, x_like) if needs[0] else None,
            unbroadcast(device, _scaled(device, dy, -1.0), y_like) if needs[1] else None,
        )

    return _sum(device, x, y, -1.0) if _alike(x, y) else x - y, vjp


def _sum(device: Device, x: Array, y: Array, scale: float) -> Array:
    return device.scaled_sum(device.contiguous(x), 1.0, device.contiguous(y), scale)


def _scaled(device: Device, x: Array, scale: float) -> Array:
    if not in_kernel_dtype(x):
        return scale * x
    return device.scaled_sum(device.contiguous(x), scale, None, 0.0)


@differentiable
def multiply(device: Device, x: Array, y: Array) -> Result:
    """x·y, elementwise, as `numpy.multiply`."""

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (
            unbroadcast(device, _product(device, dy, y), x) if needs[0] else None,
            unbroadcast(device, _product(device, dy, x), y) if needs[1] else None,
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

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        # −x/y² without y², which overflows and underflows where the quotient does not.
        return (
            unbroadcast(device, dy / y, x) if needs[0] else None,
            unbroadcast(device, -dy * (result / y), y) if needs[1] else None,
        )

    return result, vjp, (x, y, result)


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

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        dx = xp.where(y == 0, 0, dy * y * xp.power(x, y * 1 - (y != 0))) if needs[0] else None
        if needs[1]:  # the logarithm of a negative x warns: only where it is wanted
            zero = (x == 0) & (y >= 0)
            dy = xp.where(zero, 0, dy * result * xp.log(xp.where(zero, 1, x)))
        return (
            unbroadcast(device, dx, x) if needs[0] else None,
            unbroadcast(device, dy, y) if needs[1] else None,
        )

    return result, vjp, (x, y, result)


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

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        share = xp.where(x == y, dy / 2, dy)
        return (
            unbroadcast(device, xp.where(high < low, 0, share), x) if needs[0] else None,
            unbroadcast(device, xp.where(high > low, 0, share), y) if needs[1] else None,
        )

    return result, vjp, (x, y, high, low)


@differentiable
@of_real_numbers
def arctan2(device: Device, y: Array, x: Array) -> Result:
    """Return the angle of the point (x, y), in (−π, π], elementwise, as `numpy.arctan2`.

    Its gradient is 0 at the origin and at infinity.
    """
    xp = device.array_module

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        # without x² + y², which overflows and underflows where the radius does not
        radius = xp.hypot(x, y)
        singular = (radius == 0) | xp.isinf(radius)
        radius = xp.where(singular, 1, radius)

        def by(z: Array) -> Array:
            return xp.where(singular, 0, dy * (z / radius / radius))

        return (
            unbroadcast(device, by(x), y) if needs[0] else None,
            unbroadcast(device, by(-y), x) if needs[1] else None,
        )

    return xp.arctan2(y, x), vjp, (x, y)


@differentiable
@of_real_numbers
def logaddexp(device: Device, x: Array, y: Array) -> Result:
    """log(eˣ + eʸ), without overflow, elementwise, as `numpy.logaddexp`.

    Two equal infinities share its gradient equally.
    """
    xp = device.array_module

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        difference = xp.where(x == y, 0, x - y)
        small = xp.exp(-xp.absolute(difference))
        larger, smaller = 1 / (1 + small), small / (1 + small)
        by_x = xp.where(difference < 0, smaller, larger)
        by_y = xp.where(difference < 0, larger, smaller)
        return (
            unbroadcast(device, dy * by_x, x) if needs[0] else None,
            unbroadcast(device, dy * by_y, y) if needs[1] else None,
        )

    return xp.logaddexp(x, y), vjp, (x, y)


@differentiable
def where(device: Device, condition: Array, x: Array, y: Array) -> Result:
    """x where the condition holds, y elsewhere: elementwise, as `numpy.where`.

    Args:
        condition: bool, or numbers, which hold unless they are 0; it broadcasts with x and y.
    """
    xp = device.array_module
    x_like, y_like = ShapeAndDtype(x), ShapeAndDtype(y)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (
            None,
            unbroadcast(device, xp.where(condition, dy, 0), x_like) if needs[1] else None,
            unbroadcast(device, xp.where(condition, 0, dy), y_like) if needs[2] else None,
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
    likes = [ShapeAndDtype(operand) for operand in (x, low, high)]

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return tuple(
            unbroadcast(device, xp.where(mask, dy, 0), like) if needed else None
            for mask, like, needed in zip((inside, to_low, to_high), likes, needs, strict=False)
        )

    return xp.array(y), vjp, (inside, to_low, to_high)
