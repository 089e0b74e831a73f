"""Layers that multiply by a weight: linear ones and convolutions.

Layouts are minigan's: NHWC images, HWIO filters, and a linear layer's weight is (features in, features out).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from minigan.devices import DeviceLike
from minigan.nn.initial import weight_and_bias
from minigan.nn.module import Module
from minigan.ops.convolution import Padding, Pair, conv2d, conv_transpose2d, pair_of
from minigan.ops.linear import linear
from minigan.ops.normalization import BatchStatistics
from minigan.random import Generator
from minigan.tensor import Tensor


class Linear(Module):
    """activation(x·weight + bias); weight is (in_features, out_features), and bias (out_features,).

    The parameters start uniform in ±1/√in_features. With `statistics` the layer finds those of its
    result, for the batch norm that follows; `Sequential` asks for them.

    Args:
        in_features: the length of x's last axis.
        out_features: the length of the result's last axis.
        bias: whether a number is added to each feature of the result.
        negative_slope: the slope below 0 of the fused activation: 1 is none, 0 ReLU.

    Raises:
        TypeError: a number of features is no integer.
        ValueError: one is negative.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        negative_slope: float = 1.0,
        *,
        dtype: DTypeLike = np.float32,
        device: DeviceLike = None,
        generator: Generator | None = None,
    ) -> None:
        self.negative_slope = negative_slope
        shape = in_features, out_features
        self.weight, self.bias = weight_and_bias(shape, bias, dtype, device, generator)

    def forward(self, x: Tensor, statistics: BatchStatistics | None = None) -> Tensor:
        """Return `minigan.linear` of x with the layer's weight and bias.

        Args:
            statistics: from `allocate_batch_statistics`, to be filled.
        """
        return linear(x, self.weight, self.bias, self.negative_slope, statistics)


class Conv2d(Module):
    """A convolution; weight is (kernel height, kernel width, channels in, channels out).

    The bias is (out_channels,). The parameters start uniform in ±1/√(the values in a window).

    Args:
        in_channels: channels of the images that it reads, (batch, height, width, in_channels).
        out_channels: channels of the result.
        kernel_size: height and width of the filter in pixels, or one number for both.
        stride: as for the function.
        padding: as for the function.
        bias: whether a number is added to each channel of the result.
        negative_slope: the slope below 0 of the fused activation: 1 is none, 0 ReLU.

    Raises:
        TypeError: a number of channels is no integer.
        ValueError: one is negative, or the kernel is no pair of sizes of at least 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        *,  # PyTorch has the dilation here
        bias: bool = True,
        negative_slope: float = 1.0,
        dtype: DTypeLike = np.float32,
        device: DeviceLike = None,
        generator: Generator | None = None,
    ) -> None:
        self.stride, self.padding, self.negative_slope = stride, padding, negative_slope
        shape = *pair_of(kernel_size, "kernel_size", 1), in_channels, out_channels
        self.weight, self.bias = weight_and_bias(shape, bias, dtype, device, generator)

    def forward(self, x: Tensor, statistics: BatchStatistics | None = None) -> Tensor:
        """Return `minigan.conv2d` of x with the layer's weight and bias.

        Args:
            statistics: from `allocate_batch_statistics`, to be filled.
        """
        return conv2d(
            x, self.weight, self.bias, self.stride, self.padding,
            negative_slope=self.negative_slope, statistics=statistics,
        )  # fmt: skip


class ConvTranspose2d(Module):
    """A transposed convolution; weight is (kernel height, kernel width, channels in, channels out).

    The bias is (out_channels,). The parameters start uniform in ±1/√(the values in a window).

    Args:
        in_channels: channels of the images that it reads, (batch, height, width, in_channels).
        out_channels: channels of the result.
        kernel_size: height and width of the filter in pixels, or one number for both.
        stride: as for the function.
        padding: as for the function.
        output_padding: as for the function.
        bias: whether a number is added to each channel of the result.
        negative_slope: the slope below 0 of the fused activation: 1 is none, 0 ReLU.

    Raises:
        TypeError: a number of channels is no integer.
        ValueError: one is negative, or the kernel is no pair of sizes of at least 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        output_padding: Pair = 0,
        *,
        bias: bool = True,
        negative_slope: float = 1.0,
        dtype: DTypeLike = np.float32,
        device: DeviceLike = None,
        generator: Generator | None = None,
    ) -> None:
        self.stride, self.padding, self.output_padding = stride, padding, output_padding
        self.negative_slope = negative_slope
        shape = *pair_of(kernel_size, "kernel_size", 1), in_channels, out_channels
        self.weight, self.bias = weight_and_bias(shape, bias, dtype, device, generator)

    def forward(self, x: Tensor, statistics: BatchStatistics | None = None) -> Tensor:
        """Return `minigan.conv_transpose2d` of x with the layer's weight and bias.

        Args:
            statistics: from `allocate_batch_statistics`, to be filled.
        """
        return conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding,
            negative_slope=self.negative_slope, statistics=statistics,
        )  # fmt: skip
