"""Batch norm on the CPU: two passes forward, two backward, the activation inside them.

The bound is memory: the forward pass reads x twice and writes y, the backward one reads x and dy twice
and writes dx. Statistics are exact: blocks that fit the cache are reduced in two passes there, and blocks
are merged by Chan's formula in a fixed order.

What is done once a call is done by serial helpers: in a parallel kernel Numba makes of each expression of arrays, however
small, a parallel region of its own, and to enter and leave it takes longer than the work.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minigan.devices.cpu.compile import compiled, parallel
from minigan.devices.cpu.elementwise import leaky, leaky_gradient


@compiled
def _statistics(x, r0, r1, mean, m2, work):
    """Mean and Σ(x − mean)² of each column over rows r0 … r1. `work` is (2, channels)."""
    channels = x.shape[1]
    block = max(8, 16384 // channels)
    mean[:] = 0
    m2[:] = 0
    count = 0
    for b0 in range(r0, r1, block):
        b1 = min(b0 + block, r1)
        size = b1 - b0
        work[:] = 0
        for row in range(b0, b1):
            for c in range(channels):
                work[0, c] += x[row, c]
        for c in range(channels):
            work[0, c] /= size
        for row in range(b0, b1):
            for c in range(channels):
                deviation = x[row, c] - work[0, c]
                work[1, c] += deviation * deviation
        _merge(mean, m2, count, work[0], work[1], size)
        count += size


@compiled
def _merge(mean, m2, count, other_mean, other_m2, other_count):
    """Chan, Golub & LeVeque (1983): the statistics of two sets of rows from those of each."""
    share = mean.dtype.type(other_count / (count + other_count))
    weight = mean.dtype.type(count * (other_count / (count + other_count)))
    for c in range(mean.size):
        difference = other_mean[c] - mean[c]
        mean[c] += difference * share
        m2[c] += other_m2[c] + difference * difference * weight


@parallel
def statistics(x, groups, part_mean, part_m2, work, mean, variance):
    """Part (g, p) of `parts` reduces its share of group g's rows; the parts are merged in order."""
    parts = part_mean.shape[0] // groups
    rows = x.shape[0] // groups
    for t in prange(groups * parts):
        group, part = t // parts, t % parts
        r0 = group * rows + rows * part // parts
        r1 = group * rows + rows * (part + 1) // parts
        _statistics(x, r0, r1, part_mean[t], part_m2[t], work[t])
    _merge_parts(part_mean, part_m2, parts, rows, mean, variance)


@compiled
def _merge_parts(part_mean, part_m2, parts, rows, mean, variance):
    """Of each group the statistics of its parts, in order."""
    mean[:] = 0
    variance[:] = 0
    for group in range(mean.shape[0]):
        count = 0
        for part in range(parts):
            t = group * parts + part
            size = rows * (part + 1) // parts - rows * part // parts
            if size:
                _merge(mean[group], variance[group], count, part_mean[t], part_m2[t], size)
                count += size
    variance /= mean.dtype.type(rows)


@compiled
def _inverse_deviation(variance, epsilon):
    """1/√(variance + ε)."""
    return variance.dtype.type(1) / np.sqrt(variance + variance.dtype.type(epsilon))


@parallel
def normalize(x, mean, variance, weight, bias, epsilon, slope, parts, y):
    """y = activation(weight·(x − mean)/√(variance + ε) + bias)."""
    groups, channels = mean.shape
    rows = x.shape[0] // groups
    negative_slope = x.dtype.type(slope)
    for t in prange(groups * parts):
        group, part = t // parts, t % parts
        scale = weight * _inverse_deviation(variance[group], epsilon)
        r0 = group * rows + rows * part // parts
        for row in range(r0, group * rows + rows * (part + 1) // parts):
            for c in range(channels):
                value = (x[row, c] - mean[group, c]) * scale[c] + bias[c]
                y[row, c] = leaky(value, negative_slope)


@compiled
def _gradient_sums(dy, x, mean, inverse, scale, bias, slope, r0, r1, sums, work):
    """sums[0] = Σ g and sums[1] = Σ g·x̂ over rows r0 … r1, where g is dy behind the activation."""
    channels = x.shape[1]
    sums[:] = 0
    for b0 in range(r0, r1, 128):
        work[:] = 0
        for row in range(b0, min(b0 + 128, r1)):
            for c in range(channels):
                deviation = x[row, c] - mean[c]
                value = deviation * scale[c] + bias[c]
                g = leaky_gradient(dy[row, c], value, slope)
                work[0, c] += g
                work[1, c] += g * (deviation * inverse[c])
        for c in range(channels):
            sums[0, c] += work[0, c]
            sums[1, c] += work[1, c]


@compiled
def _merge_gradient_sums(part_sums, parts, group_sums, dweight, dbias):
    """The sums of each group over its parts, and of all groups, in order."""
    group_sums[:] = 0
    dweight[:] = 0
    dbias[:] = 0
    for group in range(group_sums.shape[0]):
        for part in range(parts):
            group_sums[group] += part_sums[group * parts + part]
        dbias += group_sums[group, 0]
        dweight += group_sums[group, 1]


@parallel
def backward(
    dy, x, mean, variance, weight, bias, epsilon, slope, batch_statistics, needs_data,
    part_sums, work, group_sums, dx, dweight, dbias,
):  # fmt: skip
    """Sums by part, merged in order; then dx in a second pass, unless it is not needed."""
    groups, channels = mean.shape
    parts = part_sums.shape[0] // groups
    rows = x.shape[0] // groups
    negative_slope = x.dtype.type(slope)
    for t in prange(groups * parts):
        group, part = t // parts, t % parts
        inverse = _inverse_deviation(variance[group], epsilon)
        _gradient_sums(
            dy, x, mean[group], inverse, weight * inverse, bias, negative_slope,
            group * rows + rows * part // parts, group * rows + rows * (part + 1) // parts,
            part_sums[t], work[t],
        )  # fmt: skip
    _merge_gradient_sums(part_sums, parts, group_sums, dweight, dbias)
    share = x.dtype.type(1 / rows if batch_statistics else 0)
    if needs_data:
        for t in prange(groups * parts):
            group, part = t // parts, t % parts
            inverse = _inverse_deviation(variance[group], epsilon)
            scale = weight * inverse
            mean_g, mean_gx = share * group_sums[group, 0], share * group_sums[group, 1]
            r0 = group * rows + rows * part // parts
            for row in range(r0, group * rows + rows * (part + 1) // parts):
                for c in range(channels):
                    deviation = x[row, c] - mean[group, c]
                    value = deviation * scale[c] + bias[c]
                    g = leaky_gradient(dy[row, c], value, negative_slope)
                    normalized = deviation * inverse[c]
                    dx[row, c] = scale[c] * (g - mean_g[c] - normalized * mean_gx[c])
