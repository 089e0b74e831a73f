"""The PyTorch call that a user would make instead of each kernel of minigan's contract.

Each function here is named like its kernel and takes its arguments, as tensors, and gives a `TorchCall`. What a PyTorch user
would have at hand already is prepared outside the timed call: images channels-last, filters in PyTorch's order. Behind these
calls stand oneDNN and MKL on a CPU, cuDNN and cuBLAS on a GPU. A kernel that is not here has no such call: what remains are the
random numbers, which another generator draws otherwise, and a step of a gradient that PyTorch has only inside its autograd.

This module imports nothing of minigan; a geometry and a table of codes are what the contract calls by those names.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

Tensor = torch.Tensor
Array = np.ndarray[Any, Any]
aten = torch.ops.aten


@dataclass(frozen=True)
class TorchCall:
    """`run` makes the call; `read` gives what came out as minigan's kernel gives it; `says` names the call."""

    says: str
    run: Callable[[], Any]
    read: Callable[[Any], Sequence[Tensor]] = lambda result: (
        (result,) if isinstance(result, Tensor) else tuple(result)
    )


# -- GEMM and convolution -------------------------------------------------------------------------


def with_epilogue(product: Callable[..., TorchCall]) -> Callable[..., TorchCall]:
    """The product, with calls of their own for what the contract fuses: the activation, and statistics of the result."""

    own = len(inspect.signature(product).parameters)

    @functools.wraps(product)
    def peer(
        *arguments: Any, negative_slope: float = 1.0, statistics: Any = None, **settings: Any
    ) -> TorchCall:
        call = product(*arguments[:own], **settings)
        if arguments[own:]:
            negative_slope, statistics = arguments[own:]
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

    return peer


@with_epilogue
def gemm(
    a: Tensor, b: Tensor, bias: Tensor | None = None, transpose_a: bool = False, transpose_b: bool = False
) -> TorchCall:  # fmt: skip
    left, right = a.T if transpose_a else a, b.T if transpose_b else b
    if bias is None:
        return TorchCall("mm", lambda: torch.mm(left, right))
    return TorchCall("addmm", lambda: torch.addmm(bias, left, right))


def column_sum(x: Tensor) -> TorchCall:
    rows = x.reshape(-1, x.shape[-1])
    return TorchCall("sum", lambda: rows.sum(0))


@with_epilogue
def conv2d(x: Tensor, w: Tensor, bias: Tensor | None, geometry: Any) -> TorchCall:
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
    """What autograd calls: the gradient by the (padded) image (`which` 0) or by the filter (1)."""
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
def conv_transpose2d(x: Tensor, w: Tensor, bias: Tensor | None, geometry: Any) -> TorchCall:
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
    """A transposed convolution's is (in, out, height, width)."""
    return _channels_last(w.permute(2, 3, 0, 1))


def _padding(geometry: Any) -> tuple[tuple[int, int], list[int] | None]:
    """(vertical, horizontal) where both sides have the same; else what `pad` takes: left, right, top, bottom."""
    (top, bottom), (left, right) = geometry.padding
    if top == bottom and left == right:
        return (top, left), None
    # Rows below the last window are read by none: a convolution drops them, and its gradient gives zeros.
    return (0, 0), [left, right, top, bottom]


def _empty_padded_image(dy: Tensor, channels: int, geometry: Any) -> Tensor:
    """What a convolution's input has the shape of; its gradient reads nothing else of it."""
    _, pads = _padding(geometry)
    (top, bottom), (left, right) = geometry.padding if pads is not None else ((0, 0), (0, 0))
    height, width = geometry.input_size
    shape = (dy.shape[0], channels, height + top + bottom, width + left + right)
    return _channels_last(dy.new_empty(shape))


