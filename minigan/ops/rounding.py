"""Integers near a number, and remainders."""

from __future__ import annotations

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.by_name import of_one, of_two
from minigan.ops.summation import broadcast_rule
from minigan.saving import Array, Result
from minigan.tensor import Tensor

__all__ = ["ceil", "floor", "floor_divide", "nextafter", "remainder", "round", "sign", "trunc"]

sign = of_one("sign", "The sign of x: −1, 0 or 1")
floor = of_one("floor", "The largest integer ≤ x")
ceil = of_one("ceil", "The smallest integer ≥ x")
trunc = of_one("trunc", "The integer part of x")
floor_divide = of_two("floor_divide", "⌊x / y⌋")


@differentiable
def round(device: Device, x: Array, decimals: int = 0) -> Result:
    """Return the nearest number of so many decimals, halves to even, elementwise, as `numpy.round`.

    It has no gradient.

    Args:
        decimals: the number of digits behind the point; a negative one counts those before it.
    """
    return device.array_module.round(x, decimals), None


@differentiable
def nextafter(device: Device, x: Array, y: Array) -> Result:
    """Return the next number after x towards y, elementwise, as `numpy.nextafter`.

    The gradient is x's, but 0 where they are equal.
    """
    xp = device.array_module
    moved = x != y
    vjp = broadcast_rule(device, (x, y), lambda dy: xp.where(moved, dy, 0), xp.zeros_like)
    return xp.nextafter(x, y), vjp, (moved,)


@differentiable
def remainder(device: Device, x: Array, y: Array) -> Result:
    """x − y·⌊x / y⌋, with the sign of y, elementwise, as `numpy.remainder`.

    The floor is held fixed in the gradient.
    """
    xp = device.array_module
    vjp = broadcast_rule(device, (x, y), lambda dy: dy, lambda dy: -dy * xp.floor_divide(x, y))
    return xp.remainder(x, y), vjp, (x, y)


def divmod(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(⌊x / y⌋, x − y·⌊x / y⌋)."""
    return floor_divide(x, y), remainder(x, y)
