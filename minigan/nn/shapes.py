"""Layers that change the shape alone, or nothing."""

from __future__ import annotations

from minigan.nn.module import Module
from minigan.tensor import Tensor


class Flatten(Module):
    """(batch, …) to (batch, features)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1)


class Reshape(Module):
    """(batch, features) to (batch, *shape)."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.shape)


class Identity(Module):
    """x as it is."""

    def forward(self, x: Tensor) -> Tensor:
        return x