def _least_padding(geometry: Any) -> tuple[int, int]:
    """What a transposed convolution can cut off both sides alike."""
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
    """The image within what has only `padding` cut off."""
    slices = [slice(None), slice(None)]
    for (before, _), cut, size in zip(geometry.padding, padding, geometry.input_size, strict=True):
        slices.append(slice(before - cut, before - cut + size))
    return tuple(slices)


def _border(geometry: Any, padding: tuple[int, int]) -> list[int]:
    """The zeros that undo `_crop`: left, right, top, bottom."""
    extra, sides = _extra_rows(geometry), []
    for axis in (1, 0):
        before = geometry.padding[axis][0] - padding[axis]
        whole = _covered(geometry, axis) - 2 * padding[axis] + extra[axis]
        sides += [before, whole - before - geometry.input_size[axis]]
    return sides


# -- batch normalization and activations ----------------------------------------------------------


def batch_norm_statistics(
    x: Tensor,
    groups: int,
    running: Sequence[tuple[Tensor, Tensor]] = (),
    momentum: float = 0.0,
) -> TorchCall:
    rows = x.view(groups, -1, x.shape[1])
    unbiased = rows.shape[1] / max(rows.shape[1] - 1, 1)

    def run() -> tuple[Tensor, Tensor]:
        variance, mean = torch.var_mean(rows, 1, correction=0)
        for i, (running_mean, running_variance) in enumerate(running):
            running_mean.lerp_(mean[i], 1 - momentum)
            running_variance.lerp_(variance[i] * unbiased, 1 - momentum)
        return mean, variance

    return TorchCall("var_mean", run)


def batch_norm(
    x: Tensor,
    normalization: Any,
) -> TorchCall:
    mean, variance, weight, bias, epsilon, negative_slope = normalization
    parts = [_as_image(part) for part in x.chunk(mean.shape[0])]

    def run() -> list[Tensor]:
        results = []
        for part, m, v in zip(parts, mean, variance, strict=True):
            y = functional.batch_norm(part, m, v, weight, bias, training=False, eps=epsilon)
            results.append(functional.leaky_relu_(y, negative_slope))
        return results

    return TorchCall("batch_norm + leaky_relu_", run, lambda ys: (torch.cat(_as_rows(ys)),))


def batch_norm_backward(
    dy: Tensor,
    x: Tensor,
    normalization: Any,
    batch_statistics: bool,
    needs_data: bool,
) -> TorchCall:
    mean, variance, weight, bias, epsilon, negative_slope = normalization
    groups = mean.shape[0]
    scale = (variance + epsilon).rsqrt()
    parts = list(zip(map(_as_image, x.chunk(groups)), map(_as_image, dy.chunk(groups)), mean, variance, scale, strict=True))  # fmt: skip
    # PyTorch keeps the activation's result from the forward pass. Here x − mean comes first, so that where the two are equal it is
    # exactly at the kink, as in minigan: `batch_norm` puts such a value on either side of 0.
    kept = [
        (part - m[:, None, None]) * (s * weight)[:, None, None] + bias[:, None, None]
        for part, _, m, _, s in parts
    ]
    mask = [needs_data, True, True]

    def run() -> list[tuple[Tensor | None, Tensor, Tensor]]:
        results = []
        for (part, gradient, m, v, s), y in zip(parts, kept, strict=True):
            g = aten.leaky_relu_backward(gradient, y, negative_slope, False)
            results.append(
                aten.native_batch_norm_backward(g, part, weight, m, v, m, s, batch_statistics, epsilon, mask)
            )  # fmt: skip
        return results

    def read(results: list[tuple[Tensor | None, Tensor, Tensor]]) -> tuple[Tensor, ...]:
        dx, dweight, dbias = zip(*results, strict=True)
        data = (torch.cat(_as_rows(dx)),) if needs_data else ()
        return (*data, torch.stack(dweight).sum(0), torch.stack(dbias).sum(0))

    return TorchCall("leaky_relu_backward + native_batch_norm_backward", run, read)


