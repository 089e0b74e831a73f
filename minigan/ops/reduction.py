"""Reductions, over all axes, one axis or a tuple of them; and what is built on them."""

from __future__ import annotations

import math
from typing import Any

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.elementwise import check_one_float_dtype, in_kernel_dtype
from minigan.saving import VJP, Array, Result
from minigan.tensor import Tensor

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
    return tuple(a % ndim for a in axes)


def _kept_shape(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    axes = _axes(len(shape), axis)
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _reduced_count(shape: tuple[int, ...], kept: tuple[int, ...]) -> int:
    """How many elements each result is made of."""
    return math.prod(n for n, k in zip(shape, kept, strict=True) if k == 1)


@differentiable
def sum(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Σ x."""
    xp, shape, dtype = device.array_module, x.shape, x.dtype
    kept = _kept_shape(shape, axis)
    if _is_whole_sum(x, axis):
        return _whole_sum(device, x, None, 1, kept if keepdims else ())

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (xp.broadcast_to(dy.reshape(kept), shape),)

    return xp.sum(x, axis=axis, keepdims=keepdims, dtype=_sum_dtype(dtype)), vjp


def _sum_dtype(dtype: Any) -> Any:
    """Sums of floats keep their dtype; NumPy's choice for integers and bool."""
    return dtype if dtype.kind == "f" else None


@differentiable
def mean(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Σ x / n."""
    xp, shape = device.array_module, x.shape
    kept = _kept_shape(shape, axis)
    if _is_whole_sum(x, axis):
        return _whole_sum(device, x, None, x.size, kept if keepdims else ())
    count = _reduced_count(shape, kept)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (xp.broadcast_to((dy / count).reshape(kept), shape),)

    return xp.mean(x, axis=axis, keepdims=keepdims), vjp


def _is_whole_sum(x: Array, axis: Axis) -> bool:
    """Whether a kernel takes it: a sum of all elements, which a loss is."""
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


@differentiable
def var(
    device: Device, x: Array, axis: Axis = None, keepdims: bool = False, correction: int = 0
) -> Result:
    """Σ (x − mean)² / (n − correction). The correction 1 is the unbiased variance."""
    xp = device.array_module
    kept = _kept_shape(x.shape, axis)
    count = _reduced_count(x.shape, kept)
    if count <= correction:
        raise ValueError(f"the variance of {count} values has no correction {correction}")
    deviation = x - xp.mean(x, axis=axis, keepdims=True)
    scale = 1 / (count - correction)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (2 * scale * deviation * dy.reshape(kept),)

    return scale * xp.sum(deviation * deviation, axis=axis, keepdims=keepdims), vjp, (deviation,)


def std(x: Tensor, axis: Axis = None, keepdims: bool = False, correction: int = 0) -> Tensor:
    """√var."""
    return var(x, axis=axis, keepdims=keepdims, correction=correction).sqrt()


def _extreme(device: Device, result: Array, x: Array, axis: Axis) -> VJP:
    """The gradient of a maximum or minimum, shared equally by all the elements that attain it."""
    xp = device.array_module
    kept = _kept_shape(x.shape, axis)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        attained = (x == result.reshape(kept)).astype(x.dtype)
        share = attained / xp.sum(attained, axis=axis, keepdims=True)
        return (share * dy.reshape(kept),)

    return vjp


@differentiable
def max(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """The largest element; elements that tie share its gradient equally."""
    result = device.array_module.max(x, axis=axis, keepdims=keepdims)
    return result, _extreme(device, result, x, axis), (result, x)


@differentiable
def min(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """The smallest element; elements that tie share its gradient equally."""
    result = device.array_module.min(x, axis=axis, keepdims=keepdims)
    return result, _extreme(device, result, x, axis), (result, x)


@differentiable
def prod(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """Π x. Exact for zeros too: each element's gradient is the product of all the others."""
    xp = device.array_module
    kept = _kept_shape(x.shape, axis)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        zeros = xp.sum(x == 0, axis=axis, keepdims=True)
        nonzero = xp.where(x == 0, x.dtype.type(1), x)
        product = xp.prod(nonzero, axis=axis, keepdims=True)
        others = xp.where(
            zeros == 0, product / nonzero, xp.where((zeros == 1) & (x == 0), product, 0)
        )
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
def logsumexp(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """log Σ eˣ, without overflow."""
    xp = device.array_module
    kept = _kept_shape(x.shape, axis)
    largest = xp.max(x, axis=axis, keepdims=True)
    largest = xp.where(xp.isfinite(largest), largest, 0)
    total = xp.log(xp.sum(xp.exp(x - largest), axis=axis, keepdims=True)) + largest

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (xp.exp(x - total) * dy.reshape(kept),)

    return total if keepdims else xp.squeeze(total, _axes(x.ndim, axis)), vjp, (x, total)


@differentiable
def log_softmax(device: Device, x: Array, axis: int = -1) -> Result:
    """x − log Σ eˣ along an axis."""
    xp = device.array_module
    shifted = x - xp.max(x, axis=axis, keepdims=True)
    y = shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (dy - xp.exp(y) * xp.sum(dy, axis=axis, keepdims=True),)

    return y, vjp, (y,)


@differentiable
def softmax(device: Device, x: Array, axis: int = -1) -> Result:
    """eˣ / Σ eˣ along an axis."""
    xp = device.array_module
    e = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    y = e / xp.sum(e, axis=axis, keepdims=True)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (y * (dy - xp.sum(dy * y, axis=axis, keepdims=True)),)

    return y, vjp, (y,)


@differentiable
def norm(device: Device, x: Array, axis: Axis = None, keepdims: bool = False) -> Result:
    """√Σ x², the Euclidean norm; its gradient at 0 is 0."""
    xp = device.array_module
    kept = _kept_shape(x.shape, axis)
    y = xp.sqrt(xp.sum(x * x, axis=axis, keepdims=True))

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (dy.reshape(kept) * x / xp.where(y == 0, 1, y).astype(x.dtype, copy=False),)

    return y if keepdims else xp.squeeze(y, _axes(x.ndim, axis)), vjp, (x, y)


@differentiable
def argmax(device: Device, x: Array, axis: int | None = None) -> tuple[Array, None]:
    """The index of the (first) largest element: integers, no gradient."""
    return device.array_module.asarray(device.array_module.argmax(x, axis=axis)), None


@differentiable
def argmin(device: Device, x: Array, axis: int | None = None) -> tuple[Array, None]:
    """The index of the (first) smallest element: integers, no gradient."""
    return device.array_module.asarray(device.array_module.argmin(x, axis=axis)), None
