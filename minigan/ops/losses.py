"""Losses: squared errors, and cross-entropies with weights. Each is a mean by default; units of entropies are nats.

A weight of 0 leaves a term out. It adds 0 to the loss and to the gradient, even where it is infinite or NaN.
"""

from __future__ import annotations

import operator
from typing import Any, Literal

import numpy as np

from minigan.devices import Device
from minigan.operation import differentiable, explained
from minigan.ops.arithmetic import subtract, where
from minigan.ops.elementwise import square
from minigan.ops.exponentials import log_softmax
from minigan.ops.likelihood import categorical_log_likelihood
from minigan.ops.reduction import mean, sum
from minigan.ops.shared import array_beside, check_one_float_dtype, check_range, in_kernel_dtype
from minigan.ops.summation import broadcast_rule, unbroadcast
from minigan.saving import Array, Result, ShapeAndDtype
from minigan.tensor import Tensor

__all__ = ["binary_cross_entropy_with_logits", "cross_entropy", "mse_loss"]

Reduction = Literal["mean", "sum", "none"]


@explained
def mse_loss(x: Tensor, target: Tensor | float | Any, reduction: Reduction = "mean") -> Tensor:
    """Return (x − target)², the squared error.

    Args:
        x: the prediction, of any shape.
        target: of x's shape, or one number. It does not broadcast: (n,) against (n, 1) would be n²
            pairs.
        reduction: "mean" or "sum" of all elements, or "none".

    Returns:
        A tensor of one element, (); with "none" of x's shape.

    Raises:
        ValueError: the shapes differ, or the reduction is another.
    """
    if not isinstance(target, Tensor) or target.dtype.kind != "f":
        target = _data("mse_loss", "target", target, x)
    if target.ndim and target.shape != x.shape:
        raise ValueError(
            f"mse_loss: x is {x.shape} and the target {target.shape}; reshape one to the shape of the other"
        )
    return _reduce(square(subtract(x, target)), reduction)


@differentiable
def _binary_cross_entropy_with_logits(device: Device, logits: Array, targets: Array) -> Result:
    check_one_float_dtype(logits)
    like, same_shape = ShapeAndDtype(targets), targets.shape == logits.shape
    wide = targets if same_shape else device.array_module.broadcast_to(targets, logits.shape)
    wide = wide.astype(logits.dtype, copy=False)
    values, derivative = device.binary_cross_entropy_with_logits(
        device.contiguous(logits), device.contiguous(wide)
    )

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (
            device.multiply(device.contiguous(dy), derivative) if needs[0] else None,
            unbroadcast(device, -dy * logits, like) if needs[1] else None,
        )

    return values, vjp, (derivative, logits)


@differentiable
def _weighted_binary_cross_entropy_with_logits(
    device: Device, logits: Array, targets: Array, weight: Array, pos_weight: Array
) -> Result:
    """Return a·log(1 + e⁻ˣ) + b·log(1 + eˣ), where a = weight·pos_weight·t and b = weight·(1 − t)."""
    check_one_float_dtype(logits)
    xp = device.array_module
    x, minus_x = device.contiguous(logits), device.contiguous(-logits)
    t = xp.broadcast_to(targets, logits.shape).astype(logits.dtype, copy=False)
    a, b = weight * pos_weight * t, weight * (1 - t)
    tail = xp.log1p(xp.exp(-xp.abs(x)))  # both softplus functions, where they are small
    positive, negative = tail + xp.maximum(minus_x, 0), tail + xp.maximum(x, 0)
    slope = _weighed(xp, b, device.sigmoid(x)) - _weighed(xp, a, device.sigmoid(minus_x))
    target_slope = weight * (pos_weight * positive - negative)
    vjp = broadcast_rule(
        device, (logits, targets), lambda dy: dy * slope, lambda dy: dy * target_slope
    )
    values = _weighed(xp, a, positive) + _weighed(xp, b, negative)
    return values, vjp, (slope, target_slope)


@explained
def binary_cross_entropy_with_logits(
    logits: Tensor,
    targets: Tensor | float | Any,
    reduction: Reduction = "mean",
    weight: Tensor | Any = None,
    pos_weight: Tensor | Any = None,
) -> Tensor:
    """Return weight·(−pos_weight·t·log σ(x) − (1 − t)·log(1 − σ(x))), without overflow; nats.

    Args:
        logits: x, of any shape, float32 or float64.
        targets: t in [0, 1], of a shape that broadcasts to the logits': 1 stands for all real.
        reduction: "mean" (over all elements, as PyTorch's), "sum" or "none".
        weight: a factor of each element, of a shape that broadcasts to the logits'. Data: no
            gradient reaches it.
        pos_weight: a factor of the positive part, of such a shape; over 1 it favours recall. It is
            data, too.

    Returns:
        A tensor of one element, (); with "none" of the logits' shape.

    Raises:
        ValueError: a shape does not broadcast to that of the logits, a factor requires a gradient,
            or the reduction is another.
    """
    if isinstance(targets, (int, float)):
        # filled where the logits are: a captured step sends nothing
        constant = logits.device.empty(logits.shape, logits.dtype)
        constant[...] = targets
        targets = Tensor(constant, logits.device)
    if weight is None and pos_weight is None:
        return _reduce(_binary_cross_entropy_with_logits(logits, targets), reduction)
    factors = _factor("weight", weight, logits), _factor("pos_weight", pos_weight, logits)
    return _reduce(_weighted_binary_cross_entropy_with_logits(logits, targets, *factors), reduction)


