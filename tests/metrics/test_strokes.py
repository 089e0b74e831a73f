"""Slant and stroke width of strokes drawn with known ones."""

import math
import warnings

import numpy as np
import pytest
import scipy.stats

from minigan.metrics.strokes import measure_strokes, spearman_correlation

SIDE, FINE = 41, 8  # pixels, and points in a pixel along each side: coverage makes edges smooth


def stroke(
    width: float, length: float, slant: float = 0.0, angle: float = 0.0, middle: float = 20.3
) -> np.ndarray:
    """A bar, upright before it is sheared by `slant` and turned by `angle`."""
    points = (np.arange(SIDE * FINE) + 0.5) / FINE - 0.5 - middle
    y, x = points[:, None], points[None, :]
    x, y = math.cos(angle) * x + math.sin(angle) * y, math.cos(angle) * y - math.sin(angle) * x
    inside = (np.abs(x + slant * y) < width / 2) & (np.abs(y) < length / 2)
    return inside.reshape(SIDE, FINE, SIDE, FINE).mean(axis=(1, 3))


@pytest.mark.parametrize("slant", [-0.9, -0.3, 0.0, 0.25, 1.0])
def test_the_slant_of_a_sheared_bar(slant: float) -> None:
    """To the right is positive, and how dark the ink is does not matter."""
    image = stroke(3.0, 20.0, slant)
    measured = measure_strokes(np.stack([image, 0.3 * image, image[:, ::-1]]))[:, 0]
    assert measured == pytest.approx([slant, slant, -slant], abs=0.01)


@pytest.mark.parametrize("width", [2.0, 3.25, 5.0])
@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4, math.pi / 2])
def test_the_width_of_a_bar_at_any_angle(width: float, angle: float) -> None:
    length = 26.0
    measured = measure_strokes(stroke(width, length, angle=angle)[None])[0, 1]
    assert measured == pytest.approx(width * length / (width + length), rel=0.06)


@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi / 4])
def test_a_thin_stroke_reads_a_little_too_wide(angle: float) -> None:
    measured = measure_strokes(stroke(1.5, 26.0, angle=angle)[None])[0, 1]
    assert 0 <= measured - 1.5 * 26 / 27.5 < 0.2


def test_the_width_of_a_ring() -> None:
    """A closed stroke has no ends: 2·A/P is the width itself."""
    points = (np.arange(SIDE * FINE) + 0.5) / FINE - 0.5 - 19.7
    radius = np.hypot(points[:, None], points[None, :])
    for width in (2.0, 3.0, 6.0):
        ring = (np.abs(radius - 11) < width / 2).reshape(SIDE, FINE, SIDE, FINE).mean(axis=(1, 3))
        assert measure_strokes(ring[None])[0, 1] == pytest.approx(width, rel=0.04)


def test_ink_at_the_border_has_an_edge_there() -> None:
    image = np.zeros((20, 9))
    image[:, :3] = 1  # 3 × 20
    width = measure_strokes(image[None])[0, 1]
    assert width == pytest.approx(60 / 23, rel=0.03)


def test_moving_a_stroke_changes_nothing() -> None:
    here, there = (measure_strokes(stroke(3, 18, 0.4, middle=m)[None])[0] for m in (17, 22))
    assert here == pytest.approx(there, rel=1e-9)


def test_images_without_strokes() -> None:
    empty, line = np.zeros((7, 5)), np.zeros((7, 5))
    line[3, 1:4] = 1  # on one row: it rises nowhere
    full = np.ones((7, 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measured = measure_strokes(np.stack([empty, line, full]))
        assert measure_strokes(np.zeros((0, 7, 5))).shape == (0, 2)
    assert measured[0].tolist() == [0, 0]
    assert measured[1:, 0] == pytest.approx([0, 0], abs=1e-12)
    assert (measured[1:, 1] > 0).all()


def test_each_image_by_itself_in_any_dtype() -> None:
    images = np.random.default_rng(0).uniform(size=(5, 9, 6)).astype(np.float32)
    together = measure_strokes(images)
    assert together.dtype == np.float64
    for image, measured in zip(images, together, strict=True):
        assert measure_strokes(image[None])[0] == pytest.approx(measured, rel=1e-12)


def test_spearmans_correlation() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 37))
    ranks = [scipy.stats.rankdata(v) for v in (x, x + y)]
    assert spearman_correlation(x, x + y) == pytest.approx(np.corrcoef(*ranks)[0, 1])
    assert spearman_correlation(x, np.exp(x)) == pytest.approx(1)
    assert spearman_correlation(x, -(x**3)) == pytest.approx(-1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spearman_correlation(x, np.ones(37)) == 0
