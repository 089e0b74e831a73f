"""The PyTorch call that a user would make instead of each kernel of minigan's contract.

Each function here is named like its kernel and takes its arguments, as tensors, and gives a
`TorchCall`. Data that a PyTorch user would have at hand already are prepared outside the timed
call: images channels-last, filters in PyTorch's order. Behind these calls stand oneDNN and MKL on a
CPU, cuDNN and cuBLAS on a GPU. A kernel that is not here has no such call. Those are the random
numbers, which another generator draws otherwise, and a step of a gradient that PyTorch has only
inside its autograd.

This module imports nothing of minigan; a geometry and a table of codes have the contract's names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.baselines.torch_call import Tensor, TorchCall, aten
from benchmarks.baselines.torch_normalization import (
    batch_norm,
    batch_norm_backward,
    batch_norm_statistics,
)
from benchmarks.baselines.torch_products import (
    column_sum,
    conv2d,
    conv2d_backward_data,
    conv2d_backward_weight,
    conv_transpose2d,
    conv_transpose2d_backward_data,
    conv_transpose2d_backward_weight,
    gemm,
)


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


def adam(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    first_moments: Sequence[Tensor],
    second_moments: Sequence[Tensor],
    step: Any,
    settings: Any,
) -> TorchCall:
    """Change the parameters; they are its result."""
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


BASELINES: dict[str, Callable[..., TorchCall]] = {
    function.__name__: function
    for function in (
        gemm, column_sum, conv2d, conv2d_backward_data, conv2d_backward_weight, conv_transpose2d,
        conv_transpose2d_backward_data, conv_transpose2d_backward_weight, batch_norm_statistics, batch_norm,
        batch_norm_backward, leaky_relu, leaky_relu_backward, sigmoid, sigmoid_backward, tanh, tanh_backward,
        scaled_sum, multiply, weighted_sum, weighted_sum_backward, pad_rows, binary_cross_entropy_with_logits,
        code_log_likelihood, adam, accumulate, increment, encode_latents, gather_images, concatenate_rows,
    )
}  # fmt: skip
