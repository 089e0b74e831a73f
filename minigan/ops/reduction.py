"""Reductions, over all axes, one axis or a tuple of them; and functions built on them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.shared import check_one_float_dtype, in_kernel_dtype, of_real_numbers
from minigan.ops.summation import sum_over
from minigan.saving import VJP, Array, Result

__all__ = [
    "argmax",
    "argmin",
    "cumsum",
    "log_softmax",
    "logsumexp",
    "max",
    "mean",
    "min",
    "norm",
    "prod",
    "softmax",
    "std",
    "sum",
    "var",
]

Axis = int | tuple[int, ...] | None


def _axes(ndim: int, axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if any(not -ndim <= a < ndim for a in axes):
        raise ValueError(f"axis {axis} is not one of the {ndim} axes")
    resolved = tuple(a % ndim for a in axes)
    if len(set(resolved)) != len(resolved):
        raise ValueError(f"axis {axis} names an axis twice")
    return resolved


def _kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    axes = _axes(len(shape), axis)
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _reduced_count(shape: tuple[int, ...], kept: tuple[int, ...]) -> int:
    """Return how many elements each result is made of."""
    return math.prod(n for n, k in zip(shape, kept, strict=True) if k == 1)


@differentiable
def sum(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Σ x."""
    xp, shape = device.array_module, x.shape
    kept = _kept_shape(shape, axis)
    if _is_whole_sum(x, axis):
        return _whole_sum(device, x, None, 1, kept if keepdims else ())

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (xp.broadcast_to(dy.reshape(kept), shape),)

    return sum_over(device, x, _axes(x.ndim, axis), keepdims), vjp


