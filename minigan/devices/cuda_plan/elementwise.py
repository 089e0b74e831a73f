"""Activations, sums and scales: the launches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigan.devices.contract.kernel import Array
from minigan.devices.cuda_plan.base import BLOCK, CudaPlan

_SUM_ELEMENTS = 2048  # that a block of a sum has at least; a second launch adds up to 64 blocks


def leaky_relu(device: CudaPlan, x: Array, negative_slope: float) -> Array:
    (x,) = device.checked("leaky_relu", x)
    y = device.empty(x.shape, x.dtype)
    device.launch_elementwise(
        "elementwise", "leaky_relu", x.size, x.dtype, x, y, negative_slope, np.int64(x.size)
    )
    return y


def leaky_relu_backward(device: CudaPlan, dy: Array, x: Array, negative_slope: float) -> Array:
    dy, x = device.checked("leaky_relu_backward", dy, x)
    dx = device.empty(x.shape, x.dtype)
    device.launch_elementwise(
        "elementwise", "leaky_relu_backward", x.size, x.dtype,
        dy, x, dx, negative_slope, np.int64(x.size),
    )  # fmt: skip
    return dx


def sigmoid(device: CudaPlan, x: Array) -> Array:
    (x,) = device.checked("sigmoid", x)
    y = device.empty(x.shape, x.dtype)
    device.launch_elementwise("elementwise", "sigmoid", x.size, x.dtype, x, y, np.int64(x.size))
    return y


def sigmoid_backward(device: CudaPlan, dy: Array, y: Array) -> Array:
    dy, y = device.checked("sigmoid_backward", dy, y)
    dx = device.empty(y.shape, y.dtype)
    device.launch_elementwise(
        "elementwise", "sigmoid_backward", y.size, y.dtype, dy, y, dx, np.int64(y.size)
    )
    return dx


def tanh(device: CudaPlan, x: Array) -> Array:
    (x,) = device.checked("tanh", x)
    y = device.empty(x.shape, x.dtype)
    device.launch_elementwise(
        "elementwise", "hyperbolic_tangent", x.size, x.dtype, x, y, np.int64(x.size)
    )
    return y


def tanh_backward(device: CudaPlan, dy: Array, y: Array) -> Array:
    dy, y = device.checked("tanh_backward", dy, y)
    dx = device.empty(y.shape, y.dtype)
    device.launch_elementwise(
        "elementwise", "hyperbolic_tangent_backward", y.size, y.dtype, dy, y, dx,
        np.int64(y.size),
    )  # fmt: skip
    return dx


def scaled_sum(
    device: CudaPlan, x: Array, x_scale: float, y: Array | None, y_scale: float
) -> Array:
    x, y = device.checked("scaled_sum", x, y)
    result = device.empty(x.shape, x.dtype)
    add_scaled(device, x, x_scale, y, y_scale, result)
    return result


def add_scaled(
    device: CudaPlan, x: Array, x_scale: float, y: Array | None, y_scale: float, result: Array
) -> None:
    device.launch_elementwise(
        "elementwise", "scaled_sum", x.size, x.dtype,
        x, float(x_scale), y, float(y_scale), result, np.int64(x.size),
    )  # fmt: skip


def multiply(device: CudaPlan, x: Array, y: Array) -> Array:
    x, y = device.checked("multiply", x, y)
    result = device.empty(x.shape, x.dtype)
    device.launch_elementwise(
        "elementwise", "multiply", x.size, x.dtype, x, y, result, np.int64(x.size)
    )
    return result


def weighted_sum(device: CudaPlan, x: Array, weights: Array | None, divisor: float) -> Array:
    x, weights = device.checked("weighted_sum", x, weights)
    blocks = max(1, min(-(-x.size // _SUM_ELEMENTS), 64))
    result = device.empty((), x.dtype)
    if blocks == 1:
        _sum(device, 1, x, weights, result, divisor)
    else:
        partial = device.empty((blocks,), x.dtype)
        _sum(device, blocks, x, weights, partial, 1)
        _sum(device, 1, partial, None, result, divisor)
    return result


def _sum(
    device: CudaPlan, blocks: int, x: Array, weights: Array | None, result: Array, divisor: float
) -> None:
    device.launch(
        "reduction", "weighted_sum", x.dtype, (blocks,), (BLOCK,),
        x, weights, result, float(divisor), _columns(weights), np.int64(x.size),
    )  # fmt: skip


def weighted_sum_backward(
    device: CudaPlan, dy: Array, weights: Array | None, divisor: float, shape: Sequence[int]
) -> Array:
    dy, weights = device.checked("weighted_sum_backward", dy, weights)
    dx = device.empty(shape, dy.dtype)
    device.launch_elementwise(
        "reduction", "weighted_sum_backward", dx.size, dx.dtype,
        dy, weights, dx, float(divisor), _columns(weights), np.int64(dx.size),
    )  # fmt: skip
    return dx


def _columns(weights: Array | None) -> int:
    """Return the number of weights; 1 stands for none."""
    return 1 if weights is None else int(weights.size)
