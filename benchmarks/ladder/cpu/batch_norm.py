"""Batch normalization and leaky ReLU on the CPU: x and y are (rows, channels), weight and bias (channels,)."""

from __future__ import annotations

import numpy as np

from minigan.devices.cpu.compile import compiled


def expressions(x, weight, bias, epsilon, slope):
    """Step 1: the formula in NumPy. Each operation reads arrays of x's size from memory and writes another one, eight times."""
    mean, variance = x.mean(0), x.var(0)
    y = weight * ((x - mean) / np.sqrt(variance + epsilon)) + bias
    return np.where(y > 0, y, slope * y).astype(x.dtype)


@compiled
def channel_by_channel(x, weight, bias, epsilon, slope, y):
    """Step 2: compiled loops, a channel after the other, with no array in between.

    Slower, or hardly faster: a channel's values lie `channels` elements apart. So of each cache
    line that is loaded one value is used, three times over. To save passes is no use if each pass
    is in the wrong order.
    """
    rows, channels = x.shape
    real = x.dtype.type
    for c in range(channels):
        total, squares = real(0), real(0)
        for row in range(rows):
            total += x[row, c]
        mean = total / real(rows)
        for row in range(rows):
            squares += (x[row, c] - mean) * (x[row, c] - mean)
        scale = weight[c] / np.sqrt(squares / real(rows) + real(epsilon))
        for row in range(rows):
            value = (x[row, c] - mean) * scale + bias[c]
            y[row, c] = value if value > 0 else real(slope) * value


@compiled
def row_by_row(x, weight, bias, epsilon, slope, y):
    """Step 3: the same three passes in the order of memory: all channels of a row, then the next row.

    The sums are arrays of a number a channel, which stay in the nearest cache. The additions of
    neighbouring channels go side by side in vectors. The code in use (devices/cpu/normalization.py)
    divides the rows among the cores, and reads x from memory twice, not three times. Mean and
    squares of a block of rows are taken while it is in cache, and the blocks merged.
    """
    rows, channels = x.shape
    real = x.dtype.type
    mean, squares = np.zeros(channels, x.dtype), np.zeros(channels, x.dtype)
    for row in range(rows):
        for c in range(channels):
            mean[c] += x[row, c]
    for c in range(channels):
        mean[c] /= real(rows)
    for row in range(rows):
        for c in range(channels):
            difference = x[row, c] - mean[c]
            squares[c] += difference * difference
    scale = weight / np.sqrt(squares / real(rows) + real(epsilon))
    for row in range(rows):
        for c in range(channels):
            value = (x[row, c] - mean[c]) * scale[c] + bias[c]
            y[row, c] = value if value > 0 else real(slope) * value
