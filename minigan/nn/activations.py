"""Activations as layers."""

from __future__ import annotations

from minigan.nn.module import Module
from minigan.ops.activations import leaky_relu, sigmoid, tanh
from minigan.tensor import Tensor


class LeakyReLU(Module):
    """x if x > 0 else negative_slope·x, as a layer.

    Args:
        negative_slope: the slope below 0; 0.1 is the InfoGAN paper's.
    """

    def __init__(self, negative_slope: float = 0.1) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """Return `minigan.leaky_relu` of x with the layer's slope."""
        return leaky_relu(x, negative_slope=self.negative_slope)


class ReLU(LeakyReLU):
    """max(x, 0), as a layer."""

    def __init__(self) -> None:
        super().__init__(0.0)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ), as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `minigan.sigmoid` of x."""
        return sigmoid(x)


class Tanh(Module):
    """sinh x / cosh x, as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `minigan.tanh` of x."""
        return tanh(x)
