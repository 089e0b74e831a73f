"""Scenes are their seed's, and each factor is seen in the picture as it should be."""

from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from minigan.datasets import scenes
from minigan.datasets.cache import Preparation
from minigan.datasets.rendering import Canvas, rotation

FRONT = np.full((9, 3), 0.5)


def varied(
    draw: scenes.Scene, base: tuple[float, ...], which: int
) -> tuple[np.ndarray, np.ndarray]:
    """Nine pictures with one factor from its least to its largest, and those values."""
    factor = draw.factors[which]
    values = np.linspace(factor.low, factor.high, 9)
    factors = np.tile(np.array(base, np.float64), (9, 1))
    factors[:, which] = values
    return draw.draw(factors, FRONT, draw.size)[..., 0].astype(float), values


@pytest.mark.parametrize("make", [scenes.faces, scenes.chairs])
def test_an_image_is_a_function_of_seed_and_index(make: object) -> None:
    some, more, other = make(5, 3), make(21, 3), make(5, 4)  # type: ignore[operator]
    np.testing.assert_array_equal(some.images, more.images[:5])
    np.testing.assert_array_equal(some.factors, more.factors[:5])
    assert not np.array_equal(some.images, other.images)
    assert some.images.shape[0] == len(some.factors) == 5
    assert some.factors.shape[1] == len(some.names)


def test_factors_are_uniform() -> None:
    for scene in scenes.SCENES.values():
        values, _ = scenes.draw_factors(scene, 5000, 0)
        for column, factor in zip(values.T, scene.factors, strict=True):
            if factor.values:
                assert np.bincount(column.astype(int)).min() > 0.8 * 5000 / factor.values
                assert len(np.unique(column)) == factor.values
            else:
                scaled = (column - factor.low) / (factor.high - factor.low)
                assert scipy.stats.kstest(scaled, "uniform").pvalue > 1e-4


def test_the_kept_set_is_the_one_that_is_drawn(tmp_path: Path) -> None:
    kept = scenes.load("faces", Preparation(tmp_path), n=20, seed=2)
    drawn = scenes.faces(20, 2)
    np.testing.assert_array_equal(kept.images, drawn.images)
    np.testing.assert_array_equal(kept.factors, drawn.factors)


def test_light_from_the_left_brightens_the_left() -> None:
    pictures, _ = varied(scenes.SCENES["faces"], (0, 0, 0, 1), 2)
    left, right = (
        pictures[:, 8:24, half].sum(axis=(1, 2)) for half in (slice(10, 16), slice(16, 22))
    )
    assert (np.diff(right / left) > 0).all()
    assert right[0] < 0.6 * left[0]
    assert right[4] == pytest.approx(left[4])
    assert right[8] == pytest.approx(left[0])


@pytest.mark.parametrize(
    ("name", "base", "which"), [("faces", (0, 0, 0, 1), 3), ("chairs", (0, 1, 0), 1)]
)
def test_width_widens(name: str, base: tuple[float, ...], which: int) -> None:
    pictures, values = varied(scenes.SCENES[name], base, which)
    shown = (np.abs(pictures - pictures[:, :1, :1]) > 5).sum(axis=2).max(axis=1)  # the longest row
    assert scipy.stats.spearmanr(shown, values).statistic > 0.97
    assert shown[-1] > 1.4 * shown[0]


def test_a_face_goes_to_where_it_looks() -> None:
    """The skin, brighter than hair and background, is on the side that it looks to."""
    pictures, _ = varied(scenes.SCENES["faces"], (0, 0, 0, 1), 0)
    columns = np.arange(32)
    skin = pictures[[0, 4, 8], :26] > 140  # above the neck
    places = [(shown * columns).sum() / shown.sum() for shown in skin]
    assert (np.diff(places) > 0.5).all()


def test_more_hair_is_seen_from_above() -> None:
    pictures, _ = varied(scenes.SCENES["faces"], (0, 0, 0, 1), 1)
    hair = (pictures[:, :16] < 90).sum(axis=(1, 2))
    assert (np.diff(hair) > 0).all()


def test_a_chair_turns_all_the_way_round() -> None:
    factors = np.array([[a, 1, 1] for a in (-180, -90, 0, 90, 180)], np.float64)
    identity = np.full((5, 3), 0.5)
    back, right, front, left, again = scenes.draw_chairs(factors, identity)[..., 0].astype(float)
    assert np.abs(back - again).mean() < 1
    assert np.abs(back - front).mean() > 5
    # seen from the sides, one is the other's mirror image but for the light
    assert ((left < 250) == (right[:, ::-1] < 250)).mean() > 0.98


def test_every_shape_is_another() -> None:
    count = scenes.CHAIR_FACTORS[2].values
    factors = np.array([[35, 1, s] for s in range(count)], np.float64)
    drawn = scenes.draw_chairs(factors, np.full((count, 3), 0.5)).astype(float)
    for i in range(count):
        for j in range(i):
            assert np.abs(drawn[i] - drawn[j]).mean() > 5


def test_a_sphere_has_the_area_and_the_shading_of_one() -> None:
    light = np.array([[0, 0, 1]], np.float32)
    canvas = Canvas(light, 64, ambient=0)
    turn = rotation(np.array([0.7]), np.array([-0.3]))
    canvas.ellipsoid(
        turn, np.zeros((1, 3), np.float32), np.full((1, 3), 0.5, np.float32), np.ones(1, np.float32)
    )
    image = canvas.pictures(0)[0, ..., 0] / 255
    middles = (np.arange(64) + 0.5) / 32 - 1
    radius2 = (middles**2 + middles[:, None] ** 2) / 0.25
    expected = np.sqrt(np.maximum(1 - radius2, 0))
    inside = radius2 < 0.8
    assert np.abs(image - expected)[inside].max() < 0.02
    assert (image > 0).sum() == pytest.approx(np.pi * 16**2, rel=0.06)


def test_a_box_has_the_outline_and_the_faces_of_one() -> None:
    """Turned by 45°, a cube of side 1 is √2 wide and shows two faces, equally lit from the front."""
    light = np.array([[0, 0, 1]], np.float32)
    canvas = Canvas(light, 64, ambient=0)
    turn = rotation(np.array([np.pi / 4]), np.array([0.0]))
    half = np.full((1, 3), 0.5, np.float32)
    canvas.box(turn, -half, half, np.ones(1, np.float32))
    image = canvas.pictures(0)[0, ..., 0]
    lit = image > 0
    assert lit.any(axis=0).sum() == pytest.approx(np.sqrt(2) * 32, abs=2)
    assert lit.any(axis=1).sum() == 32
    assert np.unique(image[lit.nonzero()]).max() == round(255 * np.sqrt(0.5))
