"""Batch normalization: the launches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigan.devices.arguments import PointerTable
from minigan.devices.contract.kernel import Array
from minigan.devices.contract.normalization import BatchNormalization, BatchStatistics
from minigan.devices.contract.products import Epilogue
from minigan.devices.cuda_plan.base import PARTS, REDUCTION_BLOCK, CudaPlan

_RUNNING_GROUPS = 16  # of a table, as in normalization.cu


def batch_norm_statistics(
    device: CudaPlan,
    x: Array,
    groups: int,
    running: Sequence[tuple[Array, Array]] = (),
    momentum: float = 0.0,
) -> tuple[Array, Array]:
    averages = [array for pair in running for array in pair]
    x, *_ = device.checked("batch_norm_statistics", x, *averages)
    mean, variance = device.empty((2, groups, x.shape[1]), x.dtype)
    statistics = BatchStatistics(mean, variance, running, momentum)
    merge_moments(device, moments_of_parts(device, x, groups), len(x), statistics)
    return mean, variance


def moments_of_parts(
    device: CudaPlan, x: Array, groups: int, sums: tuple[Array, Epilogue] | None = None
) -> Array:
    """Mean and Σ(x − mean)² of parts of the rows of each group, as of one phase of a product.

    With `sums`, x is still to be made of them: the parts that a product's splits left, and its epilogue.
    """
    rows, channels = x.shape[0] // groups, x.shape[1]
    moments = device.empty((1, groups, PARTS, 2, channels), x.dtype)
    grid = (-(-channels // 32), PARTS, groups)
    if sums is None:
        device.launch(
            "normalization", "batch_norm_parts", x.dtype, grid, REDUCTION_BLOCK,
            x, moments, rows, channels,
        )  # fmt: skip
        return moments
    partial, epilogue = sums
    device.launch(
        "normalization", "sum_parts_moments", x.dtype, grid, REDUCTION_BLOCK, partial, epilogue.bias,
        epilogue.negative_slope, moments, x, partial.shape[0], rows, channels, np.int64(x.size),
    )  # fmt: skip
    return moments


def merge_moments(device: CudaPlan, moments: Array, rows: int, statistics: BatchStatistics) -> None:
    """Fill the statistics of `rows` rows from the moments of their parts, (phases, groups, parts, 2, channels)."""
    phases, groups, parts, _, channels = moments.shape
    columns = tuple(zip(*statistics.running, strict=True)) or ((), ())
    for first in range(0, groups, _RUNNING_GROUPS):
        table = [column[first : first + _RUNNING_GROUPS] for column in columns]
        device.launch(
            "normalization", "batch_norm_merge", moments.dtype, (-(-channels // 32),), REDUCTION_BLOCK,
            moments, statistics.mean, statistics.variance, PointerTable(tuple(table), _RUNNING_GROUPS),
            statistics.momentum, rows // groups // phases, channels, phases, parts, groups, first,
        )  # fmt: skip


def batch_norm(
    device: CudaPlan,
    x: Array,
    normalization: BatchNormalization,
) -> Array:
    *arrays, epsilon, negative_slope = normalization
    x, mean, variance, weight, bias = device.checked("batch_norm", x, *arrays)
    y = device.empty(x.shape, x.dtype)
    device.launch_elementwise(
        "normalization", "batch_norm", x.size, x.dtype, x, mean, variance, weight, bias, y,
        epsilon, negative_slope, x.shape[0] // mean.shape[0], x.shape[1], np.int64(x.size),
    )  # fmt: skip
    return y


def batch_norm_backward(
    device: CudaPlan,
    dy: Array,
    x: Array,
    normalization: BatchNormalization,
    batch_statistics: bool,
    needs_data: bool,
) -> tuple[Array | None, Array, Array]:
    *arrays, epsilon, negative_slope = normalization
    dy, x, mean, variance, weight, bias = device.checked("batch_norm_backward", dy, x, *arrays)
    groups, channels = mean.shape
    rows = x.shape[0] // groups
    sums = device.empty((groups, PARTS, 2, channels), x.dtype)
    group_sums = device.empty((groups, 2, channels), x.dtype)
    dweight, dbias = device.empty((2, channels), x.dtype)
    grid = (-(-channels // 32), PARTS, groups)
    device.launch(
        "normalization", "batch_norm_backward_parts", x.dtype, grid, REDUCTION_BLOCK,
        dy, x, mean, variance, weight, bias, sums, epsilon, negative_slope, rows, channels,
    )  # fmt: skip
    device.launch_elementwise(
        "normalization", "batch_norm_backward_merge", channels, x.dtype,
        sums, group_sums, dweight, dbias, channels, PARTS, groups,
    )  # fmt: skip
    if not needs_data:
        return None, dweight, dbias
    dx = device.empty(x.shape, x.dtype)
    device.launch_elementwise(
        "normalization", "batch_norm_backward_data", x.size, x.dtype,
        dy, x, mean, variance, weight, bias, group_sums, dx, epsilon, negative_slope,
        int(batch_statistics), rows, channels, np.int64(x.size),
    )  # fmt: skip
    return dx, dweight, dbias
