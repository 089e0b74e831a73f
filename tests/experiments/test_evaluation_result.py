"""The numbers that come out: their JSON and table, and codes against strokes and factors."""

import dataclasses
import itertools
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from small_networks import (
    STUB_SETTINGS,
    TEST,
    TINY,
    TRAIN,
    check_json,
    labeled_pixels,
    lively,
    stub,
)

import minigan as mg
from minigan.datasets import FactoredImages
from minigan.errors import SettingsError
from minigan.experiments.evaluation import (
    evaluate,
)
from minigan.infogan.networks import Networks
from minigan.tensor import Tensor


@pytest.fixture
def networks() -> Networks:
    return lively(TINY)


# -- what comes out -----------------------------------------------------------------------------


def test_json(networks: Networks) -> None:
    evaluation = evaluate(networks, TINY, TRAIN, TEST, samples=20)
    values = check_json(evaluation)
    assert values["experiment"] == "mnist"
    assert values["test"]["matrix"] == np.array(cast("Any", evaluation.test).matrix).tolist()
    assert values["unsupervised_error"] == values["test"]["one_to_one_error"]
    assert values["train"]["training_matching_error"] is None
    assert values["entropy"] == pytest.approx(sum(c["entropy"] for c in values["codes"]))
    assert [c["name"] for c in values["codes"]] == ["c1", "c2", "c3"]


def test_a_q_that_reads_nothing_still_gives_numbers(networks: Networks) -> None:
    for name, parameter in networks.recognition.named_parameters():
        if name.startswith("head.2"):
            parameter.zero_()
    evaluation = evaluate(networks, TINY, None, TEST, samples=20)
    assert check_json(evaluation)["codes"][1]["correlation"] == 0
    assert evaluation.codes[0].information == pytest.approx(0, abs=1e-12)
    assert evaluation.test is not None
    assert evaluation.test.training_matching_error is None


def test_continuous_codes_alone_have_no_unsupervised_error() -> None:
    settings = dataclasses.replace(TINY, codes="2*Uniform")
    heard: list[tuple[int, int]] = []
    evaluation = evaluate(
        lively(settings), settings, TRAIN, TEST, samples=20,
        progress=lambda done, total: heard.append((done, total)),
    )  # fmt: skip
    assert evaluation.train is None
    assert evaluation.test is None
    assert evaluation.unsupervised_error is None
    assert heard == [(20, 20)]
    assert check_json(evaluation)["unsupervised_error"] is None
    assert [name for name, _, _ in evaluation.rows()][:2] == ["H(c)", "L_I"]


def test_training_images_alone(networks: Networks) -> None:
    evaluation = evaluate(networks, TINY, TRAIN, None, samples=20)
    assert evaluation.test is None
    assert evaluation.train is not None
    assert evaluation.unsupervised_error == evaluation.train.one_to_one_error


def test_rows() -> None:
    test = labeled_pixels([0, 0, 1, 2, 3, 3, 4, 5], [0, 0, 1, 2, 3, 0, 3, 3])
    evaluation = evaluate(stub(), STUB_SETTINGS, test, test, samples=1000)
    assert evaluation.rows() == [
        ("error by one-to-one matching, 8 test images", "37.50 %", "5 % (paper)"),
        ("error by the training images' matching, 8 test images", "37.50 %", ""),
        ("error by majority vote, 8 test images", "12.50 %", ""),
        ("error by one-to-one matching, 8 training images", "37.50 %", "5 % (paper)"),
        ("error by majority vote, 8 training images", "12.50 %", ""),
        ("images sorted like their augmented copies", "100.00 %", ""),  # of one pixel
        ("H(c)", "2.996", ""),
        ("L_I", "2.077", "at most 2.077"),
        ("L_I(c1), Uniform", "-0.226", "at most -0.226"),
        ("RMSE of c1", "0.000", "0.577 unread"),
        ("correlation of c1", "1.000", "±1 at best"),
        ("L_I(c2), Cat(10)", "2.303", "at most 2.303"),
        ("Spearman's ρ of c1 with slant", "0.000", "0.000 with all else held"),
        *(row for row in evaluation.rows() if row[0] == "Spearman's ρ of c1 with stroke width"),
    ]
    other = dataclasses.replace(evaluation, reference="")
    assert other.rows()[0][2] == ""


