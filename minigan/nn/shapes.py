"""Layers that change the shape alone, or nothing."""

from __future__ import annotations

from minigan.nn.module import Module
from minigan.tensor import Tensor


class Flatten(Module):
    """Join all axes but the first, as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x as one row of features for each of the batch.

        Args:
            x: (batch, …).

        Returns:
            A tensor (batch, features).
        """
        return x.flatten(1)


class Reshape(Module):
    """Give each of a batch another shape, as a layer.

    Args:
        shape: the lengths of the axes after the first; one may be −1.
    """

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Return x with the layer's shape for each of the batch.

        Args:
            x: (batch, …), with as many elements for each as the shape has.

        Returns:
            A tensor (batch, *shape).

        Raises:
            ValueError: x has another number of elements.
        """
        return x.reshape(x.shape[0], *self.shape)


class Identity(Module):
    """A layer that changes nothing."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x as it is.

        Args:
            x: any shape.

        Returns:
            The tensor x itself, of its shape.
        """
        return x
