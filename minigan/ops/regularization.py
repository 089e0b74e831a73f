"""Operations of layers that steady training: layer normalization, dropout; and rows looked up in a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigan.devices import Device
from minigan.operation import explained
from minigan.ops.arithmetic import multiply, where
from minigan.ops.indexing import take
from minigan.ops.shared import (
    array_beside,
    check_range,
    deviations,
    differentiable_of_reals,
    largest,
)
from minigan.ops.summation import broadcast_rule, sum_over
from minigan.random import Generator, next_key, uniform
from minigan.saving import Array, Result
from minigan.tensor import Tensor

__all__ = ["dropout", "embedding", "layer_norm"]


@differentiable_of_reals
def layer_norm(
    device: Device,
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    axes: int = 1,
    eps: float = 1e-5,
) -> Result:
    """Return weight·(x − mean)/√(variance + eps) + bias, over the last axes together.

    Mean and biased variance are those of the last `axes` axes, for each place along the others.

    Args:
        x: (…, features), or with several last axes of features.
        weight: a factor of each feature, of the shape of the last axes, or None for 1.
        bias: a number added to each feature, of that shape, or None for 0.
        axes: the number of last axes, 1 … x.ndim.
        eps: the number added to the variance under the root, at least 0.

    Returns:
        A tensor of x's shape.

    Raises:
        ValueError: weight or bias has another shape, or `axes` or `eps` is out of range.

    Reference: Ba et al. (2016), "Layer normalization".
    """
    if not 1 <= axes <= x.ndim:
        raise ValueError(f"axes is 1 … {x.ndim}, the number of last axes; not {axes}")
    check_range("eps", eps)
    shape = x.shape[-axes:]
    if any(p is not None and getattr(p, "shape", ()) != shape for p in (weight, bias)):
        raise ValueError(f"weight and bias have the shape {shape} of the last axes")
    xp, last = device.array_module, tuple(range(x.ndim - axes, x.ndim))
    count = math.prod(shape)
    deviation = deviations(device, x, sum_over(device, x / count, last, keepdims=True), last)
    # by a power of two, so that no square overflows
    highest = largest(device, xp.abs(deviation), last)
    scale = xp.ldexp(xp.ones_like(highest), -xp.maximum(xp.frexp(highest)[1], 0))
    deviation = deviation * scale
    variance = sum_over(device, deviation * deviation, last, keepdims=True) / count
    root = xp.sqrt(variance + eps * scale * scale)
    normal = deviation / root
    slope = scale / root
    factor = x.dtype.type(1) if weight is None else weight

    def mean(values: Array) -> Array:
        return sum_over(device, values / count, last, keepdims=True)

    def by_x(dy: Array) -> Array:
        g = dy * factor
        return (g - mean(g) - normal * mean(g * normal)) * slope

    vjp = broadcast_rule(device, (x, weight, bias), by_x, lambda dy: dy * normal, lambda dy: dy)
    y = normal * factor
    return y if bias is None else y + bias, vjp, (normal, slope, weight)


@explained
def dropout(
    x: Tensor, p: float = 0.5, training: bool = True, generator: Generator | None = None
) -> Tensor:
    """Replace each element of x by 0 with probability p, and divide the others by 1 − p.

    The numbers come from the generator's next step (the default one's: see `manual_seed`).

    Args:
        x: floats of any shape.
        p: the probability, 0 … 1.
        training: whether to do so; if not, the result is x itself.

    Returns:
        A tensor of x's shape.

    Raises:
        ValueError: p is no probability.
        TypeError: x is not of floats.

    Reference: Srivastava et al. (2014), "Dropout: a simple way to prevent neural networks from
    overfitting".
    """
    check_range("dropout: the probability p", p, 1)
    if x.dtype.kind != "f":
        raise TypeError(f"dropout: x is of floats, not {x.dtype}")
    if not training or p == 0:
        return x
    key = next_key(generator)
    draws = uniform(x.shape, 0.0, 1.0, key, x.device, np.float32)
    kept = Tensor(draws >= p, x.device)
    return multiply(where(kept, x, 0.0), 1 / (1 - p) if p < 1 else 0.0)


@explained
def embedding(indices: Tensor | Any, weight: Tensor) -> Tensor:
    """Return the rows of a table at integer indices; a row's gradient is the sum over its places.

    Args:
        indices: integers 0 … rows − 1, of any shape (…).
        weight: the table, (rows, features).

    Returns:
        A tensor (…, features).

    Raises:
        TypeError: the indices are no integers.
        IndexError: an index is not 0 … rows − 1.
    """
    values = array_beside("embedding", weight, indices)
    if values.size and values.dtype.kind not in "iu":
        raise TypeError(f"embedding: indices are integers, not {values.dtype}")
    rows = weight.shape[0]
    if values.size and not (values.min() >= 0 and values.max() < rows):
        raise IndexError(
            f"embedding: indices are 0 … {rows - 1}; got {int(values.min())} … {int(values.max())}"
        )
    return take(weight, values, axis=0)
