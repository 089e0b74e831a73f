"""Batch normalization, with running statistics for each group."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar

import numpy as np
from numpy.typing import DTypeLike

from minigan.creation import ones, ones_like, zeros, zeros_like
from minigan.devices import DeviceLike
from minigan.nn.module import Module
from minigan.ops.normalization import (
    BatchStatistics,
    RunningStatistics,
    allocate_batch_statistics,
    batch_norm,
)
from minigan.ops.shared import check_range, integer
from minigan.tensor import Tensor

# the groups that this thread's batches are of; see `batch_groups`
_current: ContextVar[Sequence[str] | None] = ContextVar("groups", default=None)


@contextlib.contextmanager
def batch_groups(*names: str) -> Iterator[None]:
    """Let every batch norm within the block read the batch as equal runs of these groups.

    It reaches the batch norms of any module::

        with mg.nn.batch_groups("real", "generated"):
            logits = discriminator(mg.concatenate([real, generated]))

    Args:
        names: the groups of the runs, in order.

    Returns:
        A context, for ``with``; a new thread starts without it.
    """
    token = _current.set(names)
    try:
        yield
    finally:
        _current.reset(token)


class BatchNorm(Module):
    """weight·(x − mean)/√(variance + eps) + bias, with running statistics for each named group.

    Its weight and bias are (channels,), and start at 1 and 0.

    Args:
        channels: length of the last axis.
        groups: names of the groups of images, each with its own running statistics.
        momentum: the share of a batch in the new running statistics.
        eps: the number added to the variance under the root.
        negative_slope: the slope below 0 of the fused activation: 1 is none, 0 ReLU, 0.1 the
            paper's leaky ReLU.

    Raises:
        TypeError: the channels are no integer, or the groups no names.
        ValueError: eps is negative or not finite, or the momentum is outside [0, 1].

    Reference: Ioffe & Szegedy (2015), "Batch normalization: accelerating deep network training by
    reducing internal covariate shift".
    """

    def __init__(
        self,
        channels: int,
        groups: Sequence[str] = ("default",),
        momentum: float = 0.1,
        eps: float = 1e-5,
        negative_slope: float = 1.0,
        *,
        dtype: DTypeLike = np.float32,
        device: DeviceLike = None,
    ) -> None:
        self.momentum = check_range("BatchNorm: momentum", momentum, 1)
        self.eps, self.negative_slope = check_range("BatchNorm: eps", eps), negative_slope
        if not isinstance(groups, Iterable):
            raise TypeError(f"BatchNorm: groups are names, not {groups!r}")
        channels = integer(channels, "BatchNorm: channels")
        self.weight = ones(channels, dtype=dtype, device=device, requires_grad=True)
        self.bias = zeros(channels, dtype=dtype, device=device, requires_grad=True)
        self.running = {
            group: RunningStatistics(zeros_like(self.bias), ones_like(self.weight))
            for group in ((groups,) if isinstance(groups, str) else groups)
        }

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield from super()._tensors()  # those of a subclass too
        for group, statistics in self.running.items():
            yield f"running_mean.{group}", statistics.mean
            yield f"running_var.{group}", statistics.variance

    def forward(
        self,
        x: Tensor,
        groups: Sequence[str] | None = None,
        statistics: BatchStatistics | None = None,
    ) -> Tensor:
        """Return `minigan.batch_norm` of x with the layer's weights and running statistics.

        Args:
            groups: the equal runs of the batch, as for `batch_groups`; a layer with one group needs
                none.
            statistics: those that the layer before filled; see `allocate_batch_statistics`.
        """
        return batch_norm(
            x, self.weight, self.bias, self.running, self._named(groups), self.training,
            self.momentum, self.eps, self.negative_slope, statistics,
        )  # fmt: skip

    def allocate_batch_statistics(
        self, groups: Sequence[str] | None = None
    ) -> BatchStatistics | None:
        """Allocate the statistics that the layer before fills in training.

        Args:
            groups: the names of the batch's runs; by default those of `batch_groups`, or the only
                group.

        Returns:
            The statistics, or None outside training.

        Raises:
            ValueError: a group is unknown, or none of several is named.
        """
        if not self.training:
            return None
        return allocate_batch_statistics(
            self.weight, self.running, self._named(groups), self.momentum
        )

    def _named(self, groups: Sequence[str] | None) -> Sequence[str]:
        groups = _current.get() if groups is None else groups
        if groups is None:
            if len(self.running) != 1:
                raise ValueError(f"BatchNorm: say which of its groups, {', '.join(self.running)}")
            groups = tuple(self.running)
        return groups
