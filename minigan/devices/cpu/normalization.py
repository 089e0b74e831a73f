"""Batch norm on the CPU: two passes forward, two backward, the activation inside them.

The bound is memory: the forward pass reads x twice and writes y, the backward one reads x and dy twice
and writes dx. Statistics are exact: blocks that fit the cache are reduced in two passes there, and blocks
are merged by Chan's formula in a fixed order.

Part (group, p) of a kernel has a share of the rows of that group. Loops are written out: Numba
takes longer to compile an expression of arrays, such as ``work[:] = 0``, than the kernel. It adds
the text of an error that cannot happen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigan.devices.contract.normalization import BatchNormalization, BatchStatistics
from minigan.devices.cpu import threads
from minigan.devices.cpu.activation import leaky, leaky_gradient
from minigan.devices.cpu.arrays import Array, rows_of_threads
from minigan.devices.cpu.compile import SERIAL, Blocks, Matrix, Vector, compiled, kernel
from minigan.devices.device import Device


def batch_norm_statistics(
    device: Device,
    x: Array,
    groups: int,
    running: Sequence[tuple[Array, Array]] = (),
    momentum: float = 0.0,
) -> tuple[Array, Array]:
    mean, variance = device.empty((2, groups, x.shape[1]), x.dtype)
    _fill_statistics(device, x, BatchStatistics(mean, variance, running, momentum))
    return mean, variance


def with_statistics(device: Device, y: Array, statistics: BatchStatistics | None) -> Array:
    """y, and the statistics of it where they are asked for."""
    if statistics is not None:
        _fill_statistics(device, y.reshape(-1, y.shape[-1]), statistics)
        statistics.of = y
    return y


def _fill_statistics(device: Device, x: Array, statistics: BatchStatistics) -> None:
    mean, variance, momentum = statistics.mean, statistics.variance, statistics.momentum
    groups, channels = mean.shape
    parts, rows = groups * threads.thread_count(), x.shape[0] // groups
    means, m2, *work = rows_of_threads(device, (4, parts), channels, x.dtype)
    statistics_of_parts(parts, x, groups, means, m2, work[0], work[1])
    merge_statistics(groups, means, m2, rows, mean, variance)
    for i, (running_mean, running_variance) in enumerate(statistics.running):
        device.accumulate(running_mean, mean[i], momentum, 1 - momentum)
        unbiased = (1 - momentum) * rows / (rows - 1)
        device.accumulate(running_variance, variance[i], momentum, unbiased)


def batch_norm(
    device: Device,
    x: Array,
    normalization: BatchNormalization,
) -> Array:
    mean, variance, weight, bias, epsilon, negative_slope = normalization
    y: Array = device.empty(x.shape, x.dtype)
    inverse, scale = device.empty((2, *mean.shape), x.dtype)
    inverse_deviations(mean.shape[0], variance, weight, epsilon, inverse, scale)
    parts = mean.shape[0] * threads.thread_count()
    normalize(parts, x, mean, scale, bias, negative_slope, threads.thread_count(), y)
    return y


def batch_norm_backward(
    device: Device,
    dy: Array,
    x: Array,
    normalization: BatchNormalization,
    batch_statistics: bool,
    needs_data: bool,
) -> tuple[Array | None, Array, Array]:
    mean, variance, weight, bias, epsilon, negative_slope = normalization
    groups, channels = mean.shape
    parts = groups * threads.thread_count()
    part_sums, work = rows_of_threads(device, (2, parts, 2), channels, x.dtype)
    group_sums = device.empty((groups, 2, channels), x.dtype)
    dweight, dbias = device.empty((2, channels), x.dtype)
    inverse, scale = device.empty((2, *mean.shape), x.dtype)
    inverse_deviations(groups, variance, weight, epsilon, inverse, scale)
    shared = (dy, x, mean, inverse, scale, bias, negative_slope, threads.thread_count())
    gradient_sums(parts, *shared, part_sums, work)
    share = groups / x.shape[0] if batch_statistics else 0.0
    merge_gradient_sums(
        channels, part_sums, threads.thread_count(), share, group_sums, dweight, dbias
    )
    if not needs_data:
        return None, dweight, dbias
    dx: Array = device.empty(x.shape, x.dtype)
    gradient(parts, *shared, group_sums, dx)
    return dx, dweight, dbias


@compiled
def _rows_of(t, parts, rows):
    """Return the group of part t, where its rows begin, and where they end; each group has `rows` rows and `parts` parts."""
    group, part = t // parts, t % parts
    start = group * rows
    return group, start + rows * part // parts, start + rows * (part + 1) // parts


@compiled
def _merge(channels, means, m2, t, count, other_means, other_m2, other_t, other_count):
    """Chan, Golub & LeVeque (1983): the statistics of two sets of rows from those of each, into row t."""
    real = means.dtype.type
    share = real(other_count / (count + other_count))
    weight = real(count * (other_count / (count + other_count)))
    for c in range(channels):
        difference = other_means[other_t, c] - means[t, c]
        means[t, c] += difference * share
        m2[t, c] += other_m2[other_t, c] + difference * difference * weight


@kernel()
def statistics_of_parts(
    begin: int, end: int, x: Matrix, groups: int, means: Matrix, m2: Matrix,
    block_means: Matrix, block_m2: Matrix,
) -> None:  # fmt: skip
    """Mean and Σ(x − mean)² of each column over the rows of each part."""
    channels = x.shape[1]
    block = max(8, 16384 // channels)
    for t in range(begin, end):
        _, r0, r1 = _rows_of(t, means.shape[0] // groups, x.shape[0] // groups)
        for c in range(channels):
            means[t, c] = 0
            m2[t, c] = 0
        for b0 in range(r0, r1, block):
            b1 = min(b0 + block, r1)
            for c in range(channels):
                block_means[t, c] = 0
                block_m2[t, c] = 0
            for row in range(b0, b1):
                for c in range(channels):
                    block_means[t, c] += x[row, c]
            for c in range(channels):
                block_means[t, c] /= b1 - b0
            for row in range(b0, b1):
                for c in range(channels):
                    deviation = x[row, c] - block_means[t, c]
                    block_m2[t, c] += deviation * deviation
            _merge(channels, means, m2, t, b0 - r0, block_means, block_m2, t, b1 - b0)


@kernel(grain=SERIAL)
def merge_statistics(
    begin: int, end: int, part_means: Matrix, part_m2: Matrix, rows: int,
    mean: Matrix, variance: Matrix,
) -> None:  # fmt: skip
    """Merge the statistics of each group's parts, in order."""
    groups, channels = mean.shape
    parts = part_means.shape[0] // groups
    for group in range(begin, end):
        for c in range(channels):
            mean[group, c] = 0
            variance[group, c] = 0
        for t in range(group * parts, (group + 1) * parts):
            _, r0, r1 = _rows_of(t, parts, rows)
            if r1 > r0:
                start = r0 - group * rows
                _merge(channels, mean, variance, group, start, part_means, part_m2, t, r1 - r0)
        for c in range(channels):
            variance[group, c] /= mean.dtype.type(rows)


