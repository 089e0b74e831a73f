"""Reductions, over all axes, one axis or several of them."""

from __future__ import annotations

import math

import numpy as np

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.shared import (
    Axis,
    axes_of,
    check_one_float_dtype,
    differentiable_of_reals,
    in_kernel_dtype,
)
from minigan.ops.summation import sum_over
from minigan.saving import Array, Result

__all__ = ["argmax", "argmin", "max", "mean", "min", "prod", "sum"]


@differentiable
def sum(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Σ x over the axes, as `numpy.sum`.

    Args:
        x: any shape.

    Returns:
        A tensor of x's shape without the axes, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks an axis, or one is named twice.
    """
    xp, shape = device.array_module, x.shape
    axes, kept, _ = _reduced(shape, axis)
    if _is_whole_sum(x, axes):
        return _whole_sum(device, x, None, 1, kept if keepdims else ())
    y = sum_over(device, x, axes, keepdims)
    return y, lambda dy, needs: (xp.broadcast_to(dy.reshape(kept), shape),)


@differentiable_of_reals
def mean(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Σ x / n over the n elements along the axes, as `numpy.mean`.

    Args:
        x: any shape.

    Returns:
        A tensor of x's shape without the axes, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks an axis, or one is named twice.
    """
    xp, shape = device.array_module, x.shape
    axes, kept, count = _reduced(shape, axis)
    if _is_whole_sum(x, axes):
        return _whole_sum(device, x, None, count, kept if keepdims else ())
    y = sum_over(device, x, axes, keepdims) / count
    return y, lambda dy, needs: (xp.broadcast_to((dy / count).reshape(kept), shape),)


def _reduced(shape: tuple[int, ...], axis: Axis) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Return the axes, the shape with length 1 along them, and the number of elements along them."""
    axes = axes_of(len(shape), axis)
    kept = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return axes, kept, math.prod(shape[a] for a in axes)


def _is_whole_sum(x: Array, axes: tuple[int, ...]) -> bool:
    """Return whether a kernel takes it: a sum of all elements, which a loss is."""
    return in_kernel_dtype(x) and x.size > 0 and len(axes) == x.ndim


def _whole_sum(
    device: Device, x: Array, weights: Array | None, divisor: float, result_shape: tuple[int, ...]
) -> Result:
    shape = x.shape

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (device.weighted_sum_backward(dy, weights, divisor, shape),)

    y = device.weighted_sum(device.contiguous(x), weights, divisor).reshape(result_shape)
    return y, vjp, (weights,)


@differentiable
def weighted_sum(device: Device, x: Array, weights: Array, divisor: float = 1) -> Result:
    """Σ x·weights / divisor: x is (…, columns), and weights, (columns,), are data: no gradient reaches them."""
    if x.ndim < 1 or weights.shape != x.shape[-1:]:
        raise ValueError("the weights are one for each column, the last axis of x")
    check_one_float_dtype(x, weights)
    return _whole_sum(device, x, device.contiguous(weights), divisor, ())


def _extreme(device: Device, name: str, x: Array, axis: Axis, keepdims: bool) -> Result:
    """Find a maximum or minimum. All the elements that attain it share its gradient equally: the NaNs where it is NaN."""
    xp, axes = device.array_module, axes_of(x.ndim, axis)
    extreme = getattr(xp, name)(x, axis=axes, keepdims=True)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        attained = (x == extreme) | xp.isnan(x)
        count = xp.sum(attained, axis=axes, keepdims=True).astype(x.dtype)
        return (xp.where(attained, dy.reshape(extreme.shape) / count, 0),)

    return extreme if keepdims else xp.squeeze(extreme, axes), vjp, (extreme, x)


@differentiable
def max(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Return the largest element along the axes, as `numpy.max`.

    Elements that tie share its gradient equally.

    Args:
        x: any shape, with an element along the axes.

    Returns:
        A tensor of x's shape without the axes, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks an axis, one is named twice, or there is no element.
    """
    return _extreme(device, "max", x, axis, keepdims)


@differentiable
def min(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Return the smallest element along the axes, as `numpy.min`.

    Elements that tie share its gradient equally.

    Args:
        x: any shape, with an element along the axes.

    Returns:
        A tensor of x's shape without the axes, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks an axis, one is named twice, or there is no element.
    """
    return _extreme(device, "min", x, axis, keepdims)


@differentiable
def prod(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Π x over the axes, as `numpy.prod`.

    Each element's gradient is the product of all the others, with zeros and infinities among
    them too.

    Args:
        x: any shape.

    Returns:
        A tensor of x's shape without the axes, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks an axis, or one is named twice.
    """
    xp = device.array_module
    axes, kept, count = _reduced(x.shape, axis)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        order = [i for i in range(x.ndim) if i not in axes] + list(axes)
        moved = xp.transpose(x, order)
        rows = moved.reshape(math.prod(kept), count)
        one = xp.ones_like(rows[:, :1])
        before = xp.cumprod(xp.concatenate([one, rows[:, :-1]], axis=1), axis=1)
        after = xp.cumprod(xp.concatenate([one, rows[:, :0:-1]], axis=1), axis=1)[:, ::-1]
        others = xp.transpose((before * after).reshape(moved.shape), np.argsort(order).tolist())
        return (others * dy.reshape(kept),)

    return xp.prod(x, axis=axis, keepdims=keepdims), vjp, (x,)


@differentiable
def argmax(device: Device, x: Array, axis: int | None = None, keepdims: bool = False) -> Result:
    """Return the index of the (first) largest element, as `numpy.argmax`. It has no gradient.

    Args:
        x: any shape, with an element along the axis.
        axis: one axis, or None for the index in x flattened.

    Returns:
        A tensor of int64, of x's shape without the axis, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks the axis, or there is no element.
    """
    return device.array_module.argmax(x, axis=axis, keepdims=keepdims), None


@differentiable
def argmin(device: Device, x: Array, axis: int | None = None, keepdims: bool = False) -> Result:
    """Return the index of the (first) smallest element, as `numpy.argmin`. It has no gradient.

    Args:
        x: any shape, with an element along the axis.
        axis: one axis, or None for the index in x flattened.

    Returns:
        A tensor of int64, of x's shape without the axis, or with length 1 there for `keepdims`.

    Raises:
        ValueError: x lacks the axis, or there is no element.
    """
    return device.array_module.argmin(x, axis=axis, keepdims=keepdims), None
