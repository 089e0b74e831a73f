"""A table of vectors that are looked up by number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigan.creation import randn
from minigan.devices import DeviceLike
from minigan.nn.module import Module
from minigan.ops.regularization import embedding
from minigan.random import Generator
from minigan.tensor import Tensor


class Embedding(Module):
    """A table of vectors that are looked up by number, each from N(0, 1) at first.

    Its weight is (num_embeddings, embedding_dim).

    Args:
        num_embeddings: the number of vectors, at least 0.
        embedding_dim: the length of a vector, at least 0.

    Raises:
        ValueError: a number is negative.
        TypeError: `dtype` is not float32 or float64.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        dtype: DTypeLike = np.float32,
        device: DeviceLike = None,
        generator: Generator | None = None,
    ) -> None:
        shape = (num_embeddings, embedding_dim)
        self.weight = randn(shape, dtype=dtype, device=device, generator=generator).requires_grad_()

    def forward(self, indices: Tensor | Any) -> Tensor:
        """Return `minigan.embedding` of the indices in the layer's weight."""
        return embedding(indices, self.weight)
