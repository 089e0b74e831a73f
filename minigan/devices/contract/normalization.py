"""Batch normalization: the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from minigan.devices.contract.kernel import Array, kernel


@dataclass
class BatchStatistics:
    """The statistics of a product's result, which it fills for the batch norm that follows.

    The batch (the first axis) is split into equal runs, the groups.

    Attributes:
        mean: the mean of each channel in each group, (groups, channels).
        variance: the biased variance, (groups, channels), as `Device.batch_norm_statistics` has it.
        running: (mean, variance) of each group, (channels,) each, changed in place; or nothing.
        momentum: the share of the running statistics that stays.
        of: the array that they are of, (…, channels), once they are computed.
    """

    mean: Array
    variance: Array
    running: Sequence[tuple[Array, Array]] = ()
    momentum: float = 0.0
    of: Array | None = None

    @property
    def groups(self) -> int:
        """Return the number of groups."""
        return int(self.mean.shape[0])


class BatchNormalization(NamedTuple):
    """What `batch_norm` normalizes with: statistics by group, a scale and shift by channel, and the activation.

    ``mean`` and ``variance`` are (groups, channels), ``weight`` and ``bias`` (channels,). ``epsilon`` is added to the
    variance; ``negative_slope`` is the activation's.
    """

    mean: Array
    variance: Array
    weight: Array
    bias: Array
    epsilon: float
    negative_slope: float


class Normalization:
    """Batch normalization."""

    @kernel
    def batch_norm_statistics(
        self,
        x: Array,
        groups: int,
        running: Sequence[tuple[Array, Array]] = (),
        momentum: float = 0.0,
    ) -> tuple[Array, Array]:
        """Mean and (biased) variance of each channel in each group: (groups, channels) both.

        x is (rows, channels); its rows are split into `groups` equal runs. `running` is empty, or
        (mean, variance) of each group, (channels,) both. They are changed in place: running ←
        momentum·running + (1 − momentum)·batch, with the unbiased variance.
        """

    @kernel
    def batch_norm(
        self,
        x: Array,
        normalization: BatchNormalization,
    ) -> Array:
        """y = activation(weight·(x − mean)/√(variance + ε) + bias), mean and variance by group."""

    @kernel
    def batch_norm_backward(
        self,
        dy: Array,
        x: Array,
        normalization: BatchNormalization,
        batch_statistics: bool,
        needs_data: bool,
    ) -> tuple[Array | None, Array, Array]:
        """Return the gradients of `batch_norm` with respect to x, weight and bias.

        With g = dy·activation′, x̂ = (x − mean)/√(variance + ε) and N rows in a group:
        dbias = Σ g and dweight = Σ g·x̂ over all groups. If the statistics are those of x itself
        (`batch_statistics`), dx = weight/√(variance + ε)·(g − Σ_group g/N − x̂·Σ_group g·x̂/N).
        Else dx = weight/√(variance + ε)·g. dx is None unless `needs_data`.
        """
