"""Random occlusion, pixel by pixel, on every device."""

from typing import Any

import numpy as np
import pytest
from device_list import DEVICES

import minigan as mg
from minigan.devices.contract.images import OcclusionSizes

Array = np.ndarray[Any, Any]
SIZES = OcclusionSizes(thickness=4.0, length=11.0)
LOW, HIGH = -1.0, 1.0


def covered(image: Array, uniforms: Array) -> Array:
    """One image (height, width, channels), rectangle after rectangle."""
    result = image.copy()
    centre = (np.array(image.shape[:2]) - 1) / 2
    for *place, upright, thickness, length, shade in uniforms:
        sides = [SIZES.thickness * (3 + thickness) / 4, SIZES.length * (3 + length) / 4]
        half = np.array(sides[::-1] if upright >= 0 else sides) / 2
        middle = centre + place * np.maximum(centre - 1 - half, 0)
        rows, columns = (
            np.abs(np.arange(n) - m) <= h
            for n, m, h in zip(image.shape[:2], middle, half, strict=True)
        )
        result[np.outer(rows, columns)] = LOW if shade < 0 else HIGH
    return result


def call(device: str, images: Array, uniforms: Array) -> Array:
    place = mg.get_device(device)
    arrays = place.asarray(images), place.asarray(uniforms)
    found: Array = place.to_numpy(place.random_occlusion(*arrays, SIZES, LOW, HIGH))
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(5, 9, 14, 3), (4, 28, 28, 1), (3, 1, 6, 2), (2, 30, 1, 1), (0, 4, 4, 1)]
)
@pytest.mark.parametrize("rectangles", [0, 1, 3])
@pytest.mark.parametrize("device", DEVICES)
def test_strips(device: str, rectangles: int, shape: tuple[int, ...], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=shape).astype(dtype)
    # Multiples of an eighth, and exact in float32: whether a pixel is within a rectangle is no question of rounding.
    uniforms = (rng.integers(-8, 8, (shape[0], rectangles, 6)) / 8).astype(dtype)
    found = call(device, images, uniforms)
    assert found.dtype == dtype
    expected = [covered(i, u) for i, u in zip(images, uniforms, strict=True)]
    np.testing.assert_array_equal(found, np.reshape(expected, shape))


@pytest.mark.parametrize("device", DEVICES)
def test_strips_stay_off_the_edge(device: str) -> None:
    """Where a warp repeats the edge, a rectangle on it would grow."""
    uniforms = np.random.default_rng(0).uniform(-1, 1, (200, 2, 6)).astype(np.float32)
    found = call(device, np.zeros((200, 28, 28, 1), np.float32), uniforms)[..., 0]
    assert found.any(axis=(1, 2)).all()
    assert not found[:, [0, -1]].any() and not found[:, :, [0, -1]].any()
    assert {LOW, HIGH} <= set(np.unique(found).tolist())
