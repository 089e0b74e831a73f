"""The evaluation: its effects on networks and on images."""

import dataclasses
import math

import numpy as np
import pytest
from small_networks import STUB_SETTINGS, TEST, TINY, TRAIN, labeled_pixels, lively, stub

import minigan as mg
from minigan.datasets import LabeledImages
from minigan.errors import SettingsError, TrainingError
from minigan.experiments.evaluation import _affordable, evaluate, on_fast_device
from minigan.infogan.extensions import ConsistencySettings
from minigan.infogan.extensions.augmentation import SLIGHT, random_affine
from minigan.infogan.latents import draw_latents
from minigan.infogan.networks import Networks, inference
from minigan.infogan.objective import log_likelihood
from minigan.infogan.parts import GENERATED, REAL
from minigan.infogan.settings import Settings
from minigan.infogan.streams import Stream
from minigan.metrics.clustering_error import (
    contingency,
    majority_vote,
    matching_error,
    one_to_one_matching,
)
from minigan.tensor import Tensor

# -- the evaluation of networks -----------------------------------------------------------------


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
    training = [(REAL, 20), (REAL, 13)]  # each image is read once, and then once augmented
    test = [(REAL, 20), (REAL, 1)]
    assert calls == [*training, *training, *test, (GENERATED, 20), (GENERATED, 5)]


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
    found = evaluate(networks, settings, TRAIN, None, samples=20, batch_size=20).agreement
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
    assert evaluate(Networks(without), without, TRAIN, None, samples=20).agreement is None


def test_progress_counts_images(networks: Networks) -> None:
    heard: list[tuple[int, int]] = []
    evaluate(
        networks, TINY, TRAIN, TEST, samples=25,
        progress=lambda done, total: heard.append((done, total)), batch_size=20,
    )  # fmt: skip
    # training images, copies of them, test images, samples
    assert heard == [(done, 112) for done in (20, 33, 53, 66, 86, 87, 107, 112)]


def test_ten_thousand_samples_are_the_default() -> None:
    heard: list[tuple[int, int]] = []
    evaluation = evaluate(
        stub(), STUB_SETTINGS, None, None,
        progress=lambda done, total: heard.append((done, total)),
    )  # fmt: skip
    assert evaluation.samples == 10_000
    assert heard == [(done, 10_000) for done in range(500, 10_001, 500)]


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


# -- refused settings ----------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("shape", "samples", "factored"),
    [((28, 28, 1), 10_000, 30_000), ((32, 32, 3), 10_000, 30_000), ((64, 64, 1), 2_500, 7_500)],
)
def test_of_large_images_fewer_are_read(
    shape: tuple[int, int, int], samples: int, factored: int
) -> None:
    settings = dataclasses.replace(TINY, image_shape=shape)
    assert _affordable(10_000, settings) == samples
    assert _affordable(30_000, settings) == factored


def test_networks_of_a_slow_device_are_read_on_the_cpu() -> None:
    """On the emulated device an evaluation would take hours."""
    small = dataclasses.replace(
        TINY, image_shape=(4, 4, 1), trunk="fc 3 bn", generator="fc 4x4x1 sigmoid", dtype="float32"
    )
    slow = dataclasses.replace(small, device="emulated")
    networks = Networks(slow)
    moved, settings = on_fast_device(networks, slow)
    assert settings == small
    assert {tensor.device.name for _, tensor in moved.named_tensors()} == {"cpu"}
    assert snapshot(moved) == snapshot(networks)
    assert on_fast_device(moved, settings) == (moved, settings)
