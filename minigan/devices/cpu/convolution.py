"""Convolution on the CPU, and its adjoint, the transposed one: by unfolding, or Winograd's way where that pays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.products import NO_EPILOGUE, Epilogue
from minigan.devices.cpu import threads, unfolding, winograd
from minigan.devices.cpu.arrays import Array, bias_or_empty
from minigan.devices.cpu.gemm import gemm_tile, gemm_workspaces
from minigan.devices.cpu.normalization import with_statistics
from minigan.devices.device import Device

# Unfolded windows of one tile, in bytes: about a core's second-level cache. Smaller tiles repeat the packing
# of the filter too often, larger ones gain nothing.
_TILE_BYTES = 1024 * 1024


def conv2d(
    device: Device,
    x: Array,
    w: Array,
    geometry: ConvolutionGeometry,
    epilogue: Epilogue = NO_EPILOGUE,
) -> Array:
    n, c, o = x.shape[0], x.shape[3], w.shape[3]
    y = device.empty((n, *geometry.output_size, o), x.dtype)
    if winograd.pays(geometry, c, o):
        winograd.conv2d(device, x, w, geometry, epilogue, y)
    else:
        tile_rows, work = _row_tiles(device, n, c, geometry, x.dtype)
        unfolding.conv2d_parts(
            len(work), gemm_tile.address(x.dtype), x.reshape(-1), w.reshape(-1), o,
            bias_or_empty(epilogue, x), epilogue.negative_slope, _flat(geometry), n * math.prod(geometry.output_size),
            tile_rows, work, gemm_workspaces(device, x.dtype), y.reshape(-1),
        )  # fmt: skip
    return with_statistics(device, y, epilogue.statistics)


def conv2d_backward_data(
    device: Device, dy: Array, w: Array, geometry: ConvolutionGeometry
) -> Array:
    return _fold_product(device, dy, w, geometry)


def conv2d_backward_weight(
    device: Device, x: Array, dy: Array, geometry: ConvolutionGeometry
) -> Array:
    n, c, o = x.shape[0], x.shape[3], dy.shape[3]
    dw: Array = device.empty((*geometry.kernel_size, c, o), x.dtype)
    if winograd.pays(geometry, c, o):
        winograd.conv2d_backward_weight(device, x, dy, geometry, dw)
        return dw
    tile_rows, work = _row_tiles(device, n, c, geometry, x.dtype)
    partial = device.empty((len(work), dw.size), x.dtype)
    unfolding.conv2d_weight_parts(
        len(work), gemm_tile.address(x.dtype), x.reshape(-1), dy.reshape(-1), o, _flat(geometry),
        n * math.prod(geometry.output_size), tile_rows, work, gemm_workspaces(device, x.dtype), partial,
    )  # fmt: skip
    unfolding.add_parts(dw.size, partial, dw.reshape(-1))
    return dw


def conv_transpose2d(
    device: Device,
    x: Array,
    w: Array,
    geometry: ConvolutionGeometry,
    epilogue: Epilogue = NO_EPILOGUE,
) -> Array:
    y = _fold_product(device, x, _swapped(device, w), geometry, epilogue)
    return with_statistics(device, y, epilogue.statistics)


def conv_transpose2d_backward_data(
    device: Device, dy: Array, w: Array, geometry: ConvolutionGeometry
) -> Array:
    return conv2d(device, dy, _swapped(device, w), geometry)


def conv_transpose2d_backward_weight(
    device: Device, x: Array, dy: Array, geometry: ConvolutionGeometry
) -> Array:
    dw: Array = device.copy(conv2d_backward_weight(device, dy, x, geometry).swapaxes(2, 3))
    return dw


def _swapped(device: Device, w: Array) -> Array:
    """Return the filter with its channels in and out exchanged."""
    filters: Array = device.contiguous(w.swapaxes(2, 3))
    return filters


def _fold_product(
    device: Device,
    dy: Array,
    w: Array,
    geometry: ConvolutionGeometry,
    epilogue: Epilogue = NO_EPILOGUE,
) -> Array:
    """Compute the adjoint of a convolution, and an activation; w is the convolution's filter (kernel, c, o)."""
    n, c, o = dy.shape[0], w.shape[2], w.shape[3]
    dx: Array = device.empty((n, *geometry.input_size, c), dy.dtype)
    if winograd.pays(geometry, c, o):
        winograd.conv2d_backward_data(device, dy, w, geometry, epilogue, dx)
        return dx
    image = math.prod(geometry.output_size) * (w.size // o)
    parts = threads.thread_count()
    tile_images = _tile(image * dy.itemsize, -(-n // parts))
    work = device.empty((parts, tile_images * image), dy.dtype)
    unfolding.conv2d_data_parts(
        parts, gemm_tile.address(dy.dtype), dy.reshape(-1), w.reshape(-1), o,
        bias_or_empty(epilogue, dy), epilogue.negative_slope, _flat(geometry), n, tile_images, work,
        gemm_workspaces(device, dy.dtype), dx.reshape(-1),
    )  # fmt: skip
    return dx


def _row_tiles(
    device: Device, n: int, c: int, geometry: ConvolutionGeometry, dtype: Any
) -> tuple[int, Array]:
    """Return how many rows of windows a tile holds, and each thread's workspace for one unfolded."""
    row = geometry.output_size[1] * math.prod(geometry.kernel_size) * c
    parts = threads.thread_count()
    rows = _tile(row * np.dtype(dtype).itemsize, -(-n * geometry.output_size[0] // parts))
    return rows, device.empty((parts, rows * row), dtype)


def _flat(geometry: ConvolutionGeometry) -> tuple[int, ...]:
    (top, _), (left, _) = geometry.padding
    return (
        *geometry.input_size, *geometry.output_size, *geometry.kernel_size, *geometry.stride, top, left,
    )  # fmt: skip


def _tile(unit_bytes: int, most: int) -> int:
    """Return how many units of that size a tile holds: as many as fit `_TILE_BYTES`, from one to `most`."""
    return max(1, min(_TILE_BYTES // unit_bytes, most))
