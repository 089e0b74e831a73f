"""Sums over any axes with small rounding: pairwise, so that additions in a row grow as log n, not as n.

NumPy adds pairwise along the last axis only, and one row after another along the others. A float32
sum of 2·10⁷ ones stops at 2²⁴ there. Here leading axes go to the device's kernel of column sums,
and axes between others are moved last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigan.devices import Device
from minigan.ops.shared import in_kernel_dtype
from minigan.saving import VJP, Array, ShapeAndDtype

_FEW = 128  # terms that may be added one after another, as pairwise sums add their smallest blocks


def sum_over(
    device: Device, x: Array, axes: Sequence[int] | None = None, keepdims: bool = False
) -> Array:
    """Σ x over `axes`, by default all; floats keep their dtype, and NumPy chooses that of integers and bool."""
    xp = device.array_module
    reduced = {a % x.ndim for a in (range(x.ndim) if axes is None else axes)}
    kept = [i for i in range(x.ndim) if i not in reduced]
    rows = int(np.prod([x.shape[i] for i in reduced], dtype=np.int64))
    if rows <= _FEW or x.size == 0 or not in_kernel_dtype(x):
        wide = np.result_type(x.dtype, np.float32) if x.dtype.kind == "f" else None  # or float16
        y = xp.sum(x, axis=tuple(sorted(reduced)), keepdims=keepdims, dtype=wide)
        return y if wide is None else y.astype(x.dtype, copy=False)
    if x.size == rows:
        result = device.weighted_sum(device.contiguous(x), None, 1)
    elif max(i for i in reduced if x.shape[i] > 1) < min(i for i in kept if x.shape[i] > 1):
        result = device.column_sum(device.contiguous(x).reshape(rows, -1))
    else:
        moved = xp.transpose(x, (*kept, *sorted(reduced)))
        result = xp.sum(device.contiguous(moved).reshape(-1, rows), axis=1)
    shape = [n if i in kept else 1 for i, n in enumerate(x.shape) if keepdims or i in kept]
    return result.reshape(shape)


def unbroadcast(device: Device, gradient: Array, like: ShapeAndDtype) -> Array:
    """Σ over the axes along which `like` was broadcast, in the dtype of `like`."""
    own = (1,) * (gradient.ndim - len(like.shape)) + like.shape
    axes = [i for i, n in enumerate(gradient.shape) if n != own[i]]
    if axes:
        gradient = sum_over(device, gradient, axes)
    return gradient.reshape(like.shape).astype(like.dtype, copy=False)


def broadcast_rule(
    device: Device, operands: Sequence[Any], *gradients: Callable[[Array], Array] | None
) -> VJP:
    """Return the vjp of an operation that broadcasts its operands, from a function of dy for each.

    Such a function gives the operand's gradient in the output's shape, and it is summed back to the
    operand's. None stands for an operand that gets no gradient.
    """
    likes = [ShapeAndDtype(operand) for operand in operands]

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        rules = zip(gradients, likes, needs, strict=False)  # an operand may be left out
        return tuple(
            unbroadcast(device, gradient(dy), like) if need and gradient else None
            for gradient, like, need in rules
        )

    return vjp
