"""A small ray caster in NumPy: batches of ellipsoids and boxes, seen by a camera without perspective.

Axes: x to the right, y up, z to the viewer; the picture shows x and y in (−1, 1). All rays run along −z, so a
ray meets first the surface with the largest z. A whole batch is drawn at once, one primitive after
the other. A primitive is a few array operations on (batch, height, width), in single precision and
in the processor's cache.

    canvas = Canvas(light, size, ambient)     how far each ray went, and the brightness that it met
    canvas.ellipsoid(...)                     what is nearer than before takes the ray over
    canvas.pictures(background)               the mean of each pixel's rays

A surface is as bright as its reflectance · (ambient + (1 − ambient)·max(0, n·light)): Lambert's law.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# The reflectance (batch, height, width) of a surface's points, from their three coordinates in units of the axes.
Paint = Callable[[list[Floats]], Floats]

RAYS = 2  # a side of a pixel's grid of rays: silhouettes are smooth in 1 + RAYS² greys
_FAR = np.float32(-1e9)
_FLAT = np.float32(1e-6)  # the least slope of a plane along a ray: none divides by 0


def rotation(azimuth: np.ndarray, elevation: np.ndarray) -> Floats:
    """Object to camera, (batch, 3, 3): about the vertical by `azimuth`, then towards the camera by `elevation`.

    Angles are in radians. A positive azimuth turns a front that looks at the viewer to the right of
    the picture. A positive elevation shows it from above.
    """
    ca, sa, ce, se = np.cos(azimuth), np.sin(azimuth), np.cos(elevation), np.sin(elevation)
    zero = np.zeros_like(ca)
    rows = [[ca, zero, sa], [se * sa, ce, -se * ca], [-ce * sa, se, ce * ca]]
    return np.array(rows, np.float32).transpose(2, 0, 1)


class Canvas:
    """What each ray of a batch of pictures has met so far.

    `light` is (batch, 3), the unit vectors to the light in the camera's frame.
    """

    def __init__(self, light: Floats, size: int, ambient: float) -> None:
        self.light, self.size, self.ambient = light, size, np.float32(ambient)
        side = size * RAYS
        middles = (np.arange(side, dtype=np.float32) + 0.5) * np.float32(2 / side) - 1
        self.x, self.y = middles[None, None, :], -middles[None, :, None]
        self.depth = np.full((len(light), side, side), _FAR, np.float32)
        self.brightness = np.zeros_like(self.depth)

    def ellipsoid(
        self, turn: Floats, centre: Floats, axes: Floats, reflectance: Floats | Paint
    ) -> None:
        """Draw an ellipsoid for each picture: `centre` and half `axes` are (batch, 3), in the object's frame.

        `reflectance` is one number a picture, or a `Paint` of the points met.

        With M = R diag(1/axes²) Rᵀ, a point p from the centre lies on the surface where pᵀMp = 1.
        For a ray at (x, y) this is a quadratic a·z² + 2b·z + c = 0. The normal there is along Mp.
        """
        middle = np.einsum("nij,nj->ni", turn, centre)
        window = self._window(middle, np.sqrt(np.einsum("nij,nj->ni", turn**2, axes**2)))
        middle = middle[..., None, None]  # each entry (batch, 1, 1), as below
        m = np.einsum("nij,nj,nkj->nik", turn, axes**-2, turn)
        to_light = np.einsum("nij,nj->ni", m, self.light)[..., None, None]  # Mp·light = p·M light
        m = m[..., None, None]
        x, y = self.x[..., window[2]] - middle[:, 0], self.y[:, window[1]] - middle[:, 1]
        a, b = m[:, 2, 2], m[:, 0, 2] * x + m[:, 1, 2] * y
        c = m[:, 0, 0] * x * x - 1 + (2 * m[:, 0, 1] * x + m[:, 1, 1] * y) * y
        root = b * b - a * c
        hit = root > 0
        np.sqrt(np.maximum(root, 0, out=root), out=root)
        z = (root - b) / a
        depth = z + middle[:, 2]
        nearer = hit & (depth > self.depth[window])
        normal = [m[:, i, 0] * x + m[:, i, 1] * y + m[:, i, 2] * z for i in range(3)]
        length = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
        towards = (to_light[:, 0] * x + to_light[:, 1] * y + to_light[:, 2] * z) / length
        if callable(reflectance):
            back = (turn / axes[:, None, :])[..., None, None]  # to the object, in units of its axes
            points = [back[:, 0, j] * x + back[:, 1, j] * y + back[:, 2, j] * z for j in range(3)]
            painted = reflectance(points)
        else:
            painted = reflectance[:, None, None]
        np.copyto(self.depth[window], depth, where=nearer)
        np.copyto(self.brightness[window], painted * self._lit(towards), where=nearer)

    def box(self, turn: Floats, low: Floats, high: Floats, reflectance: Floats) -> None:
        """Draw a box for each picture, between the corners `low` and `high` (batch, 3) in the object's frame.

        A box lies between three pairs of planes. A ray enters each pair at one z and leaves it at
        another. It enters the box at the last entry, if that comes before the first exit. A box
        with low > high is not drawn.
        """
        middle = np.einsum("nij,nj->ni", turn, (low + high) / 2)
        window = self._window(middle, np.einsum("nij,nj->ni", np.abs(turn), np.abs(high - low) / 2))
        x, y = self.x[..., window[2]], self.y[:, window[1]]
        entry: Floats | None = None
        for j in range(3):
            # the object's coordinate j of the ray's point at depth z is slope·(z + origin)
            slope = turn[:, 2, j]
            slope = np.where(np.abs(slope) < _FLAT, _FLAT, slope)
            towards_x, towards_y = (turn[:, i, j] / slope for i in (0, 1))
            origin = towards_x[:, None, None] * x + towards_y[:, None, None] * y
            near, far = np.where(slope > 0, (high[:, j], low[:, j]), (low[:, j], high[:, j]))
            first = (near / slope)[:, None, None] - origin
            last = (far / slope)[:, None, None] - origin
            normal = np.sign(slope)[:, None] * turn[:, :, j]
            lit = reflectance * self._lit(np.einsum("ni,ni->n", normal, self.light))
            if entry is None:
                entry, leave, seen = first, last, np.empty_like(first)
                seen[:] = lit[:, None, None]
            else:
                np.copyto(seen, lit[:, None, None], where=first < entry)
                np.minimum(entry, first, out=entry)
                np.maximum(leave, last, out=leave)
        assert entry is not None
        nearer = (entry > leave) & (entry > self.depth[window])
        np.copyto(self.depth[window], entry, where=nearer)
        np.copyto(self.brightness[window], seen, where=nearer)

    def _window(self, middle: Floats, reach: Floats) -> tuple[slice, slice, slice]:
        """Return the part of the pictures that holds everything within `reach` of `middle` (batch, 3) in any of them."""
        low, high = (middle - reach).min(axis=0), (middle + reach).max(axis=0)
        side = self.size * RAYS
        left, right = ((1 + low[0]) * side / 2, (1 + high[0]) * side / 2)
        top, bottom = ((1 - high[1]) * side / 2, (1 - low[1]) * side / 2)
        rows, columns = (
            slice(max(0, int(first)), max(0, int(last) + 1))
            for first, last in ((top, bottom), (left, right))
        )
        return slice(None), rows, columns

    def _lit(self, cosine: Floats) -> Floats:
        return self.ambient + (1 - self.ambient) * np.maximum(cosine, 0)

    def pictures(self, background: float) -> NDArray[np.uint8]:
        """Return the pictures drawn so far, uint8 (batch, size, size, 1); rays that met nothing are the background."""
        grey = np.where(self.depth == _FAR, np.float32(background), self.brightness)
        rays = grey.reshape(len(grey), self.size, RAYS, self.size, RAYS)
        means = rays.mean(axis=(2, 4))
        pixels: NDArray[np.uint8] = np.rint(np.clip(means, 0, 1) * 255).astype(np.uint8)
        return pixels[..., None]


def smooth_step(values: Floats, softness: float) -> Floats:
    """Rise from 0 below −softness to 1 above it, linear between: the edge of a painted shape, without steps."""
    step: Floats = np.clip(values * np.float32(0.5 / softness) + np.float32(0.5), 0, 1)
    return step
