"""Layers that steady training: layer normalization and dropout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from minigan.devices import Device, get_device
from minigan.nn.module import Module
from minigan.ops.regularization import dropout, layer_norm
from minigan.random import Generator
from minigan.tensor import Tensor


class LayerNorm(Module):
    """`minigan.layer_norm` over the last axes, with a weight and a bias of their shape, which start at 1 and 0.

    Args:
        normalized_shape: the lengths of these axes, or that of the last one.
        eps: a number that is added to the variance.
        elementwise_affine: whether there is a weight.
        bias: whether there is a bias too.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        device: str | Device | None = None,
    ) -> None:
        place, given = get_device(device), normalized_shape
        self.normalized_shape = tuple(given) if isinstance(given, Sequence) else (given,)
        self.eps = eps
        self.weight = self.bias = None
        if elementwise_affine:
            self.weight = Tensor(place.ones(self.normalized_shape, dtype), place, True)
        if elementwise_affine and bias:
            self.bias = Tensor(place.zeros(self.normalized_shape, dtype), place, True)

    def forward(self, x: Tensor) -> Tensor:
        axes = len(self.normalized_shape)
        if x.shape[-axes:] != self.normalized_shape:
            raise ValueError(
                f"LayerNorm: the last axes are {self.normalized_shape}, and x is {x.shape}"
            )
        return layer_norm(x, self.weight, self.bias, axes, self.eps)


class Dropout(Module):
    """`minigan.dropout` in training; afterwards x itself (see `eval`).

    Args:
        p: the probability that an element becomes 0, 0 … 1.

    Raises:
        ValueError: p is no probability.
    """

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is a probability, 0 … 1; not {p}")
        self.p, self.generator = p, generator

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p, self.training, self.generator)
