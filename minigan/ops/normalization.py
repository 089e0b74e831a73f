"""Batch normalization (Ioffe & Szegedy 2015), by group, with the activation that follows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from minigan.devices import Device
from minigan.devices.contract.normalization import BatchNormalization, BatchStatistics
from minigan.devices.memory import share_memory
from minigan.operation import differentiable, explained
from minigan.ops.shared import check_one_float_dtype, check_range
from minigan.saving import Array, Result
from minigan.tensor import Tensor, common_device

__all__ = ["BatchStatistics", "RunningStatistics", "allocate_batch_statistics", "batch_norm"]


class RunningStatistics(NamedTuple):
    """The moving averages of a group's batch statistics, updated in place.

    Attributes:
        mean: the mean of each channel, (channels,).
        variance: the variance of each channel, (channels,).
    """

    mean: Tensor
    variance: Tensor


Running = Mapping[str, RunningStatistics]  # by the name of the group


@differentiable
def _batch_norm(
    device: Device,
    x: Array,
    weight: Array,
    bias: Array,
    statistics: tuple[Array, Array],
    batch_statistics: bool,
    eps: float,
    negative_slope: float,
) -> Result:
    mean, variance = statistics
    rows = device.contiguous(x.reshape(-1, x.shape[-1]))
    weight, bias = device.contiguous(weight), device.contiguous(bias)
    normalization = BatchNormalization(mean, variance, weight, bias, eps, negative_slope)
    y = device.batch_norm(rows, normalization)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        dx, dweight, dbias = device.batch_norm_backward(
            device.contiguous(dy.reshape(rows.shape)),
            rows,
            normalization,
            batch_statistics,
            needs[0],
        )
        return None if dx is None else dx.reshape(dy.shape), dweight, dbias

    return y.reshape(x.shape), vjp, (rows, mean, variance, weight, bias)


@explained
def batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running: Running | None = None,
    groups: Sequence[str] = ("default",),
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    negative_slope: float = 1.0,
    statistics: BatchStatistics | None = None,
) -> Tensor:
    """activation(weight·(x − mean)/√(variance + eps) + bias), by channel (the last axis).

    In training the batch (the first axis) is `len(groups)` equal runs. Each is normalized by its
    own mean and biased variance, so real and generated images can share one call. In inference the
    one group named is normalized by its running statistics.

    Args:
        x: (batch, …, channels).
        weight: the factor of each channel, (channels,).
        bias: the number added to each channel, (channels,).
        running: the running statistics by group. In training, `running[group]` moves to
            (1 − momentum)·running + momentum·batch, with the unbiased variance.
        groups: the names of the runs, in order.
        training: whether to normalize by the batch, and not by the running statistics.
        momentum: the share of the batch in the new running statistics, 0 … 1.
        eps: the number added to the variance under the root, at least 0.
        negative_slope: fuses the activation y if y > 0 else negative_slope·y: 1 is none, 0 ReLU.
        statistics: filled by the operation that made x, so that x is not read for them again. That
            operation has moved the running statistics already.

    Returns:
        A tensor of x's shape.

    Raises:
        ValueError: the shapes or dtypes do not fit, or the batch does not divide into the groups.
            Also if a group is unknown, or has fewer than two values a channel in training, or if
            `eps` or `momentum` is out of range.

    Reference: Ioffe & Szegedy (2015), "Batch normalization: accelerating deep network training by
    reducing internal covariate shift".
    """
    common_device("batch_norm", [x, weight, bias])
    groups = (groups,) if isinstance(groups, str) else groups
    check_range("batch_norm: eps", eps)
    check_range("batch_norm: momentum", momentum, 1)
    try:
        channels = x.shape[-1:]
        if x.ndim < 2 or weight.shape != channels or bias.shape != channels:
            raise ValueError(
                f"x of shape {x.shape} has its channels last, and weight {weight.shape} and bias {bias.shape} "
                "one element for each"
            )
        check_one_float_dtype(x, weight, bias)
        _check_groups(x.shape, len(groups), least=2 if training else 0)
    except ValueError as error:
        raise ValueError(f"batch_norm: {error}") from error
    averages = _moving(running, groups, x) if training else []
    if not training:
        moments = _of_running(x, running, groups)
    elif statistics is not None:
        _check_filled(statistics, x, len(groups))
        moments = statistics.mean, statistics.variance
    else:
        rows = x.device.contiguous(x.data.reshape(-1, x.shape[-1]))
        moments = x.device.batch_norm_statistics(rows, len(groups), averages, 1 - momentum)
    return _batch_norm(x, weight, bias, moments, training, eps, negative_slope)


def _of_running(x: Tensor, running: Running | None, groups: Sequence[str]) -> tuple[Array, Array]:
    """Return copies: a later training step updates the running statistics, before backward() maybe."""
    if running is None or len(groups) != 1:
        raise ValueError("batch_norm: inference needs running statistics, and names one group")
    mean, variance = (
        x.device.copy(t.data).reshape(1, -1) for t in _of_group(running, groups[0], x)
    )
    return mean, variance


def allocate_batch_statistics(
    weight: Tensor,
    running: Running | None = None,
    groups: Sequence[str] = ("default",),
    momentum: float = 0.1,
) -> BatchStatistics:
    """Allocate the statistics of a batch: the operation that makes it fills them for `batch_norm`.

    A convolution or linear layer finds them while its result is still in registers::

        statistics = mg.allocate_batch_statistics(weight, running)
        y = mg.conv2d(x, w, statistics=statistics)
        y = mg.batch_norm(y, weight, bias, running, statistics=statistics)

    Args:
        weight: that of the `batch_norm`, (channels,).
        running: the running statistics by group, which the operation moves.
        groups: the names of the runs of the batch, in order.
        momentum: the share of the batch in the new running statistics.

    Returns:
        The statistics, (groups, channels) each, not filled yet.

    Raises:
        ValueError: a group is unknown.
    """
    mean, variance = weight.device.empty((2, len(groups), weight.shape[0]), weight.dtype)
    averages = _moving(running, groups, weight)
    return BatchStatistics(mean, variance, averages, 1 - momentum)


def check_batch_statistics(
    statistics: BatchStatistics | None, shape: Sequence[int], dtype: Any
) -> None:
    """ValueError where an operation could not fill these with the statistics of a result of that shape."""
    if statistics is None:
        return
    mean, groups = statistics.mean, statistics.groups
    if mean.shape[1] != shape[-1] or mean.dtype != dtype:
        raise ValueError(
            f"the statistics are of {mean.shape[1]} channels of {mean.dtype}, and the result has {shape[-1]} of "
            f"{dtype}; allocate_batch_statistics takes the weight of the batch norm that follows"
        )
    _check_groups(shape, groups, least=2)


def _check_filled(statistics: BatchStatistics, x: Tensor, groups: int) -> None:
    of = statistics.of
    same = of is not None and of.size == x.size and share_memory(of, x.data)
    if not same or x._version.count or statistics.groups != groups:
        raise ValueError(
            "batch_norm: these statistics are not those of x as it is; pass the same `statistics` to the operation that makes x, "
            "and change nothing between"
        )


def _check_groups(shape: Sequence[int], groups: int, least: int) -> None:
    """ValueError where a batch is no equal runs of at least so many values a channel."""
    if not groups or shape[0] % groups:
        raise ValueError(f"a batch of {shape[0]} does not divide into {groups} groups")
    count = math.prod(shape[:-1]) // groups
    if count < least:
        raise ValueError(
            f"a group of {tuple(shape)} has {count} value a channel; a variance needs two"
        )


def _moving(
    running: Running | None, groups: Sequence[str], like: Tensor
) -> list[tuple[Array, Array]]:
    """Return the running statistics of the groups, which kernels write, marked as changed."""
    moving = [_of_group(running, group, like) for group in groups] if running is not None else []
    for average in (average for pair in moving for average in pair):
        flags = average.data.flags
        if not (flags.c_contiguous and getattr(flags, "writeable", True)):
            raise ValueError(
                "batch_norm: running statistics are contiguous and can be written: kernels write them"
            )
        average.mark_changed()
    return [(mean.data, variance.data) for mean, variance in moving]


def _of_group(running: Running, group: str, like: Tensor) -> RunningStatistics:
    """Return the running statistics of a group; `like` has their channels on its last axis, and their dtype."""
    if group not in running:
        raise ValueError(f"batch_norm: no group '{group}'; there is {', '.join(running)}")
    common_device("batch_norm", [like, *running[group]])
    for average in running[group]:
        if average.shape != like.shape[-1:] or average.dtype != like.dtype:
            raise ValueError(
                f"batch_norm: the running statistics of '{group}' are {average.dtype} of shape {average.shape}; "
                f"the channels need {like.dtype} of shape {like.shape[-1:]}"
            )
    return running[group]
