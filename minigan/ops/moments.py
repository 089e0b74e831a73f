"""Variances and norms. They scale their values first, so that no square overflows or underflows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minigan.devices import Device
from minigan.ops.shared import Axis, axes_of, deviations, differentiable_of_reals, largest
from minigan.ops.summation import sum_over
from minigan.saving import VJP, Array, Result

__all__ = ["norm", "std", "var"]


def _moments(
    device: Device, x: Array, axes: tuple[int, ...], correction: float
) -> tuple[Array, Array, Array, float]:
    """Return (x − mean)·scale, Σ of its squares / freedom, the scale, and the freedom: the count − correction."""
    count = math.prod(x.shape[a] for a in axes)
    if not count > correction:
        raise ValueError(f"the variance of {count} values has no correction {correction}")
    x, scale = _scaled(device, x, axes)
    deviation = deviations(device, x, sum_over(device, x, axes, keepdims=True) / count, axes)
    squares = sum_over(device, deviation * deviation, axes, keepdims=True)
    return deviation, squares / (count - correction), scale, count - correction


def _rule(shape: tuple[int, ...], slope: Callable[[], Array]) -> VJP:
    """Return the vjp of a result, of that shape with axes of length 1, that changes by slope·dx."""
    return lambda dy, needs: (slope() * dy.reshape(shape),)


def _scaled(device: Device, x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """x·2ᵏ, with its largest element along the axes about 1, and 2ᵏ: exact, and 1 for infinities and NaN."""
    xp = device.array_module
    limits = np.finfo(x.dtype)
    high = largest(device, xp.absolute(x), axes)
    high = xp.where(xp.isfinite(high), high, 1)
    exponent = xp.clip(xp.frexp(high)[1], int(limits.minexp) + 2, int(limits.maxexp) - 2)
    scale = xp.ldexp(xp.ones_like(high), -exponent)
    return x * scale, scale


@differentiable_of_reals
def var(
    device: Device, x: Array, axis: Axis = None, keepdims: bool = False, correction: float = 0
) -> Result:
    """Σ (x − mean)² / (n − correction) over the n elements along the axes, as `numpy.var`.

    Args:
        x: any shape.
        correction: the number subtracted from the count; 1 gives the unbiased variance.

    Returns:
        A tensor of x's shape without the axes, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks an axis, one is named twice, or there are no more values than the
            correction.
    """
    axes = axes_of(x.ndim, axis)
    deviation, variance, scale, freedom = _moments(device, x, axes, correction)
    vjp = _rule(scale.shape, lambda: 2 / freedom * deviation / scale)
    y = variance / scale / scale
    return y if keepdims else device.array_module.squeeze(y, axes), vjp, (deviation, scale)


@differentiable_of_reals
def std(
    device: Device, x: Array, axis: Axis = None, keepdims: bool = False, correction: float = 0
) -> Result:
    """√`var`, as `numpy.std`; its gradient is 0 where all values are equal.

    Args:
        x: any shape.
        correction: the number subtracted from the count; 1 is for the unbiased variance.

    Returns:
        A tensor of x's shape without the axes, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks an axis, one is named twice, or there are no more values than the
            correction.
    """
    xp, axes = device.array_module, axes_of(x.ndim, axis)
    deviation, variance, scale, freedom = _moments(device, x, axes, correction)
    root = xp.sqrt(variance)
    vjp = _rule(root.shape, lambda: 1 / freedom * deviation / xp.where(root == 0, 1, root))
    y = root / scale
    return y if keepdims else xp.squeeze(y, axes), vjp, (deviation, root)


@differentiable_of_reals
def norm(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """√Σ x² over the axes, the Euclidean norm of these elements; its gradient at 0 is 0.

    Over all axes or one it is `numpy.linalg.norm`.

    Args:
        x: any shape.

    Returns:
        A tensor of x's shape without the axes, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks an axis, or one is named twice.
    """
    xp, axes = device.array_module, axes_of(x.ndim, axis)
    scaled, scale = _scaled(device, x, axes)
    root = xp.sqrt(sum_over(device, scaled * scaled, axes, keepdims=True))
    vjp = _rule(root.shape, lambda: scaled / xp.where(root == 0, 1, root))
    y = root / scale
    return y if keepdims else xp.squeeze(y, axes), vjp, (scaled, root)
