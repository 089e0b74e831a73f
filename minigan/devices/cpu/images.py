"""Batches of images on the CPU: gathered from the data, occluded at random, mapped at random."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigan.devices.contract.images import AffineRanges, OcclusionSizes
from minigan.devices.cpu.arrays import Array
from minigan.devices.cpu.compile import (
    SERIAL,
    Blocks,
    Bytes,
    Images,
    Integers,
    Matrix,
    kernel,
)
from minigan.devices.device import Device


def gather_images(
    device: Device, images: Array, indices: Array, low: float, high: float, dtype: Any
) -> Array:
    result: Array = device.empty((indices.size, *images.shape[1:]), dtype)
    pixels = math.prod(images.shape[1:])
    scale_images(
        indices.size, images.reshape(-1, pixels), indices, (high - low) / 255, low,
        result.reshape(-1, pixels),
    )  # fmt: skip
    return result


def random_occlusion(
    device: Device, images: Array, uniforms: Array, sizes: OcclusionSizes, low: float, high: float
) -> Array:
    result: Array = device.empty(images.shape, images.dtype)
    occlude_images(len(images), images, uniforms, sizes.thickness, sizes.length, low, high, result)
    return result


def random_affine(device: Device, images: Array, uniforms: Array, ranges: AffineRanges) -> Array:
    result: Array = device.empty(images.shape, images.dtype)
    map_images(
        len(images), images, uniforms, ranges.rotation, ranges.scale, ranges.shear, ranges.shift,
        result,
    )  # fmt: skip
    return result


def pad_rows(device: Device, x: Array, before: int, after: int) -> Array:
    result: Array = device.zeros((before + x.shape[0] + after, *x.shape[1:]), x.dtype)
    result[before : before + x.shape[0]] = x
    return result


def concatenate_rows(device: Device, arrays: Sequence[Array]) -> Array:
    rows = sum(a.shape[0] for a in arrays)
    result: Array = device.empty((rows, *arrays[0].shape[1:]), arrays[0].dtype)
    np.concatenate(arrays, axis=0, out=result)
    return result


@kernel(grain=SERIAL)
def scale_images(
    begin: int, end: int, images: Bytes, indices: Integers, scale: float, low: float, result: Matrix
) -> None:
    """images (n, pixels), result (batch, pixels): scale·image + low of each index."""
    real = result.dtype.type
    for row in range(begin, end):
        source = images[indices[row]]
        for i in range(source.size):
            result[row, i] = real(source[i]) * real(scale) + real(low)


@kernel()
def occlude_images(
    begin: int, end: int, images: Images, uniforms: Blocks, thickness: float, length: float,
    low: float, high: float, result: Images,
) -> None:  # fmt: skip
    """Cover one image after another with the rectangles that its uniforms choose."""
    real = result.dtype.type
    height, width = images.shape[1], images.shape[2]
    half, three, eighth, zero, one = real(0.5), real(3), real(0.125), real(0), real(1)
    middle_y, middle_x = half * real(height - 1), half * real(width - 1)
    for n in range(begin, end):
        for i in range(height):
            for j in range(width):
                for c in range(images.shape[3]):
                    result[n, i, j, c] = images[n, i, j, c]
        for rectangle in range(uniforms.shape[1]):
            u = uniforms[n, rectangle]
            across = real(thickness) * eighth * (three + u[3])
            along = real(length) * eighth * (three + u[4])
            half_y, half_x = (across, along) if u[2] < zero else (along, across)
            y = middle_y + u[0] * max(middle_y - one - half_y, zero)
            x = middle_x + u[1] * max(middle_x - one - half_x, zero)
            shade = real(low) if u[5] < zero else real(high)
            for i in range(height):
                for j in range(width):
                    if abs(real(i) - y) <= half_y and abs(real(j) - x) <= half_x:
                        for c in range(images.shape[3]):
                            result[n, i, j, c] = shade


@kernel()
def map_images(
    begin: int, end: int, images: Images, uniforms: Matrix, rotation: float, scale: float,
    shear: float, shift: float, result: Images,
) -> None:  # fmt: skip
    """Map one image after another by the affine map that its five uniforms choose."""
    real = result.dtype.type
    height, width = images.shape[1], images.shape[2]
    half, one = real(0.5), real(1)
    middle_y, middle_x = half * real(height - 1), half * real(width - 1)
    for n in range(begin, end):
        u = uniforms[n]
        angle, size = real(rotation) * u[0], one + real(scale) * u[1]
        cosine, sine, slant = size * np.cos(angle), size * np.sin(angle), real(shear) * u[2]
        for i in range(height):
            for j in range(width):
                y = real(i) - middle_y
                x = real(j) - middle_x + slant * y
                at_y = cosine * y + sine * x + middle_y + real(shift) * u[3]
                at_x = cosine * x - sine * y + middle_x + real(shift) * u[4]
                at_y = min(max(at_y, real(0)), real(height - 1))
                at_x = min(max(at_x, real(0)), real(width - 1))
                top, left = int(at_y), int(at_x)
                bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
                down, along = at_y - real(top), at_x - real(left)
                for c in range(images.shape[3]):
                    above = (
                        images[n, top, left, c] * (one - along) + images[n, top, right, c] * along
                    )
                    below = images[n, bottom, left, c] * (one - along)
                    below += images[n, bottom, right, c] * along
                    result[n, i, j, c] = above * (one - down) + below * down
