"""Matrix products."""

from __future__ import annotations

import math

from minigan.devices import Device
from minigan.devices.contract.normalization import BatchStatistics
from minigan.devices.contract.products import Epilogue
from minigan.operation import differentiable
from minigan.ops.activations import behind_activation
from minigan.ops.normalization import check_batch_statistics
from minigan.ops.shared import check_one_float_dtype, check_range, in_kernel_dtype
from minigan.ops.summation import broadcast_rule
from minigan.saving import Array, Result

__all__ = ["linear", "matmul"]


@differentiable
def matmul(device: Device, a: Array, b: Array) -> Result:
    """Return a @ b, as `numpy.matmul`; matrices of floats are multiplied by the device's GEMM.

    Args:
        a: a vector (k,), or matrices (…, n, k).
        b: a vector (k,), or matrices (…, k, m); the axes before the matrices broadcast.

    Returns:
        A tensor (…, n, m); the axis of a vector is left out.

    Raises:
        ValueError: the shapes do not fit, or one has no axis.
    """
    if in_kernel_dtype(a) and in_kernel_dtype(b) and a.ndim == b.ndim == 2 and a.dtype == b.dtype:
        return _matrix_product(device, a, b)
    xp = device.array_module

    def matrices(dy: Array) -> Array:
        """Return dy with the axis of a vector, which the product leaves out."""
        dy = dy[..., None] if b.ndim == 1 else dy
        return dy[..., None, :] if a.ndim == 1 else dy

    def by_a(dy: Array) -> Array:
        columns = b[:, None] if b.ndim == 1 else b
        return xp.matmul(matrices(dy), xp.swapaxes(columns, -1, -2))

    def by_b(dy: Array) -> Array:
        rows = a[None, :] if a.ndim == 1 else a
        db = xp.matmul(xp.swapaxes(rows, -1, -2), matrices(dy))
        return db[..., 0] if b.ndim == 1 else db

    return xp.asarray(xp.matmul(a, b)), broadcast_rule(device, (a, b), by_a, by_b), (a, b)


def _matrix_product(device: Device, a: Array, b: Array) -> Result:
    if a.shape[1] != b.shape[0]:
        raise ValueError("the columns of the first are not the rows of the second")
    a, b = device.contiguous(a), device.contiguous(b)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        dy = device.contiguous(dy)
        return (
            device.gemm(dy, b, transpose_b=True) if needs[0] else None,
            device.gemm(a, dy, transpose_a=True) if needs[1] else None,
        )

    return device.gemm(a, b), vjp, (a, b)


@differentiable
def linear(
    device: Device,
    x: Array,
    w: Array,
    b: Array | None = None,
    negative_slope: float = 1.0,
    statistics: BatchStatistics | None = None,
) -> Result:
    """activation(x·w + b).

    Args:
        x: (…, features in), of at least two axes.
        w: (features in, features out).
        b: a number added to each feature, (features out,), or None.
        negative_slope: fuses the activation y if y > 0 else negative_slope·y: 1 is none, 0 ReLU.
        statistics: from `allocate_batch_statistics`, to be filled for the `batch_norm` that
            follows.

    Returns:
        A tensor (…, features out).

    Raises:
        ValueError: the shapes or dtypes do not fit, or the slope is negative. Also where
            `statistics` are for a result of another shape.
    """
    if getattr(x, "ndim", 0) < 2 or getattr(w, "ndim", 0) != 2 or x.shape[-1] != w.shape[0]:
        raise ValueError("x is (…, features in) and w (features in, features out)")
    if b is not None and getattr(b, "shape", ()) != (w.shape[1],):
        raise ValueError("b has one element for each column of w")
    check_one_float_dtype(x, w, b)
    check_range("negative_slope", negative_slope)  # below 0, y would lose the sign of its input
    check_batch_statistics(statistics, (*x.shape[:-1], w.shape[1]), x.dtype)

    shape, w = x.shape, device.contiguous(w)
    rows = device.contiguous(x.reshape(math.prod(shape[:-1]), shape[-1]))
    b = None if b is None else device.contiguous(b)
    y = device.gemm(rows, w, epilogue=Epilogue(b, negative_slope, statistics))
    gradient, behind = behind_activation(device, y, negative_slope)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        dy = gradient(dy.reshape(len(rows), w.shape[1]))
        return (
            device.gemm(dy, w, transpose_b=True).reshape(shape) if needs[0] else None,
            device.gemm(rows, dy, transpose_a=True) if needs[1] else None,
            device.column_sum(dy) if len(needs) > 2 and needs[2] else None,
        )

    return y.reshape(*x.shape[:-1], w.shape[1]), vjp, (rows, w, *behind)
