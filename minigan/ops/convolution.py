"""Convolution and its transpose, NHWC images and HWIO filters."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import SupportsIndex

from minigan.devices import Device
from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.normalization import BatchStatistics
from minigan.devices.contract.products import Epilogue
from minigan.operation import differentiable
from minigan.ops.activations import behind_activation
from minigan.ops.normalization import check_batch_statistics
from minigan.ops.shared import check_one_float_dtype, check_range
from minigan.saving import Array, Result

__all__ = ["conv2d", "conv_transpose2d"]

Pair = SupportsIndex | Sequence[SupportsIndex]
Sides = tuple[tuple[int, int], tuple[int, int]]  # (top, bottom), (left, right)
Padding = SupportsIndex | Sequence[Pair]


@differentiable
def conv2d(
    device: Device,
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    *,  # PyTorch has the dilation here
    negative_slope: float = 1.0,
    statistics: BatchStatistics | None = None,
) -> Result:
    """Convolution, and the activation that follows it.

    It is cross-correlation, as in every deep-learning library.

    Args:
        x: images (batch, height, width, channels in).
        w: filters (kernel height, kernel width, channels in, channels out).
        b: a number added to each channel, (channels out,), or None.
        stride: pixels from one window to the next, an int or (vertical, horizontal).
        padding: pixels of zeros around the image: an int, (vertical, horizontal) or
            ((top, bottom), (left, right)).
        negative_slope: fuses the activation y if y > 0 else negative_slope·y: 1 is none, 0 ReLU.
        statistics: from `allocate_batch_statistics`, to be filled for the `batch_norm` that
            follows.

    Returns:
        A tensor (batch, (height + top + bottom − kernel height) // stride + 1, …, channels out).

    Raises:
        ValueError: the shapes or dtypes do not fit, the slope is negative, or the kernel is larger
            than the padded image. Also where `statistics` are for a result of another shape.

    Reference: LeCun et al. (1989), "Backpropagation applied to handwritten zip code recognition".
    """
    x, w, b = _checked(device, x, w, b, negative_slope)
    kernel, strides, pads = w.shape[:2], pair_of(stride, "stride", 1), padding_of(padding)
    size = window_counts(x.shape[1:3], kernel, strides, pads)
    geometry = ConvolutionGeometry(x.shape[1:3], size, kernel, strides, pads)
    check_batch_statistics(statistics, (x.shape[0], *size, w.shape[3]), x.dtype)
    y = device.conv2d(x, w, geometry, Epilogue(b, negative_slope, statistics))
    gradient, behind = behind_activation(device, y, negative_slope)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        dy = gradient(dy)
        return (
            device.conv2d_backward_data(dy, w, geometry) if needs[0] else None,
            device.conv2d_backward_weight(x, dy, geometry) if needs[1] else None,
            device.column_sum(dy) if len(needs) > 2 and needs[2] else None,
        )

    return y, vjp, (x, w, *behind)


@differentiable
def conv_transpose2d(
    device: Device,
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    output_padding: Pair = 0,
    *,
    negative_slope: float = 1.0,
    statistics: BatchStatistics | None = None,
) -> Result:
    """Transposed convolution: the adjoint of `conv2d`, and the activation that follows it.

    Args:
        x: images (batch, height, width, channels in).
        w: filters (kernel height, kernel width, channels in, channels out).
        b: a number added to each channel, (channels out,), or None.
        stride: pixels of the result from one pixel of x to the next, an int or
            (vertical, horizontal).
        padding: pixels cut off at the edges: an int, (vertical, horizontal) or
            ((top, bottom), (left, right)).
        output_padding: rows added at the bottom and columns at the right, less than the stride.
            With (H + top + bottom − kernel) mod stride it gives back the size H that a convolution
            came from.
        negative_slope: as in `conv2d`.
        statistics: as in `conv2d`.

    Returns:
        A tensor (batch, rows, columns, channels out). There are
        (height − 1)·stride + kernel height − top − bottom + output_padding rows, and as many
        columns of the width.

    Raises:
        ValueError: the shapes or dtypes do not fit, the slope is negative, or nothing is left of
            the result. Also where `statistics` are for a result of another shape.

    Reference: Zeiler et al. (2010), "Deconvolutional networks".
    """
    x, w, b = _checked(device, x, w, b, negative_slope)
    kernel, strides, pads = w.shape[:2], pair_of(stride, "stride", 1), padding_of(padding)
    if 0 in x.shape[1:3]:
        raise ValueError("x has at least one row and one column of pixels")
    extra = pair_of(output_padding, "output_padding", 0)
    if any(e >= s for e, s in zip(extra, strides, strict=True)):
        raise ValueError(f"output_padding {extra} must be less than the stride {strides}")
    size = tuple(
        (n - 1) * s + k - sum(p) + e
        for n, s, k, p, e in zip(x.shape[1:3], strides, kernel, pads, extra, strict=True)
    )
    if min(size) < 1:
        raise ValueError(f"the padding {pads} leaves nothing of the result")
    geometry = ConvolutionGeometry(size, x.shape[1:3], kernel, strides, pads)
    check_batch_statistics(statistics, (x.shape[0], *size, w.shape[3]), x.dtype)
    y = device.conv_transpose2d(x, w, geometry, Epilogue(b, negative_slope, statistics))
    gradient, behind = behind_activation(device, y, negative_slope)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        dy = gradient(dy)
        return (
            device.conv_transpose2d_backward_data(dy, w, geometry) if needs[0] else None,
            device.conv_transpose2d_backward_weight(x, dy, geometry) if needs[1] else None,
            device.column_sum(dy) if len(needs) > 2 and needs[2] else None,
        )

    return y, vjp, (x, w, *behind)


def _checked(
    device: Device, x: Array, w: Array, b: Array | None, negative_slope: float
) -> tuple[Array, Array, Array | None]:
    """Return the operands as kernels take them, contiguous; ValueError where they do not fit."""
    if getattr(x, "ndim", 0) != 4 or getattr(w, "ndim", 0) != 4:
        raise ValueError(
            "x is (batch, height, width, channels) and w (kernel height, kernel width, channels in, out)"
        )
    if min(w.shape) < 1:
        raise ValueError("w has at least one channel in and out, and a kernel of at least 1×1")
    if x.shape[3] != w.shape[2]:
        raise ValueError("x has other channels (its last axis) than w takes (its third axis)")
    if b is not None and getattr(b, "shape", ()) != (w.shape[3],):
        raise ValueError("b has one element for each channel out (the last axis of w)")
    check_one_float_dtype(x, w, b)
    check_range("negative_slope", negative_slope)  # below 0, y would lose the sign of its input
    return device.contiguous(x), device.contiguous(w), None if b is None else device.contiguous(b)


def window_counts(
    image: Sequence[int], kernel: Sequence[int], strides: Sequence[int], pads: Sides
) -> tuple[int, int]:
    """Return how many windows an image has, down and across; ValueError where there is none."""
    rows, columns = (
        (n + sum(p) - k) // s + 1 for n, p, k, s in zip(image, pads, kernel, strides, strict=True)
    )
    if min(rows, columns) < 1:
        raise ValueError(f"the kernel {kernel} is larger than the image with its padding {pads}")
    return rows, columns


def pair_of(value: Pair, name: str, least: int) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(pair) != 2 or not all(isinstance(n, Integral) and int(n) >= least for n in pair):
        raise ValueError(f"{name} is an int or a pair of ints, at least {least}; not {value!r}")
    return int(pair[0]), int(pair[1])


def padding_of(value: Padding) -> Sides:
    try:
        pair = value if isinstance(value, Sequence) else (value, value)
        rows, columns = (pair_of(side, "padding", 0) for side in pair)
    except ValueError:
        raise ValueError(
            "padding is an int, a pair or ((top, bottom), (left, right)), none negative; "
            f"not {value!r}"
        ) from None
    return rows, columns
