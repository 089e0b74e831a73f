"""Images under affine maps against SciPy's interpolation, on every device."""

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from device_list import DEVICES

import minigan as mg
from minigan.devices.contract.images import AffineRanges

Array = np.ndarray[Any, Any]
RANGES = AffineRanges(rotation=0.6, scale=0.3, shear=0.4, shift=2.5)


def warped(image: Array, u: Array, ranges: AffineRanges) -> Array:
    """One image (height, width, channels), channel by channel, in float64."""
    a, s = ranges.rotation * u[0], 1 + ranges.scale * u[1]
    turn = s * np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])  # on (y, x)
    matrix = turn @ np.array([[1, 0], [ranges.shear * u[2], 1]])
    middle = (np.array(image.shape[:2]) - 1) / 2
    offset = middle - matrix @ middle + ranges.shift * u[3:]
    return np.stack(
        [
            scipy.ndimage.affine_transform(channel, matrix, offset, order=1, mode="nearest")
            for channel in np.moveaxis(image, -1, 0)
        ],
        axis=-1,
    )


def call(device: str, images: Array, uniforms: Array, ranges: AffineRanges) -> Array:
    place = mg.get_device(device)
    found: Array = place.to_numpy(
        place.random_affine(place.asarray(images), place.asarray(uniforms), ranges)
    )
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shape", [(5, 9, 8, 3), (4, 28, 28, 1), (3, 1, 6, 2), (2, 5, 1, 1), (0, 4, 4, 1)]
)
@pytest.mark.parametrize("device", DEVICES)
def test_warped_images(device: str, shape: tuple[int, ...], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=shape).astype(dtype)
    uniforms = rng.uniform(-1, 1, (shape[0], 5)).astype(dtype)
    found = call(device, images, uniforms, RANGES)
    assert found.dtype == dtype
    assert found.shape == shape
    expected = [warped(i, u, RANGES) for i, u in zip(images.astype(float), uniforms, strict=True)]
    # A place is rounded by some u·(height + width + shift), and neighbouring pixels are up to some 6 apart.
    bound = 6 * 8 * np.finfo(dtype).eps * (sum(shape[1:3]) + 3)
    np.testing.assert_allclose(found, np.reshape(expected, shape), rtol=0, atol=bound)


@pytest.mark.parametrize("device", DEVICES)
def test_a_map_that_changes_nothing(device: str) -> None:
    images = np.random.default_rng(0).normal(size=(3, 7, 6, 2)).astype(np.float32)
    np.testing.assert_array_equal(
        call(device, images, np.zeros((3, 5), np.float32), RANGES), images
    )


@pytest.mark.parametrize("device", DEVICES)
def test_a_shift_moves_whole_pixels(device: str) -> None:
    """What stood one row down and two columns to the right is read; beyond the edge, the edge."""
    image = np.arange(20, dtype=np.float64).reshape(1, 4, 5, 1)
    uniforms = np.array([[0, 0, 0, 0.5, 1]])
    found = call(device, image, uniforms, AffineRanges(0, 0, 0, shift=2))[0, ..., 0]
    rows, columns = [1, 2, 3, 3], [2, 3, 4, 4, 4]
    np.testing.assert_array_equal(found, image[0, ..., 0][np.ix_(rows, columns)])
