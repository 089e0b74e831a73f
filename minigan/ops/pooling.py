"""Pooling and upsampling of images (batch, height, width, channels).

Windows are strided slices of the image, one for each place in the kernel: no window is ever copied out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minigan.devices import Device
from minigan.operation import explained
from minigan.ops.convolution import Padding, Pair, padding_of, pair_of, window_counts
from minigan.ops.joining import repeat
from minigan.ops.shared import differentiable_of_reals
from minigan.saving import Array, Result
from minigan.tensor import Tensor

__all__ = ["avg_pool2d", "max_pool2d", "upsample_nearest"]


class _Windows:
    """Where the windows of an image lie."""

    def __init__(self, x: Array, kernel: Pair, stride: Pair | None, padding: Padding) -> None:
        if x.ndim != 4:
            raise ValueError("x is (batch, height, width, channels)")
        self.kernel = pair_of(kernel, "kernel_size", 1)
        self.stride = self.kernel if stride is None else pair_of(stride, "stride", 1)
        self.padding = padding_of(padding)
        self.image = x.shape[1:3]
        if any(max(p) > k // 2 for p, k in zip(self.padding, self.kernel, strict=True)):
            raise ValueError(f"padding is at most half of kernel_size {self.kernel}; not {padding}")
        self.size = window_counts(self.image, self.kernel, self.stride, self.padding)

    def padded(self, device: Device, x: Array, value: float) -> Array:
        if not any(map(any, self.padding)):
            return x
        return device.array_module.pad(x, ((0, 0), *self.padding, (0, 0)), constant_values=value)

    def unpadded(self, x: Array) -> Array:
        """Cut the padding off."""
        (top, _), (left, _) = self.padding
        return x[:, top : top + self.image[0], left : left + self.image[1]]

    def slices(self, axis: int) -> Iterator[slice]:
        """Yield, for each place in the kernel along an axis (0 or 1), where all windows have it."""
        span = (self.size[axis] - 1) * self.stride[axis] + 1
        for start in range(self.kernel[axis]):
            yield slice(start, start + span, self.stride[axis])


@differentiable_of_reals
def max_pool2d(
    device: Device, x: Array, kernel_size: Pair, stride: Pair | None = None, padding: Padding = 0
) -> Result:
    """Return the largest value of each window; NaN where there is one.

    The gradient goes to the first of equal values.

    Args:
        x: images (batch, height, width, channels).
        kernel_size: the height and width of a window in pixels, or one number for both.
        stride: pixels from one window to the next, an int or (vertical, horizontal);
            `kernel_size` by default.
        padding: pixels around the image, as for `conv2d`, at most half of the kernel. They are
            never the largest.

    Returns:
        A tensor (batch, (height + top + bottom − kernel) // stride + 1, …, channels).

    Raises:
        ValueError: x is no batch of images, or the window does not fit the image or the padding.
    """
    xp, windows = device.array_module, _Windows(x, kernel_size, stride, padding)
    wide = windows.padded(device, x, -np.inf)
    is_pixel = xp.asarray(np.pad(np.ones((*windows.image, 1), bool), (*windows.padding, (0, 0))))
    places = [(r, c) for r in windows.slices(0) for c in windows.slices(1)]
    y = xp.full((x.shape[0], *windows.size, x.shape[3]), -np.inf, x.dtype)
    which = xp.full(y.shape, -1, np.int32)
    for number, (rows, columns) in enumerate(places):
        values = wide[:, rows, columns]
        larger = ((which < 0) | (values > y) | xp.isnan(values)) & is_pixel[rows, columns]
        y = xp.where(larger, values, y)
        which = xp.where(larger, np.int32(number), which)
    shape, dtype = wide.shape, x.dtype

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        dx = device.zeros(shape, dtype)
        for number, (rows, columns) in enumerate(places):
            dx[:, rows, columns] += xp.where(which == number, dy, dtype.type(0))
        return (device.copy(windows.unpadded(dx)),)

    return y, vjp, (which,)


@differentiable_of_reals
def avg_pool2d(
    device: Device, x: Array, kernel_size: Pair, stride: Pair | None = None, padding: Padding = 0
) -> Result:
    """Return the mean of each window.

    Args:
        x: images (batch, height, width, channels).
        kernel_size: the height and width of a window in pixels, or one number for both.
        stride: pixels from one window to the next, an int or (vertical, horizontal);
            `kernel_size` by default.
        padding: pixels around the image, as for `conv2d`, at most half of the kernel. They count
            as zeros.

    Returns:
        A tensor (batch, (height + top + bottom − kernel) // stride + 1, …, channels).

    Raises:
        ValueError: x is no batch of images, or the window does not fit the image or the padding.
    """
    windows = _Windows(x, kernel_size, stride, padding)
    wide = windows.padded(device, x, 0)
    # rows first, then columns: few additions follow each other, so that rounding stays small
    rows: Array = sum((wide[:, place] for place in windows.slices(0)), start=0)
    total: Array = sum((rows[:, :, place] for place in windows.slices(1)), start=0)
    count = windows.kernel[0] * windows.kernel[1]
    shape, middle, dtype = wide.shape, rows.shape, x.dtype

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        drows, dx = device.zeros(middle, dtype), device.zeros(shape, dtype)
        for place in windows.slices(1):
            drows[:, :, place] += dy / count
        for place in windows.slices(0):
            dx[:, place] += drows
        return (device.copy(windows.unpadded(dx)),)

    return total / count, vjp


@explained
def upsample_nearest(x: Tensor, scale_factor: Pair) -> Tensor:
    """Return each pixel of x as a block of pixels.

    Args:
        x: images (batch, height, width, channels).
        scale_factor: the height and width of a block in pixels, or one number for both.

    Returns:
        A tensor (batch, height·block height, width·block width, channels).

    Raises:
        ValueError: x is no batch of images, or a factor is less than 1.
    """
    if x.ndim != 4:
        raise ValueError(f"upsample_nearest: x is (batch, height, width, channels), not {x.shape}")
    rows, columns = pair_of(scale_factor, "scale_factor", 1)
    return repeat(repeat(x, rows, axis=1), columns, axis=2)
