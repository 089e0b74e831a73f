"""A traversal varies one code and nothing else, in order; a grid's PNG holds its images pixel by pixel."""

import itertools
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence

from minigan.errors import RunError
from minigan.experiments.declarations import MNIST
from minigan.experiments.figures import (
    assemble,
    column_labels,
    interpolation,
    save_animation,
    save_grid,
    traversal,
)
from minigan.infogan.codes import CategoricalCode, UniformCode
from minigan.infogan.networks import Networks
from minigan.infogan.settings import Settings
from minigan.nn import Module
from minigan.tensor import Tensor

NOISE = 4
SETTINGS = replace(MNIST, noise=NOISE, codes="Cat(3) + Uniform + Cat(2) + Uniform")
COLUMNS = ["z"] * NOISE + ["c1"] * 3 + ["c2"] + ["c3"] * 2 + ["c4"]


class Echo(Module):
    """A generator that returns its latents as images, one row of pixels each."""

    def forward(self, latents: Tensor) -> Tensor:
        assert not self.training
        assert not latents.requires_grad
        return latents.reshape(latents.shape[0], 1, latents.shape[1], 1)


class Echoes:
    """Networks that are nothing but that generator."""

    def __init__(self) -> None:
        self.generator = Echo()

    def named(self) -> list[tuple[str, Module]]:
        return [("generator", self.generator)]

    def train(self, mode: bool = True) -> None:
        self.generator.train(mode)


def echo(settings: Settings, code: int, **choices: Any) -> np.ndarray:
    """The latents of a traversal: (rows, columns, latent columns)."""
    networks: Any = Echoes()
    images = traversal(networks, settings, code, **choices)
    assert images.shape[2:] == (1, len(COLUMNS), 1)
    return images[:, :, 0, :, 0]


def of(latents: np.ndarray, name: str) -> np.ndarray:
    return latents[:, :, [column == name for column in COLUMNS]]


@pytest.mark.parametrize("code", range(4))
def test_everything_else_is_the_same_in_a_row(code: int) -> None:
    latents = echo(SETTINGS, code, rows=5)
    for name in {"z", "c1", "c2", "c3", "c4"} - {f"c{code + 1}"}:
        others = of(latents, name)
        np.testing.assert_array_equal(others, np.broadcast_to(others[:, :1], others.shape))
    # and not in a column: each row is another random sample
    z = of(latents, "z")[:, 0]
    assert len(np.unique(z, axis=0)) == 5
    assert np.abs(z).max() < 1