@differentiable
@of_real_numbers
def mean(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Σ x / n."""
    xp, shape = device.array_module, x.shape
    kept = _kept_shape(shape, axis)
    if _is_whole_sum(x, axis):
        return _whole_sum(device, x, None, x.size, kept if keepdims else ())
    count = _reduced_count(shape, kept)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (xp.broadcast_to((dy / count).reshape(kept), shape),)

    if not in_kernel_dtype(x) or count == 0:
        return xp.mean(x, axis=axis, keepdims=keepdims), vjp
    return sum_over(device, x, _axes(x.ndim, axis), keepdims) / count, vjp


def _is_whole_sum(x: Array, axis: Axis) -> bool:
    """Return whether a kernel takes it: a sum of all elements, which a loss is."""
    return in_kernel_dtype(x) and x.size > 0 and sorted(_axes(x.ndim, axis)) == list(range(x.ndim))


def _whole_sum(
    device: Device, x: Array, weights: Array | None, divisor: float, result_shape: tuple[int, ...]
) -> Result:
    shape = x.shape
    weights = None if weights is None else device.contiguous(weights)

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
    return _whole_sum(device, x, weights, divisor, ())


class _Moments(NamedTuple):
    """x with its largest element about 1, so that no square overflows or underflows: x·scale, a power of two."""

    deviation: Array  # (x − mean)·scale
    variance: Array  # the mean square of these, with axes of length 1
    scale: Array


def _moments(device: Device, x: Array, axis: Axis, correction: int) -> _Moments:
    axes = _axes(x.ndim, axis)
    count = _reduced_count(x.shape, _kept_shape(x.shape, axis))
    if count <= correction:
        raise ValueError(f"the variance of {count} values has no correction {correction}")
    x, scale = _scaled(device, x, axes)
    deviation = x - sum_over(device, x, axes, keepdims=True) / count
    squares = sum_over(device, deviation * deviation, axes, keepdims=True)
    return _Moments(deviation, squares / (count - correction), scale)


def _scaled(device: Device, x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """x·2ᵏ, with its largest element along the axes about 1, and 2ᵏ: exact, and 1 for infinities and NaN."""
    xp = device.array_module
    x = x if x.dtype.kind == "f" else x.astype(xp.float64)
    if x.size == 0:
        return x, xp.ones(_kept_shape(x.shape, axes), x.dtype)
    limits = np.finfo(x.dtype)
    largest = xp.max(xp.absolute(x), axis=axes, keepdims=True)
    largest = xp.where(xp.isfinite(largest), largest, 1)
    exponent = xp.clip(xp.frexp(largest)[1], int(limits.minexp) + 2, int(limits.maxexp) - 2)
    scale = xp.ldexp(xp.ones_like(largest), -exponent)
    return x * scale, scale


def _reduced(device: Device, y: Array, ndim: int, axis: Axis, keepdims: bool) -> Array:
    return y if keepdims else device.array_module.squeeze(y, _axes(ndim, axis))


@differentiable
@of_real_numbers
def var(
    device: Device, x: Array, axis: Axis = None, keepdims: bool = False, correction: int = 0
) -> Result:
    """Σ (x − mean)² / (n − correction). The correction 1 is the unbiased variance."""
    kept = _kept_shape(x.shape, axis)
    deviation, variance, scale = _moments(device, x, axis, correction)
    factor = 2 / (_reduced_count(x.shape, kept) - correction)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (factor * deviation / scale * dy.reshape(kept),)

    y = _reduced(device, variance / scale / scale, x.ndim, axis, keepdims)
    return y, vjp, (deviation, scale)


@differentiable
def std(
    device: Device, x: Array, axis: Axis = None, keepdims: bool = False, correction: int = 0
) -> Result:
    """√var; its gradient is 0 where all values are equal.

    Args:
        correction: the number subtracted from the count in the variance; 1 is the unbiased variance.

    Raises:
        ValueError: there are not more values than the correction.
    """
    xp = device.array_module
    kept = _kept_shape(x.shape, axis)
    deviation, variance, scale = _moments(device, x, axis, correction)
    root = xp.sqrt(variance)
    factor = 1 / (_reduced_count(x.shape, kept) - correction)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (dy.reshape(kept) * (factor * deviation / xp.where(root == 0, 1, root)),)

    return _reduced(device, root / scale, x.ndim, axis, keepdims), vjp, (deviation, root)


def _extreme(device: Device, result: Array, x: Array, axis: Axis) -> VJP:
    """Return the gradient of a maximum or minimum, shared equally by all the elements that attain it: by the NaNs where it is NaN."""
    xp = device.array_module
    kept = _kept_shape(x.shape, axis)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        attained = (x == result.reshape(kept)) | xp.isnan(x)
        count = xp.sum(attained, axis=axis, keepdims=True).astype(x.dtype)
        return (xp.where(attained, dy.reshape(kept) / count, 0),)

    return vjp


@differentiable
def max(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Return the largest element; elements that tie share its gradient equally."""
    result = device.array_module.max(x, axis=axis, keepdims=keepdims)
    return result, _extreme(device, result, x, axis), (result, x)


@differentiable
def min(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Return the smallest element; elements that tie share its gradient equally."""
    result = device.array_module.min(x, axis=axis, keepdims=keepdims)
    return result, _extreme(device, result, x, axis), (result, x)


@differentiable
def prod(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Π x. Each element's gradient is the product of all the others, with zeros and infinities among them too."""
    xp = device.array_module
    kept = _kept_shape(x.shape, axis)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        axes = _axes(x.ndim, axis)
        order = [i for i in range(x.ndim) if i not in axes] + list(axes)
        moved = xp.transpose(x, order)
        rows = moved.reshape(math.prod(kept), _reduced_count(x.shape, kept))
        one = xp.ones_like(rows[:, :1])
        before = xp.cumprod(xp.concatenate([one, rows[:, :-1]], axis=1), axis=1)
        after = xp.cumprod(xp.concatenate([one, rows[:, :0:-1]], axis=1), axis=1)[:, ::-1]
        others = xp.transpose((before * after).reshape(moved.shape), np.argsort(order).tolist())
        return (others * dy.reshape(kept),)

    return xp.prod(x, axis=axis, keepdims=keepdims), vjp, (x,)


@differentiable
def cumsum(device: Device, x: Array, axis: int) -> Result:
    """Running sums along an axis."""
    xp = device.array_module

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (xp.flip(xp.cumsum(xp.flip(dy, axis), axis=axis), axis),)

    return xp.cumsum(x, axis=axis), vjp


@differentiable
@of_real_numbers
def logsumexp(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Return log Σ eˣ, without overflow; of no elements −∞."""
    xp = device.array_module
    kept = _kept_shape(x.shape, axis)
    axes = _axes(x.ndim, axis)
    largest = _largest(device, x, axis)
    largest = xp.where(xp.isfinite(largest), largest, 0)
    total = xp.log(sum_over(device, xp.exp(x - largest), axes, keepdims=True)) + largest

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (xp.exp(x - total) * dy.reshape(kept),)

    return _reduced(device, total, x.ndim, axis, keepdims), vjp, (x, total)


def _largest(device: Device, x: Array, axis: Axis) -> Array:
    """Return the largest element along the axes, or of none 0: a softmax of nothing is nothing."""
    xp = device.array_module
    if x.size == 0:
        return xp.zeros(_kept_shape(x.shape, axis), x.dtype)
    return xp.max(x, axis=axis, keepdims=True)


@differentiable
@of_real_numbers
def log_softmax(device: Device, x: Array, axis: int = -1) -> Result:
    """x − log Σ eˣ along an axis."""
    xp = device.array_module
    axes = _axes(x.ndim, axis)
    shifted = x - _largest(device, x, axis)
    y = shifted - xp.log(sum_over(device, xp.exp(shifted), axes, keepdims=True))

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (dy - xp.exp(y) * sum_over(device, dy, axes, keepdims=True),)

    return y, vjp, (y,)


@differentiable
@of_real_numbers
def softmax(device: Device, x: Array, axis: int = -1) -> Result:
    """eˣ / Σ eˣ along an axis."""
    xp = device.array_module
    axes = _axes(x.ndim, axis)
    e = xp.exp(x - _largest(device, x, axis))
    y = e / sum_over(device, e, axes, keepdims=True)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (y * (dy - sum_over(device, dy * y, axes, keepdims=True)),)

    return y, vjp, (y,)


@differentiable
@of_real_numbers
def norm(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """√Σ x², the Euclidean norm; its gradient at 0 is 0."""
    xp = device.array_module
    kept = _kept_shape(x.shape, axis)
    scaled, scale = _scaled(device, x, _axes(x.ndim, axis))
    root = xp.sqrt(sum_over(device, scaled * scaled, _axes(x.ndim, axis), keepdims=True))

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (dy.reshape(kept) * (scaled / xp.where(root == 0, 1, root)),)

    return _reduced(device, root / scale, x.ndim, axis, keepdims), vjp, (scaled, root)


@differentiable
def argmax(device: Device, x: Array, axis: int | None = None, keepdims: bool = False) -> Result:
    """Return the index of the (first) largest element: integers, no gradient."""
    xp = device.array_module
    return xp.asarray(xp.argmax(x, axis=axis, keepdims=keepdims)), None


@differentiable
def argmin(device: Device, x: Array, axis: int | None = None, keepdims: bool = False) -> Result:
    """Return the index of the (first) smallest element: integers, no gradient."""
    xp = device.array_module
    return xp.asarray(xp.argmin(x, axis=axis, keepdims=keepdims)), None
