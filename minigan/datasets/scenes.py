"""Rendered heads and chairs with known factors, so that disentanglement can be measured anywhere.

They stand in for the faces and the chairs of the paper's section 7.2, and are drawn by
``rendering.py``. Image i of a seed is a function of the seed and i alone: its factors are uniform
numbers of Philox. A set of more images begins with the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import FactoredImages
from minigan.datasets.cache import Preparation, Source, prepare
from minigan.datasets.chair_shapes import CORNERS, SHAPES
from minigan.datasets.rendering import Canvas, Floats, rotation, smooth_step
from minigan.devices import get_device
from minigan.errors import DatasetError
from minigan.random import checked_seed, uniform

_PIXELS_AT_ONCE = 2**14  # of the pictures of a batch: their arrays stay in the processor's cache


@dataclass(frozen=True)
class Factor:
    """A number that varies between images.

    It is uniform from `low` to `high`, or one of 0 … `values` − 1.

    Attributes:
        name: the factor's name.
        low: the least value.
        high: the upper bound, left out.
        values: the number of values; 0 for a continuous factor.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    values: int = 0

    def of(self, u: np.ndarray) -> np.ndarray:
        """Return the factor for uniform numbers.

        Args:
            u: numbers in [0, 1), (n,).

        Returns:
            The factor's values, (n,).
        """
        return np.floor(u * self.values) if self.values else self.low + (self.high - self.low) * u


# Angles in degrees. Lighting is the light's azimuth, fixed to the camera: from the left to the right.
FACE_FACTORS = (
    Factor("azimuth", -75, 75),
    Factor("elevation", -30, 30),
    Factor("lighting", -80, 80),
    Factor("width", 0.7, 1.3),
)


def _light(azimuth: np.ndarray, height: float) -> Floats:
    """The unit vectors to lights at that azimuth and height above the horizon (degrees), (batch, 3)."""
    side, level = np.radians(azimuth), np.cos(np.radians(height))
    up = np.full(len(side), np.sin(np.radians(height)))
    light = [level * np.sin(side), up, level * np.cos(side)]
    return np.stack(light, axis=1).astype(np.float32)


def _vectors(x: np.ndarray | float, y: np.ndarray | float, z: np.ndarray | float, n: int) -> Floats:
    """(n, 3) from three coordinates, numbers or (n,) each."""
    return np.stack([np.broadcast_to(np.float32(v), n) for v in (x, y, z)], axis=1)


def _oval(x: Floats, y: Floats, width: float, height: float, softness: float = 0.5) -> Floats:
    """1 inside an ellipse about 0 with these half axes, 0 outside, and a soft edge."""
    return smooth_step(1 - (x / width) ** 2 - (y / height) ** 2, softness)


