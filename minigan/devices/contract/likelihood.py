"""Likelihoods, and the codes that they are about: the contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from minigan.devices.contract.kernel import Array, kernel


@dataclass(frozen=True)
class CodeTable:
    """How the columns of Q's output parametrize a row of codes, one entry a code, as kernels read it.

    Code i is described by the columns ``offset[i] : offset[i] + width[i]``. ``kind`` 0 is a
    categorical of ``width`` logits; its value is the index of its category. ``kind`` 1 is a
    Gaussian of (mean,) with the fixed ``log_std[i]``, and 2 a Gaussian of (mean, log_std).
    """

    kind: tuple[int, ...]
    offset: tuple[int, ...]
    width: tuple[int, ...]
    log_std: tuple[float, ...]

    CATEGORICAL: ClassVar[int] = 0
    FIXED_GAUSSIAN: ClassVar[int] = 1
    PREDICTED_GAUSSIAN: ClassVar[int] = 2

    @property
    def columns(self) -> int:
        """Columns of Q's output."""
        return sum(self.width)

    @property
    def encoded_columns(self) -> int:
        """Columns of the generator's input that the codes take."""
        pairs = zip(self.kind, self.width, strict=True)
        return sum(width if kind == self.CATEGORICAL else 1 for kind, width in pairs)


class Likelihood:
    """Likelihoods, and the codes that they are about."""

    @kernel
    def binary_cross_entropy_with_logits(
        self, logits: Array, targets: Array
    ) -> tuple[Array, Array]:
        """−t·log σ(x) − (1 − t)·log(1 − σ(x)), and its derivative σ(x) − t, elementwise, in one pass."""

    @kernel
    def code_log_likelihood(
        self, parameters: Array, codes: Array, table: CodeTable
    ) -> tuple[Array, Array]:
        """log Q(cᵢ|x) of every code, (batch, codes), and its derivative by the parameters, in one pass.

        parameters is (batch, table.columns), codes (batch, codes). A categorical code's value is
        xₖ − log Σ eˣ with k its index; a Gaussian's −½((c − μ)/σ)² − log σ − ½ log 2π. The derivative
        has the shape of the parameters: each column belongs to one code.
        """

    @kernel
    def scale_code_gradient(self, gradient: Array, dy: Array, table: CodeTable) -> Array:
        """Multiply each code's columns of `gradient` (batch, columns) by dy of that code: (batch, codes), or (codes,) for every row."""

    @kernel
    def code_consistency_information(
        self, first: Array, second: Array, table: CodeTable, entropy_weight: float = 1.0
    ) -> tuple[Array, Array, Array]:
        """Return how well the augmented copy tells each code of the image, (codes,), and its derivatives by both.

        first and second are (batch, table.columns), the logits of two views of each row. p and q
        are their softmax, and p̄ is the mean of p over the batch. A categorical code has
        entropy_weight·H(p̄) + E[Σ p·log q]; another code has 0.
        """

    @kernel
    def encode_latents(self, noise: Array, codes: Array, table: CodeTable) -> Array:
        """Return the generator's input, (batch, noise + encoded columns): the noise, then the codes.

        A categorical becomes one column a category, 1 at its index and 0 elsewhere; a continuous code
        stays one column.
        """
