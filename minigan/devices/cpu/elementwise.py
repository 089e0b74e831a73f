"""Activations, sums and scales on the CPU: one pass over memory each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigan.devices.cpu.activation import leaky, leaky_gradient
from minigan.devices.cpu.arrays import Array
from minigan.devices.cpu.compile import Vector, kernel
from minigan.devices.device import Device

# The fewest elements of a thread: to wake one takes as long as some tens of thousands.
_GRAIN = 1 << 15


def leaky_relu(device: Device, x: Array, negative_slope: float) -> Array:
    y: Array = device.empty(x.shape, x.dtype)
    leaky_relu_values(x.size, x.reshape(-1), negative_slope, y.reshape(-1))
    return y


def leaky_relu_backward(device: Device, dy: Array, x: Array, negative_slope: float) -> Array:
    dx: Array = device.empty(x.shape, x.dtype)
    leaky_relu_gradient(x.size, dy.reshape(-1), x.reshape(-1), negative_slope, dx.reshape(-1))
    return dx


def sigmoid(device: Device, x: Array) -> Array:
    y: Array = device.empty(x.shape, x.dtype)
    np.negative(np.abs(x, out=y), out=y)
    np.exp(y, out=y)  # NumPy's is vectorized, and Numba's is not
    sigmoid_values(x.size, x.reshape(-1), y.reshape(-1))
    return y


def sigmoid_backward(device: Device, dy: Array, y: Array) -> Array:
    dx: Array = device.empty(y.shape, y.dtype)
    sigmoid_gradient(y.size, dy.reshape(-1), y.reshape(-1), dx.reshape(-1))
    return dx


def tanh(device: Device, x: Array) -> Array:
    y: Array = device.empty(x.shape, x.dtype)
    np.tanh(x, out=y)
    return y


def tanh_backward(device: Device, dy: Array, y: Array) -> Array:
    dx: Array = device.multiply(y, y)
    np.subtract(1, dx, out=dx)
    np.multiply(dy, dx, out=dx)
    return dx


# -- of losses, mostly: too small to share between threads ---------------------------------------------


def scaled_sum(device: Device, x: Array, x_scale: float, y: Array | None, y_scale: float) -> Array:
    result: Array = device.empty(x.shape, x.dtype)
    if y is None:
        np.multiply(x, x_scale, out=result)
    elif x_scale == 1 and y_scale == -1:
        np.subtract(x, y, out=result)
    else:
        x, y = (a if s == 1 else s * a for a, s in ((x, x_scale), (y, y_scale)))
        np.add(x, y, out=result)
    return result


def multiply(device: Device, x: Array, y: Array) -> Array:
    result: Array = device.empty(x.shape, x.dtype)
    np.multiply(x, y, out=result)
    return result


def weighted_sum(device: Device, x: Array, weights: Array | None, divisor: float) -> Array:
    total = np.sum(x if weights is None else x * weights, dtype=x.dtype)
    return np.asarray(total / divisor)


def weighted_sum_backward(
    device: Device, dy: Array, weights: Array | None, divisor: float, shape: Sequence[int]
) -> Array:
    dx: Array = device.empty(shape, dy.dtype)
    dx[...] = (dy if weights is None else dy * weights) / divisor
    return dx


# Indices count from 0 in a part of the arrays. LLVM does not know that `begin` is not negative, as
# Python's indices may be, and would make no vectors.

# -- kernels ---------------------------------------------------------------------------------------------


@kernel(_GRAIN)
def leaky_relu_values(begin: int, end: int, x: Vector, slope: float, y: Vector) -> None:
    negative_slope = x.dtype.type(slope)
    x, y = x[begin:end], y[begin:end]
    for i in range(x.size):
        y[i] = leaky(x[i], negative_slope)


@kernel(_GRAIN)
def leaky_relu_gradient(
    begin: int, end: int, dy: Vector, x: Vector, slope: float, dx: Vector
) -> None:
    negative_slope = x.dtype.type(slope)
    dy, x, dx = dy[begin:end], x[begin:end], dx[begin:end]
    for i in range(x.size):
        dx[i] = leaky_gradient(dy[i], x[i], negative_slope)


@kernel(_GRAIN)
def sigmoid_values(begin: int, end: int, x: Vector, y: Vector) -> None:
    """Compute both from y = e⁻|ˣ|, which cannot overflow, and serves both halves of the curve."""
    one = x.dtype.type(1)
    x, y = x[begin:end], y[begin:end]
    for i in range(x.size):
        y[i] = (y[i] if x[i] < 0 else one) / (one + y[i])


@kernel(_GRAIN)
def sigmoid_gradient(begin: int, end: int, dy: Vector, y: Vector, dx: Vector) -> None:
    one = y.dtype.type(1)
    dy, y, dx = dy[begin:end], y[begin:end], dx[begin:end]
    for i in range(y.size):
        dx[i] = dy[i] * y[i] * (one - y[i])
