"""Batch normalization (Ioffe & Szegedy 2015), by group, with the activation that follows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from minigan.devices import Device
from minigan.graph import VJP, Array
from minigan.ops.elementwise import check_one_float_dtype
from minigan.tensor import Tensor, common_device, differentiable

__all__ = [
    "RunningStatistics",
    "batch_norm",
]

Result = tuple[Array, VJP]


class RunningStatistics(NamedTuple):
    """The moving averages of a group's batch statistics, (channels,) both; updated in place."""

    mean: Tensor
    variance: Tensor


@differentiable
def _normalize_batch(
    device: Device,
    x: Array,
    weight: Array,
    bias: Array,
    statistics: tuple[Array, Array],
    batch_statistics: bool,
    epsilon: float,
    negative_slope: float,
) -> Result:
    mean, variance = statistics
    rows = device.contiguous(x.reshape(-1, x.shape[-1]))
    weight, bias = device.contiguous(weight), device.contiguous(bias)
    y = device.batch_norm(rows, mean, variance, weight, bias, epsilon, negative_slope)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        dx, dweight, dbias = device.batch_norm_backward(
            device.contiguous(dy.reshape(rows.shape)), rows, mean, variance, weight, bias,
            epsilon, negative_slope, batch_statistics, needs[0],
        )  # fmt: skip
        return None if dx is None else dx.reshape(dy.shape), dweight, dbias

    return y.reshape(x.shape), vjp


def batch_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running: Mapping[str, RunningStatistics] | None = None,
    groups: Sequence[str] = ("default",),
    training: bool = True,
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    negative_slope: float = 1.0,
) -> Tensor:
    """activation(weight·(x − mean)/√(variance + ε) + bias), by channel (the last axis).

    In training the batch (the first axis) is `len(groups)` equal runs, and each is normalized by its own mean and
    biased variance, so real and generated images can share one call; `running[group]`, where given,
    moves to momentum·running + (1 − momentum)·batch, with the unbiased variance. In inference the one
    group named is normalized by its running statistics. `negative_slope` fuses the activation
    y if y > 0 else negative_slope·y: 1 is none, 0 ReLU.
    """
    common_device("batch_norm", [x, weight, bias])
    _check(x, weight, bias, groups)
    device, channels = x.device, x.shape[-1]
    if not training:
        return _inference(x, weight, bias, running, groups, epsilon, negative_slope)
    rows = device.contiguous(x.data.reshape(-1, channels))
    count = rows.shape[0] // len(groups)
    if count < 2:
        raise ValueError(
            f"batch_norm: a group of {x.shape} has {count} value a channel; a variance needs two"
        )
    moving = [_of_group(running, group) for group in groups] if running is not None else []
    averages = [(statistics.mean.data, statistics.variance.data) for statistics in moving]
    mean, variance = device.batch_norm_statistics(rows, len(groups), averages, momentum)
    for statistics in moving:
        for average in statistics:
            average.mark_changed()
    return _normalize_batch(
        x, weight, bias, statistics=(mean, variance), batch_statistics=True,
        epsilon=epsilon, negative_slope=negative_slope,
    )  # fmt: skip


def _inference(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    running: Mapping[str, RunningStatistics] | None,
    groups: Sequence[str],
    epsilon: float,
    negative_slope: float,
) -> Tensor:
    if running is None or len(groups) != 1:
        raise ValueError("batch_norm: inference needs running statistics, and names one group")
    chosen = _of_group(running, groups[0])
    # Copies: a later training step updates the running statistics in place, before backward() maybe.
    mean, variance = (x.device.copy(average.data).reshape(1, -1) for average in chosen)
    return _normalize_batch(
        x, weight, bias, statistics=(mean, variance), batch_statistics=False,
        epsilon=epsilon, negative_slope=negative_slope,
    )  # fmt: skip


def _check(x: Tensor, weight: Tensor, bias: Tensor, groups: Sequence[str]) -> None:
    channels = x.shape[-1:]
    if x.ndim < 2 or weight.shape != channels or bias.shape != channels:
        raise ValueError(
            f"batch_norm: x of shape {x.shape} has its channels last, and weight {weight.shape} and "
            f"bias {bias.shape} one element for each"
        )
    try:
        check_one_float_dtype(x, weight, bias)
    except ValueError as error:
        raise ValueError(f"batch_norm: {error}") from error
    if not groups or x.shape[0] % len(groups):
        raise ValueError(
            f"batch_norm: a batch of {x.shape[0]} does not divide into {len(groups)} groups"
        )


def _of_group(running: Mapping[str, RunningStatistics], group: str) -> RunningStatistics:
    if group not in running:
        raise ValueError(f"batch_norm: no group '{group}'; there is {', '.join(running)}")
    return running[group]
