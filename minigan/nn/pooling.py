"""Pooling and upsampling as layers, for images (batch, height, width, channels)."""

from __future__ import annotations

from minigan.nn.module import Module
from minigan.ops.convolution import Padding, Pair
from minigan.ops.pooling import avg_pool2d, max_pool2d, upsample_nearest
from minigan.tensor import Tensor


class MaxPool2d(Module):
    """The largest value of each window of images, as a layer.

    Args:
        kernel_size: the height and width of a window in pixels, or one number for both.
        stride: pixels from one window to the next, an int or (vertical, horizontal); `kernel_size`
            by default.
        padding: pixels around the image, as for the function.
    """

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Padding = 0) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """Return `minigan.max_pool2d` of x with the layer's settings."""
        return max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(Module):
    """The mean of each window of images, as a layer.

    Args:
        kernel_size: the height and width of a window in pixels, or one number for both.
        stride: pixels from one window to the next, an int or (vertical, horizontal); `kernel_size`
            by default.
        padding: pixels around the image, as for the function.
    """

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Padding = 0) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """Return `minigan.avg_pool2d` of x with the layer's settings."""
        return avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class Upsample(Module):
    """Each pixel becomes a block of pixels, as a layer.

    Args:
        scale_factor: the height and width of a block in pixels, or one number for both.
    """

    def __init__(self, scale_factor: Pair) -> None:
        self.scale_factor = scale_factor

    def forward(self, x: Tensor) -> Tensor:
        """Return `minigan.upsample_nearest` of x with the layer's factor."""
        return upsample_nearest(x, self.scale_factor)