def _as_image(rows: Tensor) -> Tensor:
    """(rows, channels) as a channels-last image of one column: PyTorch vectorizes over channels then."""
    return rows.view(1, rows.shape[0], 1, rows.shape[1]).permute(0, 3, 1, 2)


def _as_rows(images: Sequence[Any]) -> list[Tensor]:
    return [y.permute(0, 2, 3, 1).reshape(-1, y.shape[1]) for y in images]


def leaky_relu(x: Tensor, negative_slope: float) -> TorchCall:
    return TorchCall("leaky_relu", lambda: functional.leaky_relu(x, negative_slope))


def leaky_relu_backward(dy: Tensor, x: Tensor, negative_slope: float) -> TorchCall:
    run = lambda: aten.leaky_relu_backward(dy, x, negative_slope, False)  # noqa: E731
    return TorchCall("leaky_relu_backward", run)


def sigmoid(x: Tensor) -> TorchCall:
    return TorchCall("sigmoid", lambda: torch.sigmoid(x))


def sigmoid_backward(dy: Tensor, y: Tensor) -> TorchCall:
    return TorchCall("sigmoid_backward", lambda: aten.sigmoid_backward(dy, y))


def tanh(x: Tensor) -> TorchCall:
    return TorchCall("tanh", lambda: torch.tanh(x))


def tanh_backward(dy: Tensor, y: Tensor) -> TorchCall:
    return TorchCall("tanh_backward", lambda: aten.tanh_backward(dy, y))


# -- sums, scales and rows ------------------------------------------------------------------------


def scaled_sum(x: Tensor, x_scale: float, y: Tensor | None, y_scale: float) -> TorchCall:
    if y is None:
        return TorchCall("mul", lambda: x * x_scale)
    if x_scale == 1:
        return TorchCall("add", lambda: torch.add(x, y, alpha=y_scale))
    return TorchCall("mul + add_", lambda: (x * x_scale).add_(y, alpha=y_scale))


def multiply(x: Tensor, y: Tensor) -> TorchCall:
    return TorchCall("mul", lambda: x * y)


def weighted_sum(x: Tensor, weights: Tensor | None, divisor: float) -> TorchCall:
    if weights is None:
        return TorchCall("sum + div_", lambda: x.sum().div_(divisor))
    rows = x.reshape(-1, x.shape[-1])
    return TorchCall("mv + sum + div_", lambda: torch.mv(rows, weights).sum().div_(divisor))


def weighted_sum_backward(
    dy: Tensor, weights: Tensor | None, divisor: float, shape: Sequence[int]
) -> TorchCall:
    if weights is None:
        return TorchCall("div + expand", lambda: (dy / divisor).expand(*shape).contiguous())
    run = lambda: (weights * (dy / divisor)).expand(*shape).contiguous()  # noqa: E731
    return TorchCall("div + mul + expand", run)


def pad_rows(x: Tensor, before: int, after: int) -> TorchCall:
    sides = [0, 0] * (x.dim() - 1) + [before, after]
    return TorchCall("pad", lambda: functional.pad(x, sides))


# -- likelihoods ----------------------------------------------------------------------------------


def binary_cross_entropy_with_logits(logits: Tensor, targets: Tensor) -> TorchCall:
    def run() -> tuple[Tensor, Tensor]:
        loss = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return loss, torch.sigmoid(logits).sub_(targets)

    return TorchCall("binary_cross_entropy_with_logits + sigmoid", run)


def code_log_likelihood(parameters: Tensor, codes: Tensor, table: Any) -> TorchCall:
    leaf = parameters.clone().requires_grad_(True)

    def run() -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            values = torch.stack([_log_likelihood(leaf, codes, table, i) for i in range(codes.shape[1])], 1)  # fmt: skip
            (gradient,) = torch.autograd.grad(values.sum(), leaf)
        return values.detach(), gradient

    return TorchCall("log_softmax or a Gaussian, each code; autograd", run)