def _factor(name: str, value: Any, logits: Tensor) -> Tensor:
    """Return a factor, by default 1, as data of the logits' shape."""
    operation = "binary_cross_entropy_with_logits"
    factor = _data(operation, name, 1.0 if value is None else value, logits)
    try:
        return factor.broadcast_to(logits.shape)
    except ValueError as error:
        raise ValueError(
            f"{operation}: {name} {factor.shape} does not broadcast to the logits {logits.shape}"
        ) from error


@explained
def cross_entropy(
    logits: Tensor,
    labels: Tensor | Any,
    reduction: Reduction = "mean",
    weight: Tensor | Any = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return −weight[label]·log softmax(logits)[label]; nats.

    The mean is Σ loss / Σ weight[label] over the labels that are not ignored, as PyTorch's. Where
    all are ignored it is NaN.

    Args:
        logits: (…, categories), float32 or float64.
        labels: (…), integers 0 … categories − 1.
        reduction: "mean", "sum" or "none"; with "none" an ignored label has the loss 0.
        weight: (categories,), a factor of each category. Data: no gradient reaches it.
        ignore_index: the label of rows that are left out. By default there is none (PyTorch's
            is −100).
        label_smoothing: ε in [0, 1]. The target is 1 − ε at the label, plus ε/categories at every
            category, each with its category's weight.

    Returns:
        A tensor of one element, (); with "none" of the labels' shape.

    Raises:
        ValueError: a shape does not fit, a label is no category, ε is out of range, or the
            reduction is another.

    Reference: Szegedy et al. (2016), "Rethinking the Inception architecture for computer vision",
    for the smoothing.
    """
    check_range("cross_entropy: label_smoothing", label_smoothing, 1)
    if not in_kernel_dtype(logits):
        raise ValueError(f"cross_entropy: logits are float32 or float64, not {logits.dtype}")
    device, values = logits.device, array_beside("cross_entropy", logits, labels)
    shape, expected = tuple(values.shape), logits.shape[:-1]
    if not any(logits.shape[-1:]) or shape != expected or values.dtype.kind not in "iu":
        raise ValueError(
            f"cross_entropy: logits (…, categories) of shape {logits.shape} need integer labels {expected}; got "
            f"{values.dtype} {shape}"
        )
    if weight is None and ignore_index is None and not label_smoothing:
        return _reduce(-categorical_log_likelihood(logits, values), reduction)
    xp, categories = device.array_module, logits.shape[-1]
    kept = xp.asarray(ignore_index is None or values != operator.index(ignore_index))
    wrong = kept & ((values < 0) | (values >= categories))
    if wrong.any():
        raise ValueError(
            f"cross_entropy: the label {int(values[wrong][0])} is none of 0 … {categories - 1}"
        )
    weight = np.ones(categories) if weight is None else weight
    factors = _data("cross_entropy", "weight", weight, logits)
    if factors.shape != (categories,):
        raise ValueError(
            f"cross_entropy: weight has one factor for each of {categories} categories; got {factors.shape}"
        )
    is_label = (xp.arange(categories) == values[..., None]) & kept[..., None]
    share = label_smoothing / categories
    smooth = xp.where(is_label, 1 - label_smoothing + share, share)
    targets = xp.where(kept[..., None], factors.data * smooth, 0).astype(logits.dtype)
    losses = _weighted_cross_entropy(logits, targets)
    if reduction == "mean":
        total = xp.sum(xp.where(is_label, factors.data, 0))
        return sum(losses) / Tensor(xp.asarray(total), device)
    return _reduce(losses, reduction)


def _weighted_cross_entropy(logits: Tensor, targets: Array) -> Tensor:
    """Σ over categories c of −t_c·log softmax(logits)_c, and 0 where t_c is 0."""
    xp, device = logits.device.array_module, logits.device
    is_left_out = xp.asarray(targets == 0)
    row_is_left_out = xp.all(is_left_out, axis=-1, keepdims=True)
    finite = where(Tensor(row_is_left_out, device), 0.0, logits)
    terms = where(Tensor(is_left_out, device), 0.0, -log_softmax(finite))
    return sum(Tensor(targets, device) * terms, axis=-1)


def _weighed(xp: Any, weight: Array, values: Array) -> Array:
    """weight·values, and 0 where the weight is 0."""
    return weight * xp.where(weight == 0, xp.zeros_like(values), values)


def _data(operation: str, name: str, value: Any, like: Tensor) -> Tensor:
    """Return data beside a tensor: on its device, and of its dtype where it is a number, a list or integers."""
    if isinstance(value, Tensor) and value.requires_grad:
        raise ValueError(f"{operation}: {name} is data; pass it detached")
    array = like.device.asarray(array_beside(operation, like, value))
    dtype = like.dtype if like.dtype.kind == "f" else np.float64
    return Tensor(array.astype(dtype), like.device)


def _reduce(values: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return values
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none'; not {reduction!r}")
    return mean(values) if reduction == "mean" else sum(values)
