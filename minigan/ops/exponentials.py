"""Softmax, its logarithm, and the logarithm of a sum of exponentials, without overflow."""

from __future__ import annotations

from minigan.devices import Device
from minigan.ops.shared import Axis, axes_of, differentiable_of_reals, largest
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
    axes = axes_of(x.ndim, axis)
    high = largest(device, x, axes)
    high = xp.where(xp.isfinite(high), high, 0)
    total = xp.log(sum_over(device, xp.exp(x - high), axes, keepdims=True)) + high
    y = total if keepdims else xp.squeeze(total, axes)
    return y, lambda dy, needs: (xp.exp(x - total) * dy.reshape(total.shape),), (x, total)


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
    shifted = x - largest(device, x, axes)
    y = shifted - xp.log(sum_over(device, xp.exp(shifted), axes, keepdims=True))
    return y, lambda dy, needs: (dy - xp.exp(y) * sum_over(device, dy, axes, keepdims=True),), (y,)


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
    e = xp.exp(x - largest(device, x, axes))
    y = e / sum_over(device, e, axes, keepdims=True)
    return y, lambda dy, needs: (y * (dy - sum_over(device, dy * y, axes, keepdims=True)),), (y,)
