"""The values of an array in little: a histogram, and a picture where it holds images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
BINS = 24
_MOST_ELEMENTS = 65_536  # of which statistics are taken
_TILES, _LARGEST_SIDE = 8, 32


@dataclass
class Values:
    """Statistics of the finite elements, and a uint8 picture (height, width) or (height, width, 3).

    `counts` are those of `BINS` equal bins from `least` to `largest`; `bad` counts what is not finite. All are of
    `elements` elements, spread over the array if it has more.
    """

    elements: int
    bad: int
    least: float
    largest: float
    mean: float
    deviation: float
    counts: list[int]
    picture: np.ndarray[Any, Any] | None


def summarize(array: Array, may_be_images: bool = True) -> Values | None:
    """Return the values of an array in little; None for one without numbers.

    An array (images, height, width, channels) gets a picture, unless it cannot be images, as filters cannot.
    """
    host = np.asarray(array.get() if hasattr(array, "get") else array)
    if host.size == 0 or host.dtype.kind not in "fiub":
        return None
    flat = host.reshape(-1)
    sample = flat[:: -(-flat.size // _MOST_ELEMENTS)].astype(np.float64)
    finite = sample[np.isfinite(sample)]
    bad = sample.size - finite.size
    if not finite.size:
        return Values(sample.size, bad, math.nan, math.nan, math.nan, math.nan, [], None)
    least, largest = float(finite.min()), float(finite.max())
    counts = np.histogram(finite, BINS)[0].tolist() if least < largest else [finite.size]
    return Values(
        sample.size, bad, least, largest, float(finite.mean()), float(finite.std()), counts,
        _picture(host) if may_be_images else None,
    )  # fmt: skip


def _picture(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """Return the first images side by side, or the first channels of the first image."""
    if array.ndim != 4 or min(array.shape[1:3]) < 4 or array.shape[3] == 0:
        return None
    if array.shape[3] in (1, 3):
        tiles = list(array[:_TILES])
    else:
        tiles = [
            array[0, :, :, [channel]].transpose(1, 2, 0)
            for channel in range(min(_TILES, array.shape[3]))
        ]
    height, width = array.shape[1:3]
    step = max(1, math.ceil(max(height, width) / _LARGEST_SIDE))
    tiles = [tile[::step, ::step].astype(np.float64) for tile in tiles]
    edge = np.full((tiles[0].shape[0], 1, tiles[0].shape[2]), np.nan)
    strip = np.concatenate([part for tile in tiles for part in (tile, edge)][:-1], axis=1)
    return _as_bytes(strip)


def _as_bytes(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    finite = image[np.isfinite(image)]
    least, largest = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    scaled = (image - least) / (largest - least or 1.0)
    pixels: np.ndarray[Any, Any] = np.nan_to_num(255 * scaled, nan=128.0).astype(np.uint8)
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
