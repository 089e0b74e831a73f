"""PyTorch's matrix products and convolutions, as `torch_kernels` gives them: images channels-last."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from benchmarks.baselines.torch_call import Tensor, TorchCall, aten
from benchmarks.baselines.torch_normalization import batch_norm_statistics
from minigan.devices.contract.products import NO_EPILOGUE, Epilogue


def with_epilogue(product: Callable[..., TorchCall]) -> Callable[..., TorchCall]:
    """Return the product, with separate calls for the parts that the contract fuses: the activation, and statistics of the result."""

    @functools.wraps(product)
    def baseline(*arguments: Any, epilogue: Epilogue = NO_EPILOGUE, **settings: Any) -> TorchCall:
        if isinstance(arguments[-1], Epilogue):
            *arguments, epilogue = arguments
        bias, negative_slope, statistics = epilogue
        call = product(*arguments, **settings, bias=bias)
        says = call.says
        if negative_slope != 1:
            says += " + leaky_relu_"
        if statistics is not None:
            says += " + var_mean"

        def run() -> tuple[Tensor, ...]:
            y = call.run()
            if negative_slope != 1:
                functional.leaky_relu_(y, negative_slope)
            if statistics is None:
                return (y,)
            rows = y.movedim(1, -1).reshape(-1, y.shape[1])  # no copy: channels are last in memory
            of = statistics.mean.shape[0], statistics.running, statistics.momentum
            return y, *batch_norm_statistics(rows, *of).run()

        return TorchCall(says, run, lambda results: (*call.read(results[0]), *results[1:]))

    return baseline


@with_epilogue
def gemm(
    a: Tensor, b: Tensor, transpose_a: bool = False, transpose_b: bool = False, bias: Tensor | None = None
) -> TorchCall:  # fmt: skip
    left, right = a.T if transpose_a else a, b.T if transpose_b else b
    if bias is None:
        return TorchCall("mm", lambda: torch.mm(left, right))
    return TorchCall("addmm", lambda: torch.addmm(bias, left, right))


def column_sum(x: Tensor) -> TorchCall:
    rows = x.reshape(-1, x.shape[-1])
    return TorchCall("sum", lambda: rows.sum(0))


@with_epilogue
def conv2d(x: Tensor, w: Tensor, geometry: Any, bias: Tensor | None) -> TorchCall:
    image, weight, (symmetric, pads) = _image(x), _filter(w), _padding(geometry)
    if pads is None:
        run = lambda: functional.conv2d(image, weight, bias, geometry.stride, symmetric)  # noqa: E731
        return TorchCall("conv2d", run, _nhwc)
    return TorchCall(
        "pad + conv2d",
        lambda: functional.conv2d(functional.pad(image, pads), weight, bias, geometry.stride),
        _nhwc,
    )


def conv2d_backward_data(dy: Tensor, w: Tensor, geometry: Any) -> TorchCall:
    padded = _empty_padded_image(dy, w.shape[2], geometry)
    return _convolution_gradient(dy, padded, _filter(w), geometry, 0)


def conv2d_backward_weight(x: Tensor, dy: Tensor, geometry: Any) -> TorchCall:
    _, pads = _padding(geometry)
    padded = _image(x) if pads is None else _channels_last(functional.pad(_image(x), pads))
    weight = x.new_empty((dy.shape[3], x.shape[3], *geometry.kernel_size))
    return _convolution_gradient(dy, padded, _channels_last(weight), geometry, 1)


def _convolution_gradient(
    dy: Tensor, image: Tensor, weight: Tensor, geometry: Any, which: int
) -> TorchCall:
    """Return autograd's call: the gradient by the (padded) image (`which` 0) or by the filter (1)."""
    gradient, (symmetric, pads) = _image(dy), _padding(geometry)
    mask = [which == 0, which == 1, False]
    padding = symmetric if pads is None else (0, 0)

    def run() -> Any:
        return aten.convolution_backward(
            gradient, image, weight, None, geometry.stride, padding, (1, 1), False, (0, 0), 1, mask
        )[which]

    if which == 1:
        return TorchCall("convolution_backward", run, lambda dw: (dw.permute(2, 3, 1, 0),))
    if pads is None:
        return TorchCall("convolution_backward", run, _nhwc)
    crop = _crop(geometry, (0, 0))
    return TorchCall("convolution_backward", lambda: run()[crop], _nhwc)


@with_epilogue
def conv_transpose2d(x: Tensor, w: Tensor, geometry: Any, bias: Tensor | None) -> TorchCall:
    image, weight, padding = _image(x), _transposed_filter(w), _least_padding(geometry)
    extra, crop = _extra_rows(geometry), _crop(geometry, padding)

    def run() -> Tensor:
        y = functional.conv_transpose2d(image, weight, bias, geometry.stride, padding, extra)
        return y[crop]

    return TorchCall("conv_transpose2d", run, _nhwc)