def draw_faces(factors: np.ndarray, identity: np.ndarray, size: int = 32) -> NDArray[np.uint8]:
    """Draw heads.

    Args:
        factors: (batch, 4), in the order of `FACE_FACTORS`.
        identity: (batch, 3), in [0, 1). It varies how light the skin and the hair are, and the
            height of the features, which no factor tells.
        size: the side of a picture in pixels.

    Returns:
        The pictures, uint8 (batch, size, size, 1).
    """
    azimuth, elevation, lighting, width = factors.T
    n = len(factors)
    turn = rotation(np.radians(azimuth), np.radians(elevation))
    skin = (0.72 + 0.2 * identity[:, 0]).astype(np.float32)
    hair = (0.05 + 0.3 * identity[:, 1]).astype(np.float32)
    shift = np.float32(0.08) * (identity[:, 2, None, None] - 0.5).astype(np.float32)

    def face(points: list[Floats]) -> Floats:
        x, y, z = points
        y = y - shift
        front, aside = smooth_step(z - 0.1, 0.1), np.abs(x) - np.float32(0.42)
        colour = np.broadcast_to(skin[:, None, None], x.shape)
        for shape, grey in (
            (_oval(aside, y - 0.08, 0.21, 0.12), 1.0),  # the white of the eyes
            (_oval(aside, y - 0.08, 0.10, 0.12), 0.0),  # the iris
            (_oval(aside, y - 0.33, 0.26, 0.07), 0.1),  # the brows
            (_oval(x, y + 0.55, 0.36, 0.08), 0.15),  # the mouth
        ):
            colour = colour + (np.float32(grey) - colour) * (shape * front)
        return colour

    axes = _vectors(0.56 * width, 0.80, 0.66, n)
    canvas = Canvas(_light(lighting, height=20), size, ambient=0.12)
    canvas.ellipsoid(turn, _vectors(0, -0.80, -0.18, n), _vectors(0.28, 0.5, 0.28, n), 0.85 * skin)
    canvas.ellipsoid(turn, _vectors(0, 0, 0, n), axes, face)
    canvas.ellipsoid(
        turn, _vectors(0, 0.16, -0.18, n), axes * np.array([1.06, 1, 1], np.float32), hair
    )
    canvas.ellipsoid(turn, _vectors(0, -0.12, 0.64, n), _vectors(0.10, 0.17, 0.22, n), skin)
    for side in (-1, 1):
        ear = _vectors(side * 0.57 * width, -0.05, -0.05, n)
        canvas.ellipsoid(turn, ear, _vectors(0.07, 0.18, 0.12, n), skin)
    return canvas.pictures(background=0.45)


# The azimuth goes all the way round; a shape is one of `SHAPES`.
_CHAIR_ELEVATION = 25.0  # degrees, fixed
CHAIR_FACTORS = (
    Factor("azimuth", -180, 180),
    Factor("width", 0.7, 1.3),
    Factor("shape", values=len(SHAPES)),
)


def draw_chairs(factors: np.ndarray, identity: np.ndarray, size: int = 64) -> NDArray[np.uint8]:
    """Draw chairs.

    Args:
        factors: (batch, 3), in the order of `CHAIR_FACTORS`.
        identity: (batch, 3), in [0, 1). It varies how light the wood is, which no factor tells.
        size: the side of a picture in pixels.

    Returns:
        The pictures, uint8 (batch, size, size, 1).
    """
    azimuth, width, shape = factors.T
    n = len(factors)
    turn = rotation(np.radians(azimuth), np.full(n, np.radians(_CHAIR_ELEVATION)))
    corners = CORNERS[shape.astype(int)]
    corners[:, :, [0, 3]] *= width[:, None, None].astype(np.float32)
    wood = (0.6 + 0.4 * identity[:, 0]).astype(np.float32)
    canvas = Canvas(_light(np.full(n, -30.0), height=50), size, ambient=0.2)
    for part in range(CORNERS.shape[1]):
        canvas.box(turn, corners[:, part, :3], corners[:, part, 3:], wood)
    return canvas.pictures(background=1.0)


# -- sets of images ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A kind of object: what varies, how it is drawn, and the side of its pictures.

    Attributes:
        stream_step: the step of the random numbers that give the factors.
        factors: the factors, in order.
        draw: the function that draws pictures from factors and identities.
        size: the side of a picture in pixels.
    """

    stream_step: int
    factors: tuple[Factor, ...]
    draw: Callable[[np.ndarray, np.ndarray, int], NDArray[np.uint8]]
    size: int


SCENES = {
    "faces": Scene(0, FACE_FACTORS, draw_faces, 32),
    "chairs": Scene(1, CHAIR_FACTORS, draw_chairs, 64),
}
SET_SIZE, SET_SEED = 50_000, 0  # the set that experiments train on.
_STREAM = 9  # of random numbers; 0 is the library's, the others below 20 are InfoGAN's.
_IDENTITY = 3  # numbers an image that are no factors.
_VERSION = 1  # of the pictures: another number makes prepared sets anew


def draw_factors(scene: Scene, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the factors and the identities of the first images of a seed.

    Args:
        scene: the kind of object.
        n: the number of images.
        seed: 0 … 2⁶⁴ − 1.

    Returns:
        The factors, (n, factors), and the identities, (n, 3), float64 both.

    Raises:
        TypeError: the seed is no integer.
        ValueError: it is out of range.
    """
    count = len(scene.factors)
    key = (checked_seed(seed), _STREAM, scene.stream_step)
    u = np.asarray(uniform((n, count + _IDENTITY), 0.0, 1.0, key, get_device("cpu"), np.float64))
    factors = [factor.of(u[:, i]) for i, factor in enumerate(scene.factors)]
    return np.stack(factors, axis=1), u[:, count:]