def _log_likelihood(parameters: Tensor, codes: Tensor, table: Any, i: int) -> Tensor:
    """log Q of code i: a categorical's is minus the cross entropy."""
    start, width = table.offset[i], table.width[i]
    own = parameters[:, start : start + width]
    if table.kind[i] == table.CATEGORICAL:
        return -functional.cross_entropy(own, codes[:, i].long(), reduction="none")
    fixed = table.kind[i] == table.FIXED_GAUSSIAN
    log_std = own.new_tensor(table.log_std[i]) if fixed else own[:, 1]
    z = (codes[:, i] - own[:, 0]) * torch.exp(-log_std)
    return -0.5 * z * z - log_std - 0.5 * math.log(2 * math.pi)


# -- optimizer ------------------------------------------------------------------------------------


def adam(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    first_moments: Sequence[Tensor],
    second_moments: Sequence[Tensor],
    step: Any,
    settings: Any,
) -> TorchCall:
    """Changes the parameters; what is read of it are they."""
    optimizer = torch.optim.Adam(
        list(parameters), settings.learning_rate, (settings.beta1, settings.beta2), settings.epsilon, fused=True,
        capturable=parameters[0].is_cuda,
    )  # fmt: skip
    for p, g, m, v in zip(parameters, gradients, first_moments, second_moments, strict=True):
        p.grad = g
        taken = torch.tensor(float(step) - 1, device=p.device)
        optimizer.state[p] = {"step": taken, "exp_avg": m, "exp_avg_sq": v}
    return TorchCall("optim.Adam(fused=True)", optimizer.step, lambda _: tuple(parameters))


def accumulate(
    total: Tensor, gradient: Tensor, decay: float = 1.0, scale: float = 1.0
) -> TorchCall:
    if decay == 1:
        return TorchCall("add_", lambda: total.add_(gradient, alpha=scale))
    return TorchCall("mul_ + add_", lambda: total.mul_(decay).add_(gradient, alpha=scale))


def increment(counter: Tensor) -> TorchCall:
    return TorchCall("add_", lambda: counter.add_(1))


# -- data -----------------------------------------------------------------------------------------


def encode_latents(noise: Tensor, codes: Tensor, table: Any) -> TorchCall:
    def run() -> Tensor:
        columns = [noise]
        for i, (kind, width) in enumerate(zip(table.kind, table.width, strict=True)):
            if kind == table.CATEGORICAL:
                columns.append(functional.one_hot(codes[:, i].long(), width).to(noise.dtype))
            else:
                columns.append(codes[:, i : i + 1])
        return torch.cat(columns, 1)

    return TorchCall("one_hot + cat", run)


def gather_images(
    images: Tensor, indices: Tensor, low: float, high: float, dtype: Any
) -> TorchCall:
    real = getattr(torch, np.dtype(dtype).name)
    run = lambda: images[indices].to(real).mul_((high - low) / 255).add_(low)  # noqa: E731
    return TorchCall("index + to + mul_ + add_", run)


def concatenate_rows(arrays: Sequence[Tensor]) -> TorchCall:
    return TorchCall("cat", lambda: torch.cat(list(arrays)))


PEERS: dict[str, Callable[..., TorchCall]] = {
    function.__name__: function
    for function in (
        gemm, column_sum, conv2d, conv2d_backward_data, conv2d_backward_weight, conv_transpose2d,
        conv_transpose2d_backward_data, conv_transpose2d_backward_weight, batch_norm_statistics, batch_norm,
        batch_norm_backward, leaky_relu, leaky_relu_backward, sigmoid, sigmoid_backward, tanh, tanh_backward,
        scaled_sum, multiply, weighted_sum, weighted_sum_backward, pad_rows, binary_cross_entropy_with_logits,
        code_log_likelihood, adam, accumulate, increment, encode_latents, gather_images, concatenate_rows,
    )
}  # fmt: skip