@kernel(grain=SERIAL)
def inverse_deviations(
    begin: int, end: int, variance: Matrix, weight: Vector, epsilon: float,
    inverse: Matrix, scale: Matrix,
) -> None:  # fmt: skip
    """inverse = 1/√(variance + ε) and scale = weight·inverse, of each group."""
    real = weight.dtype.type
    for group in range(begin, end):
        for c in range(weight.size):
            inverse[group, c] = real(1) / np.sqrt(variance[group, c] + real(epsilon))
            scale[group, c] = weight[c] * inverse[group, c]


@kernel()
def normalize(
    begin: int, end: int, x: Matrix, mean: Matrix, scale: Matrix, bias: Vector,
    slope: float, parts: int, y: Matrix,
) -> None:  # fmt: skip
    """y = activation(scale·(x − mean) + bias)."""
    rows = x.shape[0] // mean.shape[0]
    negative_slope = x.dtype.type(slope)
    for t in range(begin, end):
        group, r0, r1 = _rows_of(t, parts, rows)
        for row in range(r0, r1):
            for c in range(bias.size):
                value = (x[row, c] - mean[group, c]) * scale[group, c] + bias[c]
                y[row, c] = leaky(value, negative_slope)


@kernel()
def gradient_sums(
    begin: int, end: int, dy: Matrix, x: Matrix, mean: Matrix, inverse: Matrix, scale: Matrix,
    bias: Vector, slope: float, parts: int, sums: Blocks, work: Blocks,
) -> None:  # fmt: skip
    """sums[t, 0] = Σ g and sums[t, 1] = Σ g·x̂ over the rows of part t, where g is dy behind the activation."""
    rows = x.shape[0] // mean.shape[0]
    negative_slope = x.dtype.type(slope)
    for t in range(begin, end):
        group, r0, r1 = _rows_of(t, parts, rows)
        center, inverse_g, scale_g = mean[group], inverse[group], scale[group]
        block, block_x = work[t, 0], work[t, 1]
        for c in range(bias.size):
            sums[t, 0, c] = 0
            sums[t, 1, c] = 0
        for b0 in range(r0, r1, 128):
            for c in range(bias.size):
                block[c] = 0
                block_x[c] = 0
            for row in range(b0, min(b0 + 128, r1)):
                for c in range(bias.size):
                    deviation = x[row, c] - center[c]
                    value = deviation * scale_g[c] + bias[c]
                    g = leaky_gradient(dy[row, c], value, negative_slope)
                    block[c] += g
                    block_x[c] += g * (deviation * inverse_g[c])
            for c in range(bias.size):
                sums[t, 0, c] += block[c]
                sums[t, 1, c] += block_x[c]


