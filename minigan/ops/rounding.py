"""Integers near a number, and remainders."""

from __future__ import annotations

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.comparison import _of_one
from minigan.ops.summation import unbroadcast
from minigan.saving import Array, Result, ShapeAndDtype
from minigan.tensor import Tensor

__all__ = ["ceil", "floor", "floor_divide", "nextafter", "remainder", "round", "sign", "trunc"]

sign = _of_one("sign", "The sign of x: −1, 0 or 1")
floor = _of_one("floor", "The largest integer ≤ x")
ceil = _of_one("ceil", "The smallest integer ≥ x")
trunc = _of_one("trunc", "The integer part of x")


@differentiable
def round(device: Device, x: Array, decimals: int = 0) -> Result:
    """Return the nearest number of so many decimals, halves to even, elementwise, as `numpy.round`.

    It has no gradient.

    Args:
        decimals: the number of digits behind the point; a negative one counts those before it.
    """
    return device.array_module.round(x, decimals), None


@differentiable
def floor_divide(device: Device, x: Array, y: Array) -> Result:
    """⌊x / y⌋, elementwise, as `numpy.floor_divide`.

    It has no gradient.
    """
    return device.array_module.floor_divide(x, y), None


@differentiable
def nextafter(device: Device, x: Array, y: Array) -> Result:
    """Return the next number after x towards y, elementwise, as `numpy.nextafter`.

    The gradient is x's, but 0 where they are equal.
    """
    xp = device.array_module
    moved = x != y
    likes = ShapeAndDtype(x), ShapeAndDtype(y)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        dx = unbroadcast(device, xp.where(moved, dy, 0), likes[0]) if needs[0] else None
        return dx, device.zeros(likes[1].shape, likes[1].dtype) if needs[1] else None

    return xp.nextafter(x, y), vjp, (moved,)


@differentiable
def remainder(device: Device, x: Array, y: Array) -> Result:
    """x − y·⌊x / y⌋, with the sign of y, elementwise, as `numpy.remainder`.

    The floor is held fixed in the gradient.
    """
    xp = device.array_module
    likes = ShapeAndDtype(x), ShapeAndDtype(y)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (
            unbroadcast(device, dy, likes[0]) if needs[0] else None,
            unbroadcast(device, -dy * xp.floor_divide(x, y), likes[1]) if needs[1] else None,
        )

    return xp.remainder(x, y), vjp, (x, y)


def divmod(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(⌊x / y⌋, x − y·⌊x / y⌋)."""
    return floor_divide(x, y), remainder(x, y)
