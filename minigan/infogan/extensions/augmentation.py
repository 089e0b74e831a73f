"""Augmented copies of images: random affine maps, and random occlusion."""

from __future__ import annotations

import math
from dataclasses import dataclass

from minigan.devices.contract.images import AFFINE_UNIFORMS, AffineRanges, OcclusionSizes
from minigan.devices.contract.random import Key
from minigan.random import uniform
from minigan.tensor import Tensor

# The largest rotation (degrees), change of scale, shear and shift (pixels) that are taken for no slip of the hand.
LARGEST = {"rotation": 180.0, "scale": 0.9, "shear": 10.0, "shift": 1e6}
# Slight changes of a digit, by which `agreement` is measured where an experiment declares none.
SLIGHT = AffineRanges(math.radians(15.0), 0.1, 0.2, 2.0)


def affine_uniforms(images: Tensor, key: Key) -> Tensor:
    """Draw the uniforms of `random_affine`.

    Args:
        images: (batch, height, width, channels).
        key: (seed, stream, step) of the numbers.

    Returns:
        A tensor (batch, 5), in [−1, 1).
    """
    shape = (images.shape[0], AFFINE_UNIFORMS)
    return Tensor(uniform(shape, -1.0, 1.0, key, images.device, images.dtype), images.device)


def random_affine(images: Tensor, ranges: AffineRanges, key: Key) -> Tensor:
    """Return each image under a random rotation, scale, shear and shift.

    Args:
        images: (batch, height, width, channels).
        ranges: the largest of each.
        key: (seed, stream, step) of the random numbers.

    Returns:
        A tensor of the same shape.
    """
    uniforms = affine_uniforms(images, key)
    return Tensor(images.device.random_affine(images.data, uniforms.data, ranges), images.device)


@dataclass(frozen=True)
class Occlusion:
    """How many black or white rectangles cover each image, and how large they are.

    Attributes:
        rectangles: how many.
        sizes: the largest thickness and length, in pixels.
    """

    rectangles: int
    sizes: OcclusionSizes


def random_occlusion(images: Tensor, occlusion: Occlusion, low: float, key: Key) -> Tensor:
    """Return each image under random rectangles of the shade `low` or 1.

    Args:
        images: (batch, height, width, channels).
        occlusion: how many rectangles, and how large.
        low: the value of a black pixel.
        key: (seed, stream, step) of the random numbers.

    Returns:
        A tensor of the same shape.

    Reference: DeVries & Taylor (2017), "Improved regularization of convolutional neural networks
    with cutout".
    """
    if not occlusion.rectangles:
        return images
    device = images.device
    shape = (images.shape[0], occlusion.rectangles, 6)
    uniforms = uniform(shape, -1.0, 1.0, key, device, images.dtype)
    return Tensor(device.random_occlusion(images.data, uniforms, occlusion.sizes, low, 1.0), device)