def _draw(
    scene: Scene, factors: np.ndarray, identity: np.ndarray, start: int, stop: int
) -> NDArray[np.uint8]:
    """Images start … stop − 1, in whole batches: so an image's last bit never depends on how many are drawn."""
    batch = _PIXELS_AT_ONCE // scene.size**2
    first = start - start % batch
    batches = []
    for begin in range(first, stop, batch):
        rows = np.minimum(np.arange(begin, begin + batch), len(factors) - 1)
        batches.append(scene.draw(factors[rows], identity[rows], scene.size))
    return np.concatenate(batches)[start - first : stop - first]


def _rendered(scene: Scene, n: int, seed: int) -> FactoredImages:
    if n < 1:
        raise ValueError(f"scenes: there must be at least one image, not {n}")
    factors, identity = draw_factors(scene, n, seed)
    names = tuple(factor.name for factor in scene.factors)
    return FactoredImages(_draw(scene, factors, identity, 0, n), factors, names)


def faces(n: int, seed: int = 0) -> FactoredImages:
    """Return the first heads of a seed.

    Args:
        n: the number of images, at least 1.
        seed: 0 … 2⁶⁴ − 1.

    Returns:
        The images, uint8 (n, 32, 32, 1), and the azimuth, elevation, lighting (degrees) and width
        of each, (n, 4).

    Raises:
        TypeError: the seed is no integer.
        ValueError: it is out of range, or there is no image.
    """
    return _rendered(SCENES["faces"], n, seed)


def chairs(n: int, seed: int = 0) -> FactoredImages:
    """Return the first chairs of a seed.

    Args:
        n: the number of images, at least 1.
        seed: 0 … 2⁶⁴ − 1.

    Returns:
        The images, uint8 (n, 64, 64, 1), and the azimuth (degrees), width and shape (0 … 5) of
        each, (n, 3).

    Raises:
        TypeError: the seed is no integer.
        ValueError: it is out of range, or there is no image.
    """
    return _rendered(SCENES["chairs"], n, seed)


def load(
    name: str, preparation: Preparation, n: int = SET_SIZE, seed: int = SET_SEED
) -> FactoredImages:
    """Return a set of images, drawn once and kept by `cache.prepare`.

    Args:
        name: "faces" or "chairs".
        preparation: where the images are kept, and who hears of it.
        n: the number of images.
        seed: 0 … 2⁶⁴ − 1.

    Returns:
        The images, uint8 (n, size, size, 1), and the factors, (n, factors).

    Raises:
        DatasetError: there are no scenes of that name, or the set cannot be kept.
    """
    if name not in SCENES:
        raise DatasetError(f"there are scenes of {' and of '.join(SCENES)}, and none of {name}")
    scene = SCENES[name]
    factors, identity = draw_factors(scene, n, seed)
    source = Source(
        f"scenes-{name}",
        (scene.size, scene.size, 1),
        n,
        [f"scenes {name}, version {_VERSION}, seed {seed}, {n} images"],
        lambda start, stop: _draw(scene, factors, identity, start, stop),
    )
    prepared = prepare(source, preparation)
    return FactoredImages(prepared.images, factors, tuple(f.name for f in scene.factors))
