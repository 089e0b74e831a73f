"""The evaluation: its arithmetic against brute force and SciPy, and what it does to networks and to images."""

import dataclasses
import itertools
import json
import math
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan.datasets import FactoredImages, LabeledImages
from minigan.errors import SettingsError, TrainingError
from minigan.experiments.declarations import MNIST
from minigan.experiments.evaluation import (
    Evaluation,
    agreement,
    code_readings,
    evaluate,
    pearson_correlation,
    read_factored,
    representation,
)
from minigan.infogan.codes import CodeLayout
from minigan.infogan.extensions import ConsistencySettings
from minigan.infogan.extensions.augmentation import SLIGHT, random_affine
from minigan.infogan.latents import draw_latents
from minigan.infogan.networks import GENERATED, REAL, Networks, inference
from minigan.infogan.objective import log_likelihood
from minigan.infogan.settings import Settings
from minigan.infogan.streams import Stream
from minigan.metrics.clustering_error import (
    contingency,
    majority_vote,
    matching_error,
    one_to_one_matching,
)
from minigan.tensor import Tensor

TINY = dataclasses.replace(
    MNIST,
    trunk="conv 4 | conv 8 bn | fc 16 bn",
    generator="fc 16 bn | fc 7x7x8 bn | up 4 bn | up 1 sigmoid",
    noise=6,
    batch_size=8,
    dtype="float64",  # so that another batch size rounds no differently than can be told apart
)

# -- codes against what Q reads -----------------------------------------------------------------

LAYOUT = CodeLayout.parse("Cat(4) + Uniform + Cat(3) + Uniform")


