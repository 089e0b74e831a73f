"""Spectral normalization, which bounds how fast a discriminator can change (Miyato et al. 2018)."""

from __future__ import annotations

import copy
from typing import Any

from minigan.creation import randn
from minigan.nn.module import Module
from minigan.ops.shared import integer
from minigan.random import Generator
from minigan.recording import no_grad
from minigan.tensor import Tensor

_FIRST_ITERATIONS = 15  # they start from random vectors


class SpectralNorm(Module):
    """A layer that computes with weight/σ, where σ is the largest singular value of its weight.

    The weight is read as a matrix of all its axes but the last, by the last. Each call in training
    improves the singular vectors u and v, which are buffers, by `n_power_iterations`. σ = uᵀWv has
    a gradient by W, not by u and v. Example::

        discriminator = nn.Sequential(
            nn.SpectralNorm(nn.Conv2d(1, 64, 4, stride=2, padding=1)), nn.LeakyReLU(0.1),
            nn.Flatten(), nn.SpectralNorm(nn.Linear(64 * 14 * 14, 1)),
        )

    Args:
        layer: a module with a `weight` of at least two axes: Linear, Conv2d, ConvTranspose2d,
            Embedding.
        n_power_iterations: steps of power iteration in each call, at least 1.
        eps: the least norm that a vector is divided by.

    Raises:
        ValueError: the layer has no such weight, there is no iteration, or `eps` is not over 0.

    Reference: Miyato et al. (2018), "Spectral normalization for generative adversarial networks".
    """

    def __init__(
        self,
        layer: Module,
        n_power_iterations: int = 1,
        eps: float = 1e-12,
        *,
        generator: Generator | None = None,
    ) -> None:
        weight = getattr(layer, "weight", None)
        if not isinstance(weight, Tensor) or weight.ndim < 2:
            raise ValueError("SpectralNorm: the layer has a weight of at least two axes")
        if not (integer(n_power_iterations, "n_power_iterations") >= 1 and eps > 0):
            raise ValueError(
                f"SpectralNorm: at least 1 iteration, and eps > 0; not {n_power_iterations}, {eps}"
            )
        self.layer, self.n_power_iterations, self.eps = layer, n_power_iterations, eps
        matrix = _matrix(weight)
        self.u, self.v = (
            randn((n, 1), dtype=weight.dtype, device=weight.device, generator=generator)
            for n in matrix.shape
        )
        self._iterate(matrix, _FIRST_ITERATIONS)

    def forward(self, *arguments: Any, **settings: Any) -> Tensor:
        """Run a copy of the layer with weight/σ; what it sets on itself, but `weight`, is kept.

        Args:
            arguments: the layer's arguments.
            settings: its arguments by name.

        Returns:
            A tensor of the shape that the layer gives.
        """
        layer, held = copy.copy(self.layer), vars(self.layer)  # threads may share the layer itself
        weight: Tensor = held["weight"]
        vars(layer)["weight"] = weight / self._sigma(weight).maximum(self.eps)
        result = layer(*arguments, **settings)
        held.update(vars(layer) | {"weight": weight})
        return result

    def _sigma(self, weight: Tensor) -> Tensor:
        """Return σ of the weight, a tensor of one element; in training, improve u and v first."""
        matrix = _matrix(weight)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        # copies: the next call changes u and v, before backward() maybe
        return (self.u.copy().T @ matrix @ self.v.copy()).reshape(())

    def _iterate(self, matrix: Tensor, count: int) -> None:
        with no_grad():
            for _ in range(count):
                self.u.copy_(self._unit(matrix @ self.v))
                self.v.copy_(self._unit(matrix.T @ self.u))

    def _unit(self, vector: Tensor) -> Tensor:
        return vector / vector.norm().maximum(self.eps)


def _matrix(weight: Tensor) -> Tensor:
    return weight.reshape(-1, weight.shape[-1])
