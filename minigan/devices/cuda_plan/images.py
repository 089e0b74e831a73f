"""Images and rows of a batch: the launches."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigan.devices.arguments import PointerTable
from minigan.devices.contract.images import AffineRanges, OcclusionSizes
from minigan.devices.contract.kernel import Array
from minigan.devices.cuda_plan.base import CudaPlan

_CONCATENATED_PARTS = 64  # of a table, as in elementwise.cu


def gather_images(
    device: CudaPlan, images: Array, indices: Array, low: float, high: float, dtype: Any
) -> Array:
    result = device.empty((indices.size, *images.shape[1:]), dtype)
    pixels = math.prod(images.shape[1:])
    device.launch_elementwise(
        "elementwise", "gather_images", result.size, result.dtype, images, indices, result,
        (high - low) / 255, float(low), pixels, np.int64(result.size),
    )  # fmt: skip
    return result


def random_occlusion(
    device: CudaPlan, images: Array, uniforms: Array, sizes: OcclusionSizes, low: float, high: float
) -> Array:
    images, uniforms = device.checked("random_occlusion", images, uniforms)
    result = device.empty(images.shape, images.dtype)
    device.launch_elementwise(
        "elementwise", "random_occlusion", result.size, result.dtype, images, uniforms, result,
        float(sizes.thickness), float(sizes.length), float(low), float(high),
        uniforms.shape[1], *images.shape[1:], np.int64(result.size),
    )  # fmt: skip
    return result


def random_affine(device: CudaPlan, images: Array, uniforms: Array, ranges: AffineRanges) -> Array:
    images, uniforms = device.checked("random_affine", images, uniforms)
    result = device.empty(images.shape, images.dtype)
    device.launch_elementwise(
        "elementwise", "random_affine", result.size, result.dtype, images, uniforms, result,
        float(ranges.rotation), float(ranges.scale), float(ranges.shear), float(ranges.shift),
        *images.shape[1:], np.int64(result.size),
    )  # fmt: skip
    return result


def pad_rows(device: CudaPlan, x: Array, before: int, after: int) -> Array:
    (x,) = device.checked("pad_rows", x)
    result = device.empty((before + x.shape[0] + after, *x.shape[1:]), x.dtype)
    begin = before * math.prod(x.shape[1:])
    device.launch_elementwise(
        "elementwise", "pad_rows", result.size, x.dtype,
        x, result, np.int64(begin), np.int64(begin + x.size), np.int64(result.size),
    )  # fmt: skip
    return result


def concatenate_rows(device: CudaPlan, arrays: Sequence[Array]) -> Array:
    arrays = device.checked("concatenate_rows", *arrays)
    rows = sum(a.shape[0] for a in arrays)
    result = device.empty((rows, *arrays[0].shape[1:]), arrays[0].dtype)
    start = 0
    for first in range(0, len(arrays), _CONCATENATED_PARTS):
        parts = arrays[first : first + _CONCATENATED_PARTS]
        ends = [int(end) for end in itertools.accumulate(part.size for part in parts)]
        stop = start + sum(part.shape[0] for part in parts)
        device.launch_elementwise(
            "elementwise", "concatenate", ends[-1], result.dtype,
            PointerTable((parts, ends), _CONCATENATED_PARTS), result[start:stop], np.int64(ends[-1]),
        )  # fmt: skip
        start = stop
    return result