def test_a_category_in_each_column() -> None:
    for code, size in ((0, 3), (2, 2)):
        one_hot = of(echo(SETTINGS, code, rows=4, columns=7), f"c{code + 1}")
        np.testing.assert_array_equal(one_hot, np.broadcast_to(np.eye(size), (4, size, size)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_continuous_code_from_left_to_right(dtype: str) -> None:
    values = of(echo(replace(SETTINGS, dtype=dtype), 1, rows=3, columns=9, limit=1.5), "c2")
    assert values.dtype == dtype
    expected = np.array([-1.5, -1.125, -0.75, -0.375, 0, 0.375, 0.75, 1.125, 1.5])
    np.testing.assert_array_equal(values, np.broadcast_to(expected[:, None], (3, 9, 1)))


def test_the_papers_limit_and_ten_columns_unless_told() -> None:
    values = of(echo(SETTINGS, 3, rows=1), "c4").ravel()
    np.testing.assert_allclose(values, np.linspace(-2, 2, 10), rtol=1e-6)


def test_the_step_and_the_seed_choose_the_samples_and_nothing_else_does() -> None:
    first = echo(SETTINGS, 0, rows=3)
    np.testing.assert_array_equal(echo(SETTINGS, 0, rows=3), first)
    for other in (
        echo(SETTINGS, 0, rows=3, step=1),
        echo(replace(SETTINGS, seed=1), 0, rows=3),
    ):
        assert not np.isin(of(other, "z"), of(first, "z")).any()
    # the same samples, whichever code varies
    np.testing.assert_array_equal(of(echo(SETTINGS, 1, rows=3), "z")[:, :3], of(first, "z"))


@pytest.mark.parametrize("training", [True, False])
def test_the_networks_are_left_as_they_were(training: bool) -> None:
    settings = replace(
        MNIST, trunk="conv 2 | fc 4 bn", generator="fc 14x14x2 bn | up 1 sigmoid", noise=3
    )
    networks = Networks(settings)
    networks.train(training)
    before = {name: value.numpy().copy() for name, value in networks.named_tensors()}
    images = traversal(networks, settings, code=0, rows=2)
    assert images.shape == (2, 10, 28, 28, 1)
    for _, network in networks.named():
        assert {module.training for _, module in network.named_modules()} == {training}
    for name, value in networks.named_tensors():
        np.testing.assert_array_equal(value.numpy(), before[name])
    # the mode that they were in makes no difference to the pictures
    networks.train(not training)
    np.testing.assert_array_equal(traversal(networks, settings, code=0, rows=2), images)


def test_interpolation_goes_straight_from_one_latent_to_another() -> None:
    networks: Any = Echoes()
    images = interpolation(networks, SETTINGS, rows=3, columns=5)
    latents = images[:, :, 0, :, 0]
    assert latents.shape == (3, 5, len(COLUMNS))
    for column, t in enumerate((0, 0.25, 0.5, 0.75, 1)):
        expected = (1 - t) * latents[:, 0] + t * latents[:, 4]
        np.testing.assert_allclose(latents[:, column], expected, atol=1e-6)
    ends = latents[:, [0, 4]].reshape(6, -1)  # six random latents
    assert len(np.unique(ends[:, 0])) == 6
    for name, size in (("c1", 3), ("c3", 2)):
        one_hot = ends[:, [column == name for column in COLUMNS]]
        assert np.isin(one_hot, (0, 1)).all()
        assert one_hot.shape[1] == size
        assert (one_hot.sum(axis=1) == 1).all()
    again = interpolation(networks, SETTINGS, rows=3, columns=5, step=1)
    assert not np.isin(again[:, 0, 0, :4], latents[:, 0, :4]).any()
    assert networks.generator.training  # as it was


# -- animations -----------------------------------------------------------------------------------


def test_an_animation_shows_each_picture_above_its_caption(tmp_path: Path) -> None:
    pictures = []
    for i, shade in enumerate((40, 120, 200)):
        pictures.append(tmp_path / f"{i}.png")
        Image.new("L", (90, 61), shade).save(pictures[-1])
    path = tmp_path / "training.gif"
    save_animation(pictures, ["step 1", "step 20", "step 300"], path)
    captions = []
    with Image.open(path) as animation:
        assert (animation.format, animation.n_frames, animation.info["loop"]) == ("GIF", 3, 0)
        durations = []
        for frame, shade in zip(ImageSequence.Iterator(animation), (40, 120, 200), strict=True):
            pixels = np.asarray(frame.convert("L"))
            assert (pixels[:61] == shade).all()
            captions.append(pixels[61:])
            durations.append(frame.info["duration"])
    assert durations[0] == durations[1] < durations[2]
    for caption, other in itertools.pairwise(captions):
        assert caption.max() == 255
        assert (caption != other).any()
    before = path.read_bytes()
    save_animation(pictures, ["step 1", "step 20", "step 300"], path)
    assert path.read_bytes() == before


def test_an_animation_in_colour(tmp_path: Path) -> None:
    pictures = [tmp_path / "0.png", tmp_path / "1.png"]
    for picture, colour in zip(pictures, ((200, 30, 0), (0, 40, 220)), strict=True):
        Image.new("RGB", (90, 40), colour).save(picture)
    save_animation(pictures, ["a", "b"], tmp_path / "two.gif")
    with Image.open(tmp_path / "two.gif") as animation:
        animation.seek(1)
        assert animation.convert("RGB").getpixel((5, 5)) == pytest.approx((0, 40, 220), abs=8)


def test_pictures_that_make_no_animation(tmp_path: Path) -> None:
    good, small, bad = (tmp_path / name for name in ("good.png", "small.png", "bad.png"))
    Image.new("L", (90, 40)).save(good)
    Image.new("L", (90, 39)).save(small)
    for content in (b"none", good.read_bytes()[:50], b""):
        bad.write_bytes(content)
        with pytest.raises(RunError, match=r"bad\.png is damaged"):
            save_animation([good, bad], ["a", "b"], tmp_path / "out.gif")
    with pytest.raises(RunError, match=r"small\.png is not of the size of .*good\.png"):
        save_animation([good, small], ["a", "b"], tmp_path / "out.gif")
    assert not (tmp_path / "out.gif").exists()


# -- grids ----------------------------------------------------------------------------------------


def test_a_grid_pixel_by_pixel(tmp_path: Path) -> None:
    images = np.array([[0, 0.2, 0.4], [0.6, 0.8, 1]]).reshape(2, 3, 1, 1, 1) * np.ones((1, 2, 1))
    save_grid(images, tmp_path / "grid.png", low=0.0, scale=1)
    with Image.open(tmp_path / "grid.png") as picture:
        assert (picture.format, picture.mode) == ("PNG", "L")
        np.testing.assert_array_equal(
            np.asarray(picture),
            [
                [0, 0, 0, 51, 51, 0, 102, 102],
                [0, 0, 0, 0, 0, 0, 0, 0],
                [153, 153, 0, 204, 204, 0, 255, 255],
            ],
        )


def test_labels_stand_below_their_columns(tmp_path: Path) -> None:
    """Each in the middle of its column; where not all fit, every second or third one."""
    for columns, side, expected in ((4, 20, {0, 1, 2, 3}), (6, 4, {0, 3})):
        images = np.ones((1, columns, side, side, 1))
        path = tmp_path / f"{columns}.png"
        save_grid(images, path, low=0.0, labels=[str(i) * 3 for i in range(columns)])
        with Image.open(path) as picture:
            assert picture.size == (2 * (columns * (side + 1) - 1), 2 * side + 18)
            below = np.asarray(picture)[2 * side :]
        pitch = 2 * (side + 1)
        inked = np.flatnonzero(below.any(axis=0))
        runs = np.split(inked, np.flatnonzero(np.diff(inked) > 5) + 1)
        middles = [(run[0] + run[-1]) / 2 for run in runs]
        assert middles == pytest.approx([(i + 0.5) * pitch for i in sorted(expected)], abs=6)


def test_labels_are_the_values_of_a_traversals_columns() -> None:
    assert column_labels(CategoricalCode(3), 10, 2.0) == ["0", "1", "2"]
    assert column_labels(UniformCode(), 5, 1.5) == ["-1.5", "-0.75", "0", "0.75", "1.5"]


@pytest.mark.parametrize(("name", "kind"), [("x.jpg", "JPEG"), ("new/folder/x.PNG", "PNG")])
def test_a_grid_is_what_its_name_says(tmp_path: Path, name: str, kind: str) -> None:
    save_grid(np.full((2, 2, 3, 3, 1), 0.5), tmp_path / name, low=0.0)
    with Image.open(tmp_path / name) as picture:
        assert (picture.format, picture.size) == (kind, (14, 14))


def test_a_name_without_a_picture_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"ends in \.png"):
        save_grid(np.zeros((1, 1, 2, 2, 1)), tmp_path / "folder/x.txt", low=0.0)
    assert not list(tmp_path.iterdir())


def test_a_gap_of_another_shade() -> None:
    picture = assemble(np.zeros((2, 1, 2, 3, 1)), low=0.0, gap=255)
    assert picture[..., 0].tolist() == [[0] * 3, [0] * 3, [255] * 3, [0] * 3, [0] * 3]


def test_rows_and_columns_of_an_image_stay_where_they_are(tmp_path: Path) -> None:
    image = np.array([[0, 51, 102], [153, 204, 255]])
    save_grid(image.reshape(1, 1, 2, 3, 1) / 255, tmp_path / "grid.png", low=0.0)
    with Image.open(tmp_path / "grid.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), image.repeat(2, 0).repeat(2, 1))


def test_colours_from_minus_one(tmp_path: Path) -> None:
    colours = np.array([[[-1, 0, 1], [1, -1, -0.6]]], np.float32)
    save_grid(colours.reshape(1, 2, 1, 1, 3), tmp_path / "grid.png", low=-1.0, scale=3)
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.mode == "RGB"
        cells = [[0, 128, 255], [0, 0, 0], [255, 0, 51]]
        np.testing.assert_array_equal(
            np.asarray(picture), np.broadcast_to(np.repeat([cells], 3, axis=1), (3, 9, 3))
        )


def test_what_no_image_may_hold_is_drawn_without_a_word(tmp_path: Path) -> None:
    values = np.array([-np.inf, -0.5, np.nan, 1.5, np.inf]).reshape(1, 5, 1, 1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_grid(values, tmp_path / "grid.png", low=0.0, scale=1)
    with Image.open(tmp_path / "grid.png") as picture:
        assert np.asarray(picture)[0, ::2].tolist() == [0, 0, 0, 255, 255]


def test_a_failed_picture_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "grid.png"
    path.write_bytes(b"old")
    with pytest.raises((TypeError, ValueError)):
        save_grid(np.zeros((1, 1, 2, 2, 7)), path, low=0.0)  # no picture has seven channels
    assert [p.name for p in tmp_path.iterdir()] == ["grid.png"]
    assert path.read_bytes() == b"old"
