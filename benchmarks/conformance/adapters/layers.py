"""Matrix products, layers and losses. PyTorch's images are NCHW; minigan's are NHWC."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minigan as mg
from benchmarks.conformance.adapters.arguments import pair, refuse

# -- products --------------------------------------------------------------------------------------


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    refuse(one_axis=x.ndim < 2 or weight.ndim < 2)
    return mg.linear(x, weight.T, bias)


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    return mg.tensordot(a, b, dims if isinstance(dims, int) else tuple(map(list, dims)))


# -- images ----------------------------------------------------------------------------------------


def _on_nhwc(x: Any, compute: Callable[[Any], Any]) -> Any:
    """Return what `compute` makes of a batch of images, or of one, given as PyTorch's."""
    batch = mg.expand_dims(x, 0) if x.ndim == 3 else x
    y = mg.moveaxis(compute(mg.moveaxis(batch, 1, -1)), -1, 1)
    return mg.squeeze(y, 0) if x.ndim == 3 else y


def _paddings(padding: Any, kernel: tuple[int, ...]) -> Any:
    """Return the widths of padding before and after, for the strings of PyTorch too."""
    if padding == "valid":
        return 0
    if padding == "same":
        return tuple(((n - 1) // 2, n - 1 - (n - 1) // 2) for n in kernel)
    return pair(padding)


def conv2d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:  # fmt: skip
    refuse(groups=groups != 1, dilation=pair(dilation) != (1, 1))
    w = mg.transpose(weight, 2, 3, 1, 0)
    widths = _paddings(padding, weight.shape[2:])
    return _on_nhwc(
        x, lambda images: mg.conv2d(images, w, bias, stride=pair(stride), padding=widths)
    )


def conv_transpose2d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Any:  # fmt: skip
    refuse(groups=groups != 1, dilation=pair(dilation) != (1, 1))
    w = mg.transpose(weight, 2, 3, 0, 1)
    sizes = {"stride": pair(stride), "padding": pair(padding)}
    more = pair(output_padding)
    return _on_nhwc(
        x, lambda images: mg.conv_transpose2d(images, w, bias, **sizes, output_padding=more)
    )


def max_pool2d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    refuse(dilation=pair(dilation) != (1, 1), ceil_mode=ceil_mode, return_indices=return_indices)
    size, step = pair(kernel_size), None if stride in (None, ()) else pair(stride)
    return _on_nhwc(x, lambda images: mg.max_pool2d(images, size, step, pair(padding)))


def avg_pool2d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> Any:  # fmt: skip
    refuse(ceil_mode=ceil_mode, padding=not count_include_pad, divisor_override=divisor_override)
    size, step = pair(kernel_size), None if stride in (None, ()) else pair(stride)
    return _on_nhwc(x, lambda images: mg.avg_pool2d(images, size, step, pair(padding)))


def upsample_nearest(
    x: Any, size: Any = None, scale_factor: Any = None, mode: Any = None, align_corners: Any = None,
    recompute_scale_factor: Any = None,
) -> Any:  # fmt: skip
    refuse(
        recompute_scale_factor=recompute_scale_factor, not_images=x.ndim != 4, size=size is not None
    )
    factors = pair(scale_factor)
    refuse(no_whole_factor=any(factor != int(factor) for factor in factors))
    whole = (int(factors[0]), int(factors[1]))
    return _on_nhwc(x, lambda images: mg.upsample_nearest(images, whole))


# -- normalization ---------------------------------------------------------------------------------


def batch_norm(
    x: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: Any = 0.1, eps: float = 1e-5,
) -> Any:  # fmt: skip
    refuse(one_axis=x.ndim < 2, momentum=momentum is None)
    weight = mg.ones(x.shape[1], dtype=x.dtype) if weight is None else weight
    bias = mg.zeros(x.shape[1], dtype=x.dtype) if bias is None else bias
    running = None
    if running_mean is not None:
        running = {"default": mg.RunningStatistics(running_mean, running_var)}
    y = mg.batch_norm(
        mg.moveaxis(x, 1, -1), weight, bias, running, training=training, momentum=momentum, eps=eps
    )
    return mg.moveaxis(y, -1, 1)


def layer_norm(
    x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    return mg.layer_norm(x, weight, bias, axes=len(normalized_shape), eps=eps)


# -- losses ----------------------------------------------------------------------------------------


def cross_entropy(
    x: Any, target: Any, weight: Any = None, size_average: Any = None, ignore_index: int = -100,
    reduce: Any = None, reduction: str = "mean", label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    refuse(probabilities=target.dtype.kind == "f", one_axis=x.ndim < 2)
    return mg.cross_entropy(
        mg.moveaxis(x, 1, -1), target, reduction, weight, ignore_index, label_smoothing
    )


def binary_cross_entropy_with_logits(
    x: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", pos_weight: Any = None,
) -> Any:  # fmt: skip
    data = [v for v in (target, weight, pos_weight) if v is not None]
    refuse(a_gradient_of_the_data=any(v.requires_grad for v in data))
    return mg.binary_cross_entropy_with_logits(x, target, reduction, weight, pos_weight)


def mse_loss(
    x: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
    weight: Any = None,
) -> Any:  # fmt: skip
    refuse(weight=weight is not None, broadcasting=x.shape != target.shape)
    return mg.mse_loss(x, target, reduction)


def embedding(
    weight: Any, index: Any, padding_idx: Any = None, max_norm: Any = None, norm_type: float = 2.0,
    scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Any:  # fmt: skip
    refuse(
        padding_idx=padding_idx is not None,
        max_norm=max_norm,
        scale_grad_by_freq=scale_grad_by_freq,
    )
    return mg.embedding(index, weight)


LAYERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("bmm", "dot", "matmul", "mm", "mv", "vdot"), mg.matmul),
    **dict.fromkeys(
        ("nn.functional.batch_norm", "nn.functional.batch_norm.without_cudnn"), batch_norm
    ),
    **dict.fromkeys(
        ("nn.functional.interpolate.nearest", "nn.functional.upsample_nearest"), upsample_nearest
    ),
    "__rmatmul__": lambda x, other: other @ x,
    "einsum": lambda operands, equation: mg.einsum(equation, *operands),
    "linalg.vecdot": lambda x, y, *, dim=-1: mg.vecdot(x, y, axis=dim),
    "nn.functional.avg_pool2d": avg_pool2d,
    "nn.functional.binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    "nn.functional.conv2d": conv2d,
    "nn.functional.conv_transpose2d": conv_transpose2d,
    "nn.functional.cross_entropy": cross_entropy,
    "nn.functional.embedding": embedding,
    "nn.functional.layer_norm": layer_norm,
    "nn.functional.linear": linear,
    "nn.functional.max_pool2d": max_pool2d,
    "nn.functional.mse_loss": mse_loss,
    "nn.functional.one_hot": lambda x, num_classes=-1: mg.one_hot(
        x, int(x.numpy().max()) + 1 if num_classes == -1 else num_classes, "int64"
    ),
    "outer": mg.outer,
    "tensordot": tensordot,
}
