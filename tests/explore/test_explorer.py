"""The explorer's pictures and readings, against the networks called in other ways."""

import dataclasses

import numpy as np
import pytest
import scipy.special
from numpy.testing import assert_allclose, assert_array_equal

from minigan import no_grad, tensor
from minigan.datasets import Images, mnist
from minigan.experiments.figures import traversal
from minigan.explore.explorer import LIMIT, TRAVERSAL_STEPS, Explorer
from minigan.infogan.codes import CategoricalCode
from minigan.infogan.latents import draw_noise_and_codes
from minigan.infogan.networks import Networks
from minigan.infogan.parts import GENERATED, REAL
from minigan.infogan.settings import Settings
from minigan.infogan.streams import Stream


def to_bytes(images: np.ndarray) -> np.ndarray:
    return np.round(images * 255).astype(np.uint8)


def test_a_traversal_has_the_pictures_of_its_values(explorer: Explorer) -> None:
    for code, chosen in enumerate(explorer.layout):
        pictures, values = explorer.traversal(5, [1.0, 0.3, -0.8], code)
        count = chosen.size if isinstance(chosen, CategoricalCode) else TRAVERSAL_STEPS
        assert len(pictures) == len(values) == count
        for picture, value in zip(pictures, values, strict=True):
            codes = [1.0, 0.3, -0.8]
            codes[code] = value
            single, _ = explorer.picture(5, codes)
            # a batch may add in another order, and a value at .5 then rounds to the other side
            assert np.abs(picture.astype(int) - single).max() <= 1
        assert np.ptp(pictures, axis=0).max() > 0


def test_the_first_sample_is_that_of_the_figures(explorer: Explorer, settings: Settings) -> None:
    figure = traversal(explorer.networks, settings, 0, rows=1, limit=LIMIT, step=3)[0]
    _, codes = draw_noise_and_codes(settings, 1, Stream.SAMPLE_NOISE, Stream.SAMPLE_CODES, 3)
    pictures, _ = explorer.traversal(3, codes.numpy()[0].astype(float).tolist(), 0)
    assert np.abs(pictures.astype(int) - to_bytes(figure)).max() <= 1


def test_other_noise_gives_another_picture(explorer: Explorer) -> None:
    first, again, other = (explorer.picture(noise, [0, 0.0, 0.0])[0] for noise in (1, 1, 2))
    assert_array_equal(first, again)
    assert (first != other).any()


def test_a_reading_is_what_d_and_q_say_of_real_pictures(explorer: Explorer) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), np.uint8)
    networks = explorer.networks
    with no_grad():
        images = tensor(pixels.astype(np.float32) / 255)
        parameters = networks.read(images, REAL).numpy().astype(np.float64)
        logits = networks.discriminator(networks.discriminator.trunk(images, (REAL,))).numpy()
    for i, reading in enumerate(explorer.read(pixels)):
        odds = scipy.special.softmax(parameters[i, :3])
        assert_allclose(reading.codes[0], odds, rtol=1e-6)
        assert_allclose(np.array(reading.codes[1:]), parameters[i, 3:], rtol=1e-5, atol=1e-7)
        real = scipy.special.expit(float(logits[i, 0]))
        assert reading.real == pytest.approx(float(real), rel=1e-5)


def test_a_generated_picture_is_read_as_such(explorer: Explorer) -> None:
    with no_grad():
        images = explorer._generate(4, np.array([[1.0, 0.5, -0.5]]))
        expected = explorer.networks.read(images, GENERATED).numpy()[0, 3:]
        other = explorer.networks.read(images, REAL).numpy()[0, 3:]
    codes = explorer.picture(4, [1.0, 0.5, -0.5])[1].codes[1:]
    assert_allclose(np.array(codes), expected, rtol=1e-6)
    assert np.abs(other - expected).max() > 1e-3


def test_real_pictures_are_test_digits(explorer: Explorer) -> None:
    pictures = explorer.real_pictures()
    assert_array_equal(pictures, mnist.load("test").images[: len(pictures)])
    assert len(explorer.real_readings()) == len(pictures) > 100


def test_training_pictures_stand_in_for_test_pictures(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some data sets have no test pictures; some users have none of the pictures."""
    pictures = np.ones((3, 28, 28, 1), np.uint8)
    networks = Networks(settings)

    def load(split: str) -> Images | None:
        return Images(pictures) if split == "train" else None

    monkeypatch.setattr(mnist, "load", load)
    assert_array_equal(Explorer(networks, settings, 0).real_pictures(), pictures)
    elsewhere = dataclasses.replace(settings, data="nowhere/at/all")
    absent = Explorer(networks, elsewhere, 0)
    assert absent.real_pictures().shape == (0, 28, 28, 1) and absent.real_readings() == []
