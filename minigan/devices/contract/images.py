"""Images and rows of a batch: the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minigan.devices.contract.kernel import Array, kernel

# Of `random_affine`, per image: rotation, scale, shear, and the shift along x and y.
AFFINE_UNIFORMS = 5


@dataclass(frozen=True)
class AffineRanges:
    """How far `random_affine` may go: rotation in radians, relative scale, shear, and shift in pixels; each ± its value."""

    rotation: float
    scale: float
    shear: float
    shift: float


@dataclass(frozen=True)
class OcclusionSizes:
    """How thick and how long the rectangles of `random_occlusion` are at most, in pixels."""

    thickness: float
    length: float


class Images:
    """Images and rows of a batch."""

    @kernel
    def gather_images(
        self, images: Array, indices: Array, low: float, high: float, dtype: Any
    ) -> Array:
        """Return the uint8 images at those indices, as low + (high − low)·pixel/255."""

    @kernel
    def random_occlusion(
        self, images: Array, uniforms: Array, sizes: OcclusionSizes, low: float, high: float
    ) -> Array:
        """Rectangles over each image (height, width, channels), in the shades `low` or `high`; a later one covers an earlier.

        `uniforms` is (n, rectangles, 6), in [−1, 1): u is a row of it. A rectangle's centre is the
        image's plus (u₀, u₁) times the farthest shift, which ends a pixel from the edge. It stands
        where u₂ ≥ 0. Its thickness is ¾ + ¼u₃ of the most, its length ¾ + ¼u₄. It is `low` where u₅
        < 0.
        """

    @kernel
    def random_affine(self, images: Array, uniforms: Array, ranges: AffineRanges) -> Array:
        """Map each image (height, width, channels) by its affine map, sampled bilinearly.

        `uniforms` is (n, 5), in [−1, 1): u is a row of it. The pixel at p, seen from the image's
        centre, is read at (1 + scale·u₁)·R(rotation·u₀)·(p + shear·u₂·(p_y along x)) + shift·(u₃,
        u₄). Outside the image its edge goes on.
        """

    @kernel
    def pad_rows(self, x: Array, before: int, after: int) -> Array:
        """x with so many rows of zeros before and after it: the gradient of a slice of rows."""

    @kernel
    def concatenate_rows(self, arrays: Sequence[Array]) -> Array:
        """Return the arrays one after another along axis 0."""