@kernel(grain=SERIAL)
def merge_gradient_sums(
    begin: int, end: int, part_sums: Blocks, parts: int, share: float, group_sums: Blocks,
    dweight: Vector, dbias: Vector,
) -> None:  # fmt: skip
    """Compute the sums of each group over its parts, times `share`, and those of all groups, in order; column by column."""
    for c in range(begin, end):
        dbias[c] = 0
        dweight[c] = 0
        for group in range(group_sums.shape[0]):
            g, gx = dbias.dtype.type(0), dbias.dtype.type(0)
            for t in range(group * parts, (group + 1) * parts):
                g += part_sums[t, 0, c]
                gx += part_sums[t, 1, c]
            dbias[c] += g
            dweight[c] += gx
            factor = dbias.dtype.type(share)  # 0 of given statistics: 0 for any sums
            group_sums[group, 0, c] = factor * g if share != 0 else factor
            group_sums[group, 1, c] = factor * gx if share != 0 else factor


@kernel()
def gradient(
    begin: int, end: int, dy: Matrix, x: Matrix, mean: Matrix, inverse: Matrix, scale: Matrix,
    bias: Vector, slope: float, parts: int, means: Blocks, dx: Matrix,
) -> None:  # fmt: skip
    """dx = scale·(g − mean of g − x̂·mean of g·x̂); `means` has both, of each group."""
    rows = x.shape[0] // mean.shape[0]
    negative_slope = x.dtype.type(slope)
    for t in range(begin, end):
        group, r0, r1 = _rows_of(t, parts, rows)
        center, inverse_g, scale_g = mean[group], inverse[group], scale[group]
        mean_g, mean_gx = means[group, 0], means[group, 1]
        for row in range(r0, r1):
            for c in range(bias.size):
                deviation = x[row, c] - center[c]
                value = deviation * scale_g[c] + bias[c]
                g = leaky_gradient(dy[row, c], value, negative_slope)
                slant = mean_gx[c]
                along = deviation * inverse_g[c] * slant if slant != 0 else slant
                dx[row, c] = scale_g[c] * (g - mean_g[c] - along)