def conv_transpose2d_backward_data(dy: Tensor, w: Tensor, geometry: Any) -> TorchCall:
    image = _channels_last(dy.new_empty((dy.shape[0], w.shape[2], *geometry.output_size)))
    return _transposed_gradient(dy, image, _transposed_filter(w), geometry, 0)


def conv_transpose2d_backward_weight(x: Tensor, dy: Tensor, geometry: Any) -> TorchCall:
    weight = _channels_last(x.new_empty((x.shape[3], dy.shape[3], *geometry.kernel_size)))
    return _transposed_gradient(dy, _image(x), weight, geometry, 1)


def _transposed_gradient(
    dy: Tensor, image: Tensor, weight: Tensor, geometry: Any, which: int
) -> TorchCall:
    padding, extra = _least_padding(geometry), _extra_rows(geometry)
    gradient, border = _image(dy), _border(geometry, padding)
    mask = [which == 0, which == 1, False]

    def run() -> Any:
        whole = functional.pad(gradient, border) if any(border) else gradient
        return aten.convolution_backward(
            whole, image, weight, None, geometry.stride, padding, (1, 1), True, extra, 1, mask
        )[which]

    read = _nhwc if which == 0 else lambda dw: (dw.permute(2, 3, 0, 1),)
    return TorchCall("convolution_backward", run, read)


def _image(x: Tensor) -> Tensor:
    """NHWC as PyTorch's channels-last: the same memory."""
    return x.permute(0, 3, 1, 2)


def _nhwc(y: Tensor) -> tuple[Tensor]:
    return (y.permute(0, 2, 3, 1),)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _filter(w: Tensor) -> Tensor:
    """HWIO as PyTorch's (out, in, height, width), channels-last."""
    return _channels_last(w.permute(3, 2, 0, 1))


def _transposed_filter(w: Tensor) -> Tensor:
    """Return a transposed convolution's filter as (in, out, height, width)."""
    return _channels_last(w.permute(2, 3, 0, 1))


def _padding(geometry: Any) -> tuple[tuple[int, int], list[int] | None]:
    """(vertical, horizontal) where both sides have the same; else what `pad` takes: left, right, top, bottom."""
    (top, bottom), (left, right) = geometry.padding
    if top == bottom and left == right:
        return (top, left), None
    # Rows below the last window are read by none: a convolution drops them, and its gradient gives zeros.
    return (0, 0), [left, right, top, bottom]


def _empty_padded_image(dy: Tensor, channels: int, geometry: Any) -> Tensor:
    """Return an array of the shape of a convolution's input; its gradient reads nothing else of it."""
    _, pads = _padding(geometry)
    (top, bottom), (left, right) = geometry.padding if pads is not None else ((0, 0), (0, 0))
    height, width = geometry.input_size
    shape = (dy.shape[0], channels, height + top + bottom, width + left + right)
    return _channels_last(dy.new_empty(shape))


def _least_padding(geometry: Any) -> tuple[int, int]:
    """Return the padding that a transposed convolution can cut off both sides alike."""
    (top, bottom), (left, right) = geometry.padding
    return min(top, bottom), min(left, right)


def _covered(geometry: Any, axis: int) -> int:
    """Rows (axis 0) or columns that all windows together cover, before anything is cut off."""
    windows, stride = geometry.output_size[axis], geometry.stride[axis]
    return int((windows - 1) * stride + geometry.kernel_size[axis])


def _extra_rows(geometry: Any) -> tuple[int, int]:
    """`output_padding`: rows and columns that no window covers."""
    extra = []
    for axis, padding in enumerate(_least_padding(geometry)):
        start = geometry.padding[axis][0] - padding
        last = start + geometry.input_size[axis]
        extra.append(max(0, last - (_covered(geometry, axis) - 2 * padding)))
    return extra[0], extra[1]


def _crop(geometry: Any, padding: tuple[int, int]) -> tuple[slice, ...]:
    """Return the slices of the image in a result with only `padding` cut off."""
    slices = [slice(None), slice(None)]
    for (before, _), cut, size in zip(geometry.padding, padding, geometry.input_size, strict=True):
        slices.append(slice(before - cut, before - cut + size))
    return tuple(slices)


def _border(geometry: Any, padding: tuple[int, int]) -> list[int]:
    """Return the zeros that undo `_crop`: left, right, top, bottom."""
    extra, sides = _extra_rows(geometry), []
    for axis in (1, 0):
        before = geometry.padding[axis][0] - padding[axis]
        whole = _covered(geometry, axis) - 2 * padding[axis] + extra[axis]
        sides += [before, whole - before - geometry.input_size[axis]]
    return sides
