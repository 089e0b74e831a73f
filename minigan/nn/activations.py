"""Activations as layers."""

from __future__ import annotations

from minigan.nn.module import Module
from minigan.ops.activations import leaky_relu, sigmoid
from minigan.tensor import Tensor


class LeakyReLU(Module):
    """`minigan.leaky_relu`.

    Args:
        negative_slope: the slope below 0; 0.1 is the paper's.
    """

    def __init__(self, negative_slope: float = 0.1) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(x, negative_slope=self.negative_slope)


class ReLU(LeakyReLU):
    """max(x, 0)."""

    def __init__(self) -> None:
        super().__init__(0.0)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ)."""

    def forward(self, x: Tensor) -> Tensor:
        return sigmoid(x)


class Tanh(Module):
    """sinh x / cosh x."""

    def forward(self, x: Tensor) -> Tensor:
        return x.tanh()