def random_reading(seed: int, samples: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Q's parameters and the codes, for `LAYOUT`."""
    rng = np.random.default_rng(seed)
    categories = [rng.integers(0, size, samples) for size in (4, 3)]
    first, second = rng.uniform(-1, 1, (2, samples))
    parameters = rng.normal(0, 2, (samples, 9))
    return parameters, np.stack([categories[0], first, categories[1], second], axis=1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_readings_are_those_of_scipy(dtype: type) -> None:
    parameters, codes = random_reading(3)
    parameters, codes = parameters.astype(dtype), codes.astype(dtype)
    readings = code_readings(LAYOUT, parameters, codes)
    parameters, codes = parameters.astype(np.float64), codes.astype(np.float64)
    rows, (c1, c2, c3, c4) = np.arange(len(codes)), codes.T
    log_likelihoods: list[Any] = [
        scipy.special.log_softmax(parameters[:, :4], 1)[rows, c1.astype(int)],
        scipy.stats.norm.logpdf(c2, parameters[:, 4]),
        scipy.special.log_softmax(parameters[:, 5:8], 1)[rows, c3.astype(int)],
        scipy.stats.norm.logpdf(c4, parameters[:, 8]),
    ]
    expected = np.log([4, 2, 3, 2]) + np.mean(log_likelihoods, axis=1)
    assert [r.information for r in readings] == pytest.approx(expected.tolist(), rel=1e-12)
    assert [r.name for r in readings] == ["c1", "c2", "c3", "c4"]
    assert [r.code for r in readings] == ["Cat(4)", "Uniform", "Cat(3)", "Uniform"]
    assert [r.entropy for r in readings] == np.log([4, 2, 3, 2]).tolist()
    assert [r.attainable for r in readings] == [code.attainable for code in LAYOUT]
    for reading, code, mean in ((readings[1], c2, 4), (readings[3], c4, 8)):
        read = parameters[:, mean]
        assert reading.rmse == pytest.approx(np.linalg.norm(read - code) / math.sqrt(len(code)))
        assert reading.correlation == pytest.approx(scipy.stats.pearsonr(read, code).statistic)
    assert all(r.rmse is None and r.correlation is None for r in (readings[0], readings[2]))


def test_a_perfect_reader_attains_the_maximum() -> None:
    _, codes = random_reading(5)
    parameters = np.zeros((len(codes), 9))
    for column, offset in ((0, 0), (2, 5)):
        parameters[np.arange(len(codes)), offset + codes[:, column].astype(int)] = 100
    parameters[:, 4], parameters[:, 8] = codes[:, 1], codes[:, 3]
    for reading in code_readings(LAYOUT, parameters, codes):
        assert reading.information == pytest.approx(reading.attainable, abs=1e-12)
        assert reading.rmse in (None, 0.0)
        assert reading.correlation in (None, pytest.approx(1.0))


def test_a_reader_that_does_not_look_has_no_information() -> None:
    samples = np.arange(1000)
    continuous = (2 * samples + 1) / 1000 - 1
    codes = np.stack([samples % 4, continuous, samples % 3, continuous], axis=1)
    readings = code_readings(LAYOUT, np.zeros((1000, 9)), codes)
    assert readings[0].information == pytest.approx(0, abs=1e-12)
    assert readings[1].information == pytest.approx(-0.3925, abs=1e-4)
    assert readings[1].rmse == pytest.approx(1 / math.sqrt(3), abs=1e-6)
    assert readings[1].correlation == 0


@given(st.integers(0, 2**32 - 1))
def test_the_bound_of_a_continuous_code_falls_with_its_rmse(seed: int) -> None:
    """At σ = 1, L_I(c) = ln 2 − ½ log 2π − ½·RMSE²."""
    reading = code_readings(LAYOUT, *random_reading(seed))[1]
    assert reading.rmse is not None
    assert reading.information == pytest.approx(reading.attainable - reading.rmse**2 / 2)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_a_constant_correlates_with_nothing(value: float) -> None:
    constant, varied = np.full(1000, value), np.random.default_rng(0).uniform(size=1000)
    assert pearson_correlation(constant, varied) == 0
    assert pearson_correlation(varied, constant) == 0
    assert pearson_correlation(constant, constant) == 0


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_correlation_is_numpys(seed: int, slope: float) -> None:
    x, noise = np.random.default_rng(seed).normal(size=(2, 20))
    y = slope * x + noise
    assert pearson_correlation(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-12)


# -- the evaluation of networks -----------------------------------------------------------------


def random_images(count: int, seed: int, classes: int = 4) -> LabeledImages:
    """Large random squares, and a label each."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(0, 256, (count, 4, 4, 1)).astype(np.uint8)
    labels = rng.integers(0, classes, count).astype(np.uint8)
    labels[:classes] = np.arange(classes)
    return LabeledImages(squares.repeat(7, axis=1).repeat(7, axis=2), labels)


TRAIN, TEST = random_images(33, 1), random_images(21, 2)


def lively(settings: Settings) -> Networks:
    """Networks whose answers vary, with running statistics that differ by group."""
    rng, networks = np.random.default_rng(0), Networks(settings)
    for name, value in networks.named_tensors():
        if "running_var" in name:
            value.copy_(rng.uniform(0.5, 2, value.shape))
        elif "running_mean" in name:
            value.copy_(rng.normal(0, 0.5, value.shape))
        elif value.ndim > 1:
            value.copy_(rng.normal(0, 2, value.shape) / math.sqrt(math.prod(value.shape[:-1])))
    return networks


@pytest.fixture
def networks() -> Networks:
    return lively(TINY)


def snapshot(networks: Networks) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in networks.named_tensors()}


def by_hand(networks: Networks, settings: Settings, labeled: LabeledImages) -> np.ndarray:
    """What Q reads of real images, all in one batch."""
    pixels = settings.image_low + (1 - settings.image_low) * labeled.images / 255
    with mg.no_grad(), inference(networks):
        return networks.read(mg.tensor(pixels.astype(settings.dtype)), REAL).numpy()


@pytest.mark.parametrize(
    ("codes", "name", "columns"),
    [
        ("Cat(10) + 2*Uniform", "c1", slice(0, 10)),
        ("3*Cat(3)", "c1", slice(0, 3)),
        ("2*Uniform + Cat(5) + Cat(4)", "c3", slice(2, 7)),
    ],
)
@pytest.mark.parametrize("low", [0.0, -1.0])
def test_real_images_are_divided_by_the_first_categorical_code(
    codes: str, name: str, columns: slice, low: float
) -> None:
    settings = dataclasses.replace(TINY, codes=codes, image_low=low)
    networks = lively(settings)
    evaluation = evaluate(networks, settings, TRAIN, TEST, samples=20, batch_size=10)
    for labeled, clustering in ((TRAIN, evaluation.train), (TEST, evaluation.test)):
        assert clustering is not None
        categories = by_hand(networks, settings, labeled)[:, columns].argmax(axis=1)
        size = columns.stop - columns.start
        expected = contingency(categories, labeled.labels, size, 4)
        assert np.count_nonzero(expected.sum(axis=1)) > 1
        assert np.array_equal(clustering.matrix, expected)
        assert clustering.images == len(labeled.images)
        assert clustering.code == name
        assert clustering.one_to_one_error == one_to_one_matching(expected)[1]
        assert clustering.majority_vote_error == majority_vote(expected)[1]
    assert evaluation.train is not None
    assert evaluation.test is not None
    assert evaluation.train.training_matching_error is None
    assert evaluation.test.training_matching_error == matching_error(
        np.array(evaluation.test.matrix), np.array(evaluation.train.one_to_one_assignment)
    )
    assert evaluation.unsupervised_error == evaluation.test.one_to_one_error


def test_information_is_that_of_the_evaluation_streams(networks: Networks) -> None:
    evaluation = evaluate(networks, TINY, None, None, samples=70, batch_size=32)
    latents, codes = draw_latents(TINY, 70, Stream.EVALUATION_NOISE, Stream.EVALUATION_CODES, 0)
    with mg.no_grad(), inference(networks):
        parameters = networks.read(networks.generator(latents), GENERATED)
        means = log_likelihood(parameters, codes, TINY.layout).numpy().mean(axis=0)
    found = [reading.information for reading in evaluation.codes]
    assert found == pytest.approx((TINY.layout.entropies + means).tolist(), rel=1e-9)
    assert evaluation.information == pytest.approx(sum(found))
    assert evaluation.entropy == pytest.approx(np.log(10) + 2 * np.log(2))
    assert evaluation.attainable == pytest.approx(np.log(10) - 2 * 0.2257913526)
    assert evaluation.samples == 70


def disturb(networks: Networks, group: str) -> None:
    """Change the running statistics of a group in D and Q."""
    for _, module in networks.named()[1:]:
        for name, statistic in module.named_tensors():
            if name.endswith(f".{group}"):
                statistic.copy_(statistic.numpy() * 2 + 0.5)


def test_real_images_are_read_with_the_real_statistics(networks: Networks) -> None:
    before = evaluate(networks, TINY, TRAIN, TEST, samples=20)
    disturb(networks, GENERATED)
    after = evaluate(networks, TINY, TRAIN, TEST, samples=20)
    assert (after.train, after.test) == (before.train, before.test)
    assert after.codes != before.codes


def test_generated_images_are_read_with_the_generated_statistics(networks: Networks) -> None:
    before, read = evaluate(networks, TINY, None, TEST, samples=20), by_hand(networks, TINY, TEST)
    disturb(networks, REAL)
    after = evaluate(networks, TINY, None, TEST, samples=20)
    assert after.codes == before.codes
    assert not np.allclose(by_hand(networks, TINY, TEST), read)


def test_a_plain_gans_own_q_is_what_reads() -> None:
    settings = dataclasses.replace(TINY, objective="gan")
    networks = lively(settings)
    before = evaluate(networks, settings, None, TEST, samples=20)
    for parameter in networks.discriminator.parameters():
        parameter.zero_()
    assert evaluate(networks, settings, None, TEST, samples=20) == before


def test_batches_do_not_change_results(networks: Networks) -> None:
    whole = evaluate(networks, TINY, TRAIN, TEST, samples=50)
    parts = evaluate(networks, TINY, TRAIN, TEST, samples=50, batch_size=7)
    assert parts.train == whole.train
    assert parts.test == whole.test
    for one, other in zip(parts.codes, whole.codes, strict=True):
        assert one.information == pytest.approx(other.information, rel=1e-9)


def test_the_same_networks_give_the_same_evaluation(networks: Networks) -> None:
    first = evaluate(networks, TINY, TRAIN, TEST, samples=50)
    assert evaluate(networks, TINY, TRAIN, TEST, samples=50) == first
    other = dataclasses.replace(TINY, seed=1)
    assert evaluate(networks, other, TRAIN, TEST, samples=50).codes != first.codes


def test_networks_are_left_as_they_were(networks: Networks) -> None:
    networks.generator.eval()
    before, trunk = snapshot(networks), networks.discriminator.trunk
    evaluate(networks, TINY, TRAIN, TEST, samples=20)
    assert snapshot(networks) == before
    assert not networks.generator.layers.training
    assert trunk.training
    assert networks.recognition.head.training

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(networks, TINY, TRAIN, TEST, samples=20, progress=stop)
    assert trunk.training
    assert not networks.generator.layers.training


def test_nothing_is_recorded_and_batches_are_small(
    networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, calls = networks.read, []

    def spy(images: Tensor, group: str) -> Tensor:
        parameters = read(images, group)
        assert not images.requires_grad
        assert not parameters.requires_grad
        calls.append((group, len(images)))
        return parameters

    monkeypatch.setattr(networks, "read", spy)
    evaluate(networks, TINY, TRAIN, TEST, samples=25, batch_size=20)
    real = [(REAL, 20), (REAL, 13), (REAL, 20), (REAL, 1)]
    views = [(REAL, 20), (REAL, 20), (REAL, 13), (REAL, 13)]
    assert calls == [*real, (GENERATED, 20), (GENERATED, 5), *views]


@pytest.mark.parametrize("declared", [True, False])
def test_agreement_is_the_share_of_images_sorted_like_their_augmented_copies(
    declared: bool,
) -> None:
    consistency = ConsistencySettings(weight=0.0, rotation=90.0, shift=9.0)
    settings = dataclasses.replace(
        TINY, codes="Uniform + Cat(4)", extensions=(consistency,) if declared else ()
    )
    ranges = consistency.ranges if declared else SLIGHT
    networks = Networks(settings)
    rng = np.random.default_rng(0)
    for name, value in networks.named_tensors():
        moved = value.numpy() + rng.normal(size=value.shape)
        value.copy_(np.abs(moved) if "running_var" in name else moved)
    found = agreement(networks, settings, TRAIN.images, batch_size=20)
    same = []
    with mg.no_grad(), inference(networks):
        for i, start in enumerate((0, 20)):
            pixels = TRAIN.images[start : start + 20].astype(np.float64) / 255
            copies = random_affine(
                mg.tensor(pixels), ranges, (settings.seed, Stream.EVALUATION_AUGMENTATION, i)
            )
            read, again = (
                networks.read(images, REAL).numpy()[:, 1:].argmax(axis=1)
                for images in (mg.tensor(pixels), copies)
            )
            same += (read == again).tolist()
    assert found == sum(same) / 33
    assert 0 < sum(same) < 33
    without = dataclasses.replace(TINY, codes="2*Uniform")
    assert agreement(Networks(without), without, TRAIN.images) is None


def test_progress_counts_images(networks: Networks) -> None:
    heard: list[tuple[int, int]] = []
    evaluate(
        networks, TINY, TRAIN, TEST, samples=25,
        progress=lambda done, total: heard.append((done, total)), batch_size=20,
    )  # fmt: skip
    assert heard == [(done, 79) for done in (20, 33, 53, 54, 74, 79)]


def test_ten_thousand_samples_are_the_default() -> None:
    heard: list[tuple[int, int]] = []
    evaluation = evaluate(
        stub(), STUB_SETTINGS, None, None,
        progress=lambda done, total: heard.append((done, total)),
    )  # fmt: skip
    assert evaluation.samples == 10_000
    assert heard == [(done, 10_000) for done in range(500, 10_001, 500)]


# A stand-in for networks that have learned everything: "images" that G makes are its latents, and Q reads
# those, or a real image's pixel as its category, without doubt.

STUB_SETTINGS = dataclasses.replace(
    TINY, codes="Uniform + Cat(10)", noise=2, image_shape=(1, 1, 1), image_low=-1.0
)


def stub() -> Networks:
    def read(images: Tensor, group: str) -> Tensor:
        values = images.numpy()
        if group == GENERATED:
            parameters = values[:, 0, 2:, 0] * [1, *[100] * 10]
        else:
            pixels = np.rint((values.reshape(-1) + 1) * 255 / 2).astype(int)
            parameters = np.concatenate([np.zeros((len(pixels), 1)), np.eye(10)[pixels]], axis=1)
        return mg.tensor(parameters)

    networks = SimpleNamespace(
        generator=lambda latents: latents.reshape(len(latents), 1, -1, 1),
        read=read,
        train=lambda mode: None,
        named=list,
    )
    return cast("Networks", networks)


def labeled_pixels(pixels: list[int], labels: list[int]) -> LabeledImages:
    images = np.array(pixels, np.uint8).reshape(-1, 1, 1, 1)
    return LabeledImages(images, np.array(labels, np.uint8))


def test_networks_that_have_learned_everything() -> None:
    train = labeled_pixels([0, 1, 2, 3, 3], [9, 8, 7, 6, 6])
    test = labeled_pixels([0, 0, 1, 2, 3, 3], [8, 8, 9, 7, 6, 7])
    evaluation = evaluate(stub(), STUB_SETTINGS, train, test, samples=1000, batch_size=64)
    assert evaluation.train is not None
    assert evaluation.test is not None
    assert evaluation.train.one_to_one_error == 0
    assert evaluation.train.one_to_one_assignment[:4] == (9, 8, 7, 6)
    assert np.array(evaluation.test.matrix).sum() == 6
    assert evaluation.test.one_to_one_assignment[:4] == (8, 9, 7, 6)
    assert evaluation.test.one_to_one_error == 1 / 6
    assert evaluation.test.training_matching_error == 4 / 6
    continuous, categorical = evaluation.codes
    assert continuous.information == pytest.approx(-0.2257913526, abs=1e-9)
    assert continuous.rmse == 0
    assert continuous.correlation == pytest.approx(1)
    assert categorical.information == pytest.approx(math.log(10))


# -- what comes out -----------------------------------------------------------------------------


def check_json(evaluation: Evaluation) -> dict[str, Any]:
    """Finite, plain, and the same after a round trip."""
    values: dict[str, Any] = json.loads(
        json.dumps(evaluation.to_json(), allow_nan=False, sort_keys=True)
    )
    return values


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


def test_a_representation_is_probabilities_and_means() -> None:
    parameters, _ = random_reading(7)
    parameters *= 300  # no exponential of it is finite
    codes, widths = representation(LAYOUT, parameters.astype(np.float32))
    assert widths == (4, 1, 3, 1)
    parameters = parameters.astype(np.float32).astype(np.float64)
    expected = parameters.copy()
    for part in (slice(0, 4), slice(5, 8)):
        expected[:, part] = scipy.special.softmax(parameters[:, part], axis=1)
    np.testing.assert_allclose(codes, expected, rtol=1e-12)


def test_codes_of_images_are_what_q_reads(networks: Networks) -> None:
    data = FactoredImages(TEST.images, TEST.labels[:, None] % 3, ("class",))
    codes, widths, factors = read_factored(networks, TINY, data, batch_size=4)
    with mg.no_grad(), inference(networks):
        pixels = mg.tensor(TEST.images / 255)
        parameters = networks.read(pixels, REAL).numpy()
    np.testing.assert_allclose(codes, representation(TINY.layout, parameters)[0], rtol=1e-9)
    assert widths == (10, 1, 1)
    assert factors.dtype == np.float64
    assert factors.tolist() == data.factors.tolist()


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
        with pytest.raises(SettingsError, match=r"mnist is evaluated on images of .* factors each"):
            read_factored(networks, TINY, data)


# -- what it refuses ----------------------------------------------------------------------------


def test_images_that_do_not_fit_are_refused(networks: Networks) -> None:
    narrow = LabeledImages(TEST.images[:, :, :27], TEST.labels)
    unlabeled = LabeledImages(TEST.images, TEST.labels[:-1])
    empty = LabeledImages(TEST.images[:0], TEST.labels[:0])
    for images in (narrow, unlabeled, empty):
        with pytest.raises(SettingsError, match="mnist is evaluated on images of"):
            evaluate(networks, TINY, None, images, samples=20)
    with pytest.raises(ValueError, match="at least one sample"):
        evaluate(networks, TINY, None, None, samples=0)


@pytest.mark.parametrize("group", [REAL, GENERATED])
def test_networks_that_diverged_are_refused(networks: Networks, group: str) -> None:
    for name, statistic in networks.recognition.named_tensors():
        if name.endswith(f"running_mean.{group}"):
            statistic.copy_(np.full(statistic.shape, np.nan))
    with pytest.raises(TrainingError, match=f"Q reads in {group} images is not finite"):
        evaluate(networks, TINY, TRAIN, TEST, samples=20)
