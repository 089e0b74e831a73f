"""Softmax, its logarithm, and the logarithm of a sum of exponentials, without overflow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigan.devices import Device
from minigan.ops.shared import (
    Axis,
    axes_of,
    differentiable_of_reals,
    kept_shape,
    largest,
    without_axes,
)
from minigan.ops.summation import sum_over
from minigan.saving import Array, Result

__all__ = ["log_softmax", "logsumexp", "softmax"]


@differentiable_of_reals
def logsumexp(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Return log Σ eˣ over the axes, without overflow, as `scipy.special.logsumexp`.

    Of no elements it is −∞.

    Args:
        x: any shape.

    Returns:
        A tensor of x's shape without the axes, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks an axis, or one is named twice.
    """
    xp = device.array_module
    kept = kept_shape(x.shape, axis)
    axes = axes_of(x.ndim, axis)
    high = largest(device, x, axis)
    high = xp.where(xp.isfinite(high), high, 0)
    total = (xp.log(_wide_sum(device, xp.exp(x - high), axes)) + high).astype(x.dtype, copy=False)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (xp.exp(x - total) * dy.reshape(kept),)

    return without_axes(device, total, axis, keepdims), vjp, (x, total)


@differentiable_of_reals
def log_softmax(device: Device, x: Array, axis: Axis = -1) -> Result:
    """x − log Σ eˣ along the axes, without overflow, as `scipy.special.log_softmax`.

    Args:
        x: any shape, with the axes.

    Returns:
        A tensor of x's shape.

    Raises:
        ValueError: x lacks an axis, or one is named twice.
    """
    xp = device.array_module
    axes = axes_of(x.ndim, axis)
    shifted = x - largest(device, x, axis)
    total = _wide_sum(device, xp.exp(shifted), axes)
    y = (shifted - xp.log(total)).astype(x.dtype, copy=False)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (dy - xp.exp(y) * sum_over(device, dy, axes, keepdims=True),)

    return y, vjp, (y,)


@differentiable_of_reals
def softmax(device: Device, x: Array, axis: Axis = -1) -> Result:
    """eˣ / Σ eˣ along the axes, without overflow, as `scipy.special.softmax`.

    Args:
        x: any shape, with the axes.

    Returns:
        A tensor of x's shape.

    Raises:
        ValueError: x lacks an axis, or one is named twice.
    """
    xp = device.array_module
    axes = axes_of(x.ndim, axis)
    e = xp.exp(x - largest(device, x, axis))
    y = (e / _wide_sum(device, e, axes)).astype(x.dtype, copy=False)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (y * (dy - sum_over(device, dy * y, axes, keepdims=True)),)

    return y, vjp, (y,)


def _wide_sum(device: Device, x: Array, axes: Sequence[int]) -> Array:
    """Return the sum over the axes in float32 at least: float16 ends at 65,504."""
    wide = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    return sum_over(device, wide, axes, keepdims=True)
