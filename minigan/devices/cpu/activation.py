"""The activation, for the kernels that it is a part of: on elements that are in a core's cache anyway."""

from __future__ import annotations

from minigan.devices.cpu.compile import compiled


@compiled
def leaky(x, slope):
    """Return the activation of minigan's kernels. Slope 0 makes 0 of −∞; NaN stays NaN."""
    below = slope * x if slope != 0 else slope
    return below if x < 0 else x


@compiled
def leaky_gradient(dy, x, slope):
    """dy behind the activation. As in PyTorch, x = 0 is on the left side; at NaN the factor is the slope, but 1 for ReLU."""
    if slope == 0:
        return slope if x <= 0 else dy
    return dy if x > 0 else slope * dy


@compiled
def activate(y, first, count, slope):
    """y ← the activation of y, of `count` elements from `first` on; `y` is flat."""
    if slope == 1:
        return
    negative_slope = y.dtype.type(slope)
    part = y[first : first + count]
    for i in range(count):
        part[i] = leaky(part[i], negative_slope)
