"""Layers that steady training: layer normalization and dropout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from minigan.creation import checked_shape, ones, zeros_like
from minigan.devices import DeviceLike
from minigan.nn.module import Module
from minigan.ops.regularization import dropout, layer_norm
from minigan.ops.shared import check_range
from minigan.random import Generator
from minigan.tensor import Tensor


class LayerNorm(Module):
    """weight·(x − mean)/√(variance + eps) + bias, over the last axes together.

    The weight and the bias have the shape of these axes, and start at 1 and 0.

    Args:
        normalized_shape: the lengths of these axes, or that of the last one.
        eps: a number that is added to the variance.
        elementwise_affine: whether there is a weight.
        bias: whether there is a bias too.

    Raises:
        ValueError: eps is negative or not finite.

    Reference: Ba et al. (2016), "Layer normalization".
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: DTypeLike = np.float32,
        device: DeviceLike = None,
    ) -> None:
        self.normalized_shape = shape = checked_shape(normalized_shape)
        self.eps = check_range("LayerNorm: eps", eps)
        self.weight = self.bias = None
        if elementwise_affine:
            self.weight = ones(shape, dtype=dtype, device=device, requires_grad=True)
            self.bias = zeros_like(self.weight, requires_grad=True) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Return `minigan.layer_norm` of x with the layer's weight and bias.

        Raises:
            ValueError: the last axes of x have other lengths.
        """
        axes = len(self.normalized_shape)
        if np.shape(x)[-axes:] != self.normalized_shape:
            raise ValueError(
                f"LayerNorm: the last axes are {self.normalized_shape}, and x is {np.shape(x)}"
            )
        return layer_norm(x, self.weight, self.bias, axes, self.eps)


class Dropout(Module):
    """Replace each element by 0 with probability p in training; after `eval` give x itself.

    Args:
        p: the probability that an element becomes 0, 0 … 1.

    Raises:
        ValueError: p is no probability.

    Reference: Srivastava et al. (2014), "Dropout: a simple way to prevent neural networks from
    overfitting".
    """

    def __init__(self, p: float = 0.5, *, generator: Generator | None = None) -> None:
        self.p, self.generator = check_range("Dropout: the probability p", p, 1), generator

    def forward(self, x: Tensor) -> Tensor:
        """Return `minigan.dropout` of x with the layer's probability."""
        return dropout(x, self.p, self.training, self.generator)
