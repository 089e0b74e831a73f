"""PyTorch's batch normalization, as `torch_kernels` gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from benchmarks.baselines.torch_call import Tensor, TorchCall, aten


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
    # PyTorch keeps the activation's result from the forward pass. Here x − mean comes first. So
    # where the two are equal it is exactly at the kink, as in minigan: `batch_norm` puts such a
    # value on either side of 0.
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