# -- codes against strokes ----------------------------------------------------------------------


def bars(latents: Tensor) -> Tensor:
    """G's images of two noises, a category and two codes: a bar, slanting by the first, as wide as the second says.

    The first noise makes it lighter, and the category longer; neither is to be mistaken for its slant or width.
    """
    values = latents.numpy()
    y, x = np.mgrid[-14:14, -14:14][..., None] + 0.5
    c2, c3 = values[:, -2], values[:, -1]
    half = (2.5 + c3) * np.hypot(
        1, 0.5 * c2
    )  # along a row, so that across the stroke it is c3's alone
    # a soft edge moves less than a pixel at a time
    ink = np.clip(half + 0.5 - np.abs(x + 0.5 * c2 * y), 0, 1) * (np.abs(y) < 9 + values[:, 2])
    return mg.tensor(np.moveaxis(ink * (0.8 + 0.2 * values[:, 0]), -1, 0)[..., None])


def test_the_codes_that_move_slant_and_width_are_found() -> None:
    settings = dataclasses.replace(TINY, codes="Cat(2) + 2*Uniform", noise=2)
    networks: Any = SimpleNamespace(
        generator=bars, train=lambda mode: None, named=list,
        read=lambda images, group: mg.tensor(np.zeros((len(images), 4))),
    )  # fmt: skip
    evaluation = evaluate(networks, settings, None, None, samples=300)
    found = {(r.code, r.measure): r for r in evaluation.strokes}
    assert set(found) == set(itertools.product(("c2", "c3"), ("slant", "stroke width")))
    for of in (("c2", "slant"), ("c3", "stroke width")):
        assert found[of].correlation > 0.98
        assert found[of].held_correlation == 1
    assert abs(found["c2", "stroke width"].correlation) < 0.15
    assert abs(found["c3", "slant"].correlation) < 0.15
    assert abs(found["c3", "slant"].held_correlation) < 0.3
    assert ("Spearman's ρ of c2 with slant", "1.000 with all else held") in [
        (name, reference) for name, _, reference in evaluation.rows()
    ]
    check_json(evaluation)
    other = settings.with_data("/fashion")
    assert evaluate(networks, other, None, None, samples=30).strokes == ()


# -- codes against factors ----------------------------------------------------------------------


def test_factors_are_told_by_the_code_that_reads_them() -> None:
    pixels = np.arange(700) % 10
    data = FactoredImages(
        pixels.astype(np.uint8).reshape(-1, 1, 1, 1),
        np.stack([pixels, np.full(700, 3)], axis=1).astype(float),
        ("shape", "nothing"),
    )
    heard: list[tuple[int, int]] = []
    evaluation = evaluate(
        stub(), STUB_SETTINGS, None, None, samples=20, factored=data,
        progress=lambda done, total: heard.append((done, total)),
    )  # fmt: skip
    scores = evaluation.disentanglement
    assert scores is not None
    assert (scores.images, scores.codes, scores.factors) == (700, ("c1", "c2"), ("shape",))
    assert scores.mig == pytest.approx(1)
    assert scores.shares == (pytest.approx((0,)), pytest.approx((1,)))
    assert (scores.factor_vae, scores.sap) == (1, pytest.approx(1))
    assert heard == [(500, 720), (700, 720), (720, 720)]
    rows = {name: (value, reference) for name, value, reference in evaluation.rows()}
    assert rows["MIG"] == ("1.000", "1 at best")
    assert rows["shape, told best by c2"] == ("1.000", "of its H")
    assert check_json(evaluation)["disentanglement"]["factor_vae"] == 1
    again = evaluate(stub(), STUB_SETTINGS, None, None, samples=20, factored=data)
    assert again == evaluation


def test_factors_that_do_not_fit_are_refused(networks: Networks) -> None:
    factors = np.zeros((len(TEST.images), 2))
    for data in (
        FactoredImages(TEST.images[:, :, 1:], factors, ("a", "b")),
        FactoredImages(TEST.images, factors[1:], ("a", "b")),
        FactoredImages(TEST.images, factors, ("a",)),
    ):
        with pytest.raises(SettingsError, match=r"mnist is evaluated on images of .* factors each"):
            evaluate(networks, TINY, None, None, samples=20, factored=data)
