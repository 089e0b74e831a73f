"""Convolution with fewer multiplications: Winograd's minimal filtering, by polynomials (Toom & Cook).

It serves filters of twice their stride, such as the 4×4 of stride 2. Split by the parity of rows
and columns, an image of c channels is one of stride² · c channels at half the size. Its convolution
is then one of stride 1 by a 2×2 filter. Along one axis that takes inputs d, a filter g and outputs
y to

    y_i = d_i·g_0 + d_{i+1}·g_1.

Its adjoint, the data gradient, multiplies the polynomials g(t) = g_0 + g_1·t and y(t) = Σ y_i·tⁱ. The product of g and
m outputs has degree m, so its values at m + 1 points determine it, where the schoolbook needs 2m multiplications.
The points are 0, 1, ∞ (the leading coefficient) and, for m = 3, −1. E(m) evaluates a polynomial of
m coefficients at the points, and P(m) interpolates the product from its values:

    d = P·[(E(2)·g) ⊙ (E(m)·y)]              the data gradient,
    y = E(m)ᵀ·[(E(2)·g) ⊙ (Pᵀ·d)]            the convolution, its transpose by d and y,
    g = E(2)ᵀ·[(Pᵀ·d) ⊙ (E(m)·y)]            the weight gradient, its transpose by g and y.

In two dimensions each matrix is applied to columns, then to rows, so m×m outputs take (m + 1)²
products for 4m². A side of an image is cut into tiles of 3 and 2 outputs. A side of 7 = 3 + 2 + 2
takes 4 + 3 + 3 = 10 products for 14, and 100 for 196 in the plane. ⊙ is a product by pixels, but a
matrix product by channels: all tiles of some images that share a pair of points form one GEMM. The
entries of E and P are 0, ±1 and ±½, so whole numbers stay exact, and rounding grows little.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.products import Epilogue
from minigan.devices.cpu import threads
from minigan.devices.cpu.arrays import Array, bias_or_empty
from minigan.devices.cpu.gemm import gemm_tile, gemm_workspaces
from minigan.devices.cpu.winograd_kernels import (
    POINTS,
    conv2d_weight,
    filter_gradient,
    filter_images,
    filter_values,
)
from minigan.devices.device import Device

EVALUATE_2 = np.array([[1.0, 0], [1, 1], [0, 1], [1, -1]])
EVALUATE_3 = np.array([[1.0, 0, 0], [1, 1, 1], [0, 0, 1], [1, -1, 1]])
INTERPOLATE_2 = np.array([[1.0, 0, 0], [-1, 1, -1], [0, 0, 1]])
INTERPOLATE_3 = np.array([[1.0, 0, 0, 0], [0, 0.5, -1, -0.5], [-1, 0.5, 0, 0.5], [0, 0, 1, 0]])

# Channels in and out from which this is used. The transforms' time grows with the channels, that of the products which
# they save with the channels' product, so few channels do not pay. Measured at 64 to 128 only; where it begins
# to pay is not.
LEAST_CHANNELS = 64
# Images in one GEMM. At 64 channels to 128 on 14×14 images, 8 to 32 are within a tenth of each other,
# and 64 are slower.
TILE_IMAGES = 16

Matrices = tuple[Array, Array]  # of a tile of 3 outputs, and of one of 2


class Plan(NamedTuple):
    """The facts of a convolution that its kernels read. ``winograd_kernels.py`` describes layouts and tilings."""

    layout: tuple[int, ...]  # of the input
    output_layout: tuple[int, ...]
    rows: Array  # of the values at each pair of points
    starts: Array
    tiling: tuple[int, ...]
    evaluate: Matrices  # E
    evaluate_transposed: Matrices
    interpolate: Matrices  # P
    interpolate_transposed: Matrices
    filter: Array  # E(2) ⊗ E(2)
    filter_transposed: Array
    filter_size: int  # elements of the filter's values.
    image_size: int  # elements of one image's values, of the input and of the output.
    row_size: int  # elements of a row of tiles, transformed along its columns


def pays(geometry: ConvolutionGeometry, channels_in: int, channels_out: int) -> bool:
    """Return whether this module serves such a convolution, and is faster than unfolding."""
    fits = all(k == 2 * s for k, s in zip(geometry.kernel_size, geometry.stride, strict=True))
    return (
        fits and min(geometry.output_size) >= 2 and min(channels_in, channels_out) >= LEAST_CHANNELS
    )


@functools.lru_cache(maxsize=256)
def make_plan(
    geometry: ConvolutionGeometry, channels_in: int, channels_out: int, dtype: np.dtype[Any]
) -> Plan:
    """Return the plan of a convolution that `pays`."""
    down, across = geometry.stride
    (top, _), (left, _) = geometry.padding
    high, wide = geometry.output_size
    vertical, horizontal = tiles(high), tiles(wide)
    rows = matrix_rows(vertical, horizontal)
    starts = (np.cumsum(rows) - rows.ravel()).reshape(rows.shape)
    evaluate = _matrices(dtype, EVALUATE_3, EVALUATE_2[: POINTS - 1])
    interpolate = _matrices(dtype, INTERPOLATE_3, INTERPOLATE_2)
    (kernel,) = _matrices(dtype, np.kron(EVALUATE_2, EVALUATE_2))
    columns = down * across * channels_in
    return Plan(
        layout=(*geometry.input_size, channels_in, down, across, top, left, wide + 1),
        output_layout=(high, wide, channels_out, 1, 1, 0, 0, wide),
        rows=rows,
        starts=starts,
        tiling=(vertical[0], sum(vertical), horizontal[0], sum(horizontal)),
        evaluate=evaluate,
        evaluate_transposed=_matrices(dtype, *(m.T for m in evaluate)),
        interpolate=interpolate,
        interpolate_transposed=_matrices(dtype, *(m.T for m in interpolate)),
        filter=kernel,
        filter_transposed=np.ascontiguousarray(kernel.T),
        filter_size=POINTS * POINTS * columns * channels_out,
        image_size=int(rows.sum()) * (columns + channels_out),
        row_size=POINTS * max((wide + 1) * across * channels_in, wide * channels_out),
    )


def _matrices(dtype: np.dtype[Any], *matrices: Array) -> Any:
    return tuple(np.ascontiguousarray(m, dtype) for m in matrices)


def tiles(outputs: int) -> tuple[int, int]:
    """Return how many tiles of 3 and of 2 outputs make `outputs` (at least 2) with the fewest products."""
    threes = next(t for t in range(outputs // 3, -1, -1) if (outputs - 3 * t) % 2 == 0)
    return threes, (outputs - 3 * threes) // 2


def matrix_rows(vertical: tuple[int, int], horizontal: tuple[int, int]) -> Array:
    """(points, points): how many tiles of one image have a value at each pair of points."""
    counts = [[threes + twos] * (POINTS - 1) + [threes] for threes, twos in (vertical, horizontal)]
    down, across = np.array(counts)
    rows: Array = down[:, None] * across
    return rows


# -- calls -------------------------------------------------------------------------------------------------


def conv2d(
    device: Device,
    x: Array,
    w: Array,
    geometry: ConvolutionGeometry,
    epilogue: Epilogue,
    y: Array,
) -> None:
    """y = activation(conv2d(x, w) + bias); the statistics are left to the caller."""
    plan = make_plan(geometry, x.shape[3], w.shape[3], x.dtype)
    filter_images(
        threads.thread_count(), gemm_tile.address(x.dtype),
        x.reshape(-1), plan.layout, plan.interpolate_transposed,
        _filter_values(device, plan, w, geometry), False, bias_or_empty(epilogue, x), epilogue.negative_slope,
        y.reshape(-1), plan.output_layout, plan.evaluate_transposed,
        plan.rows, plan.starts, plan.tiling, *_workspaces(device, plan, x),
    )  # fmt: skip


def conv2d_backward_data(
    device: Device,
    dy: Array,
    w: Array,
    geometry: ConvolutionGeometry,
    epilogue: Epilogue,
    dx: Array,
) -> None:
    """dx = activation(the adjoint of the convolution, of dy, + bias); the statistics are left to the caller."""
    plan = make_plan(geometry, dx.shape[3], dy.shape[3], dy.dtype)
    filter_images(
        threads.thread_count(), gemm_tile.address(dy.dtype),
        dy.reshape(-1), plan.output_layout, plan.evaluate,
        _filter_values(device, plan, w, geometry), True, bias_or_empty(epilogue, dy), epilogue.negative_slope,
        dx.reshape(-1), plan.layout, plan.interpolate,
        plan.rows, plan.starts, plan.tiling, *_workspaces(device, plan, dy),
    )  # fmt: skip


def conv2d_backward_weight(
    device: Device, x: Array, dy: Array, geometry: ConvolutionGeometry, dw: Array
) -> None:
    """dw = the gradient of the filter."""
    plan = make_plan(geometry, x.shape[3], dy.shape[3], x.dtype)
    sums = device.empty((threads.thread_count(), plan.filter_size), x.dtype)
    conv2d_weight(
        len(sums), gemm_tile.address(x.dtype), x.reshape(-1), plan.layout, plan.interpolate_transposed,
        dy.reshape(-1), plan.output_layout, plan.evaluate,
        plan.rows, plan.starts, plan.tiling, *_workspaces(device, plan, x), sums,
    )  # fmt: skip
    pairs = math.prod(geometry.stride)
    filter_gradient(
        pairs, plan.filter_transposed, sums, geometry.stride, _filter_offsets(pairs), dw.reshape(-1)
    )


def _filter_values(device: Device, plan: Plan, w: Array, geometry: ConvolutionGeometry) -> Array:
    values: Array = device.empty((plan.filter_size,), w.dtype)
    pairs = math.prod(geometry.stride)
    filter_values(
        pairs, plan.filter, w.reshape(-1), geometry.stride, _filter_offsets(pairs), values
    )
    return values


def _filter_offsets(pairs: int) -> Array:
    return np.empty((pairs, 2, POINTS * POINTS), np.int64)


def _workspaces(device: Device, plan: Plan, x: Array) -> tuple[int, int, Array, Array, Array]:
    """Return how many images there are, how many of them a tile holds, and each thread's workspaces."""
    parts = threads.thread_count()
    images = max(1, min(TILE_IMAGES, -(-len(x) // parts)))
    values = device.empty((parts, images * plan.image_size + plan.row_size), x.dtype)
    offsets = np.empty((parts, 2, POINTS), np.int64)
    return len(x), images, values, offsets, gemm_workspaces(device, x.dtype)
