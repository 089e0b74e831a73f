"""A table of vectors that are looked up by number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minigan.creation import randn
from minigan.devices import Device
from minigan.nn.module import Module
from minigan.ops.regularization import embedding
from minigan.random import Generator
from minigan.tensor import Tensor


class Embedding(Module):
    """`minigan.embedding` with its own table: weight is (num_embeddings, embedding_dim), from N(0, 1)."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        dtype: DTypeLike = np.float32,
        device: str | Device | None = None,
        generator: Generator | None = None,
    ) -> None:
        shape = (num_embeddings, embedding_dim)
        self.weight = randn(shape, dtype=dtype, device=device, generator=generator).requires_grad_()

    def forward(self, indices: Tensor | Any) -> Tensor:
        return embedding(indices, self.weight)
