"""Variances and norms. They scale their values first, so that no square overflows or underflows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.shared import (
    Axis,
    axes_of,
    deviations,
    differentiable_of_reals,
    kept_shape,
    reduced_count,
    without_axes,
)
from minigan.ops.summation import sum_over
from minigan.saving import Array, Result

__all__ = ["norm", "std", "var"]


class _Moments(NamedTuple):
    """x with its largest element about 1, so that no square overflows or underflows: x·scale, a power of two."""

    deviation: Array  # (x − mean)·scale
    variance: Array  # the mean square of these, with axes of length 1
    scale: Array


def _moments(device: Device, x: Array, axis: Axis, correction: float) -> _Moments:
    axes = axes_of(x.ndim, axis)
    count = reduced_count(x.shape, kept_shape(x.shape, axis))
    if not count > correction:
        raise ValueError(f"the variance of {count} values has no correction {correction}")
    x, scale = _scaled(device, x, axes)
    deviation = deviations(device, x, sum_over(device, x, axes, keepdims=True) / count, axes)
    squares = sum_over(device, deviation * deviation, axes, keepdims=True)
    return _Moments(deviation, squares / (count - correction), scale)


def _scaled(device: Device, x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """x·2ᵏ, with its largest element along the axes about 1, and 2ᵏ: exact, and 1 for infinities and NaN."""
    xp = device.array_module
    x = x if x.dtype.kind == "f" else x.astype(xp.float64)
    if x.size == 0:
        return x, xp.ones(kept_shape(x.shape, axes), x.dtype)
    limits = np.finfo(x.dtype)
    largest = xp.max(xp.absolute(x), axis=axes, keepdims=True)
    largest = xp.where(xp.isfinite(largest), largest, 1)
    exponent = xp.clip(xp.frexp(largest)[1], int(limits.minexp) + 2, int(limits.maxexp) - 2)
    scale = xp.ldexp(xp.ones_like(largest), -exponent)
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
    kept = kept_shape(x.shape, axis)
    deviation, variance, scale = _moments(device, x, axis, correction)
    factor = 2 / (reduced_count(x.shape, kept) - correction)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (factor * deviation / scale * dy.reshape(kept),)

    y = without_axes(device, variance / scale / scale, axis, keepdims)
    return y, vjp, (deviation, scale)


@differentiable
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
    xp = device.array_module
    kept = kept_shape(x.shape, axis)
    deviation, variance, scale = _moments(device, x, axis, correction)
    root = xp.sqrt(variance)
    factor = 1 / (reduced_count(x.shape, kept) - correction)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (dy.reshape(kept) * (factor * deviation / xp.where(root == 0, 1, root)),)

    return without_axes(device, root / scale, axis, keepdims), vjp, (deviation, root)


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
    xp = device.array_module
    kept = kept_shape(x.shape, axis)
    scaled, scale = _scaled(device, x, axes_of(x.ndim, axis))
    root = xp.sqrt(sum_over(device, scaled * scaled, axes_of(x.ndim, axis), keepdims=True))

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (dy.reshape(kept) * (scaled / xp.where(root == 0, 1, root)),)

    return without_axes(device, root / scale, axis, keepdims), vjp, (scaled, root)
