"""Split and merge: which category is moved, what the move changes, and that a resumed run moves it too."""

import dataclasses
import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from tiny_trainers import CONSISTENCY, ODD, changed, lively, make

import minigan as mg
from minigan.experiments.trainer import Trainer
from minigan.infogan.extensions import split_merge
from minigan.infogan.extensions.consistency import AUGMENTED, Consistency
from minigan.infogan.extensions.split_merge import (
    Move,
    copy_category,
    find_move,
    joint_distributions,
    mend,
    merge_loss,
    mutual_information,
)
from minigan.infogan.parts import GENERATED, REAL

MOVING = dataclasses.replace(
    CONSISTENCY,
    split_merge_threshold=1e6,
    split_merge_start=4 / 100,
    split_merge_end=4 / 100,
)
SETTINGS = dataclasses.replace(ODD, codes="Cat(3) + 2*Uniform + Cat(4)", extensions=(MOVING,))


def random_joint(size: int, seed: int = 0) -> np.ndarray:
    joint = np.random.default_rng(seed).exponential(size=(size, size)) ** 3
    joint += joint.T
    return joint / joint.sum()


def consistency_of(trainer: Trainer) -> Consistency:
    (extension,) = trainer.extensions
    assert isinstance(extension, Consistency)
    return extension


@pytest.mark.parametrize("size", [2, 3, 7])
def test_information_is_the_entropies_of_the_marginals_less_that_of_both(size: int) -> None:
    joint = np.random.default_rng(1).exponential(size=(size, size))
    joint[0, 1] = 0
    joint /= joint.sum()
    entropies = [scipy.stats.entropy(joint.sum(axis)) for axis in (0, 1)]
    both = scipy.stats.entropy(joint.ravel())
    assert mutual_information(joint) == pytest.approx(sum(entropies) - both)


def test_a_merge_loses_what_telling_the_two_apart_adds() -> None:
    """By the chain rule the loss is never negative, and (2/K)·log 2 for two equal kinds of K that are never mistaken."""
    joint = random_joint(6)
    for first in range(6):
        for second in range(first):
            assert merge_loss(joint, first, second) >= -1e-12
            assert merge_loss(joint, first, second) == pytest.approx(
                merge_loss(joint, second, first)
            )
    assert merge_loss(np.eye(5) / 5, 1, 3) == pytest.approx(2 / 5 * math.log(2))
    halves = np.diag([2.0, 1.0, 1.0]) / 4  # categories 1 and 2 always mistaken for each other
    halves[1:, 1:] = 1 / 8
    assert merge_loss(halves, 1, 2) == pytest.approx(0, abs=1e-12)


def test_the_smaller_of_the_pair_becomes_a_copy_of_the_largest() -> None:
    """Categories 1 and 4 share a kind, 4 less of it; 2 holds two kinds."""
    joint = np.diag([0.2, 0.1, 0.4, 0.2, 0.04])
    joint[1, 4] = joint[4, 1] = 0.03
    assert find_move(joint / joint.sum(), 0.25) == Move(emptied=4, split=2)


def test_a_partition_of_equal_kinds_stays() -> None:
    joint = np.full((10, 10), 0.002) + np.eye(10) * 0.08
    assert find_move(joint / joint.sum(), 0.25) is None
    assert find_move(joint / joint.sum(), 1.1) is not None
    assert find_move(np.full((2, 2), 0.25), 1e6) is None  # no third category to split


@pytest.mark.parametrize("axis", [0, 1])
def test_a_category_is_copied_with_noise(axis: int) -> None:
    values = np.random.default_rng(2).normal(size=(3, 4000))
    weights = mg.tensor(values if axis == 0 else values.T, dtype="float64")
    copy_category(weights, axis, Move(2, 0), 0.5, (7, 15, 3))
    found = weights.numpy() if axis == 0 else weights.numpy().T
    np.testing.assert_array_equal(found[:2], values[:2])
    noise = found[2] - values[0]
    assert noise.std() == pytest.approx(0.5 * values[0].std(), rel=0.1)
    assert abs(noise.mean()) < 0.05
    assert abs(np.corrcoef(noise, values[0])[0, 1]) < 0.1


@pytest.mark.parametrize("column", [0, 5])
def test_the_copy_is_read_and_made_as_the_original(
    column: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without noise Q gives both categories one probability, and G makes one image of both."""
    monkeypatch.setattr(split_merge, "NOISE", 0.0)
    trainer = lively(SETTINGS)
    size = 3 if column == 0 else 4
    joint = (
        np.diag(np.arange(1.0, size + 1)) / 30
    )  # the last category is the largest, 0 the smallest
    joint[0, 1] = joint[1, 0] = joint[0, 0] = 1 / 30
    before = {name: value.copy() for name, value in trainer.state().items()}
    mend(consistency_of(trainer).context, 5, {column: joint / joint.sum()}, 1e6)
    assert changed(before, trainer.state()) == {
        "recognition.head.2.weight", "recognition.head.2.bias", "generator.layers.0.weight"
    }  # fmt: skip

    images = trainer.real_images(3)
    q = trainer.networks.read(images, REAL).numpy()
    np.testing.assert_array_equal(q[:, column], q[:, column + size - 1])
    assert (q[:, column] != q[:, column + 1]).all()
    trainer.networks.train(False)
    latents, codes = trainer.latents(1)
    one_hot = latents.numpy()[:, SETTINGS.noise + column : SETTINGS.noise + column + size].copy()
    assert one_hot.sum(axis=1).tolist() == [1.0] * len(one_hot)
    made = []
    for category in (0, size - 1):
        values = latents.numpy().copy()
        values[:, SETTINGS.noise + column : SETTINGS.noise + column + size] = np.eye(size)[category]
        made.append(trainer.generator(mg.tensor(values)).numpy())
    np.testing.assert_array_equal(*made)
    assert GENERATED and codes.shape[0] == len(one_hot)


def test_the_joint_distribution_is_of_both_predictions_over_the_last_batches() -> None:
    trainer = lively(SETTINGS)
    consistency, step = consistency_of(trainer), 4
    found = joint_distributions(consistency.context, step, consistency.copies, AUGMENTED)
    assert found.keys() == {0, 5}
    for column, size in ((0, 3), (5, 4)):
        pairs = []
        for earlier in (1, 2, 3):
            images = trainer.real_images(earlier)
            copies = consistency.copies(images, earlier)
            p, q = (
                scipy.special.softmax(
                    trainer._read(x, group).numpy()[:, column : column + size], axis=1
                )
                for x, group in ((images, REAL), (copies, AUGMENTED))
            )
            pairs += [np.outer(a, b) for a, b in zip(p, q, strict=True)]
        expected = np.mean(pairs, axis=0)
        np.testing.assert_allclose(found[column], (expected + expected.T) / 2, rtol=1e-12)
        assert found[column].sum() == pytest.approx(1)


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("device", ["cpu", pytest.param("emulated", marks=pytest.mark.emulated)])
def test_a_run_that_is_resumed_moves_the_same_category(device: str) -> None:
    settings = dataclasses.replace(SETTINGS, device=device)
    trainer, still = make(settings), make(dataclasses.replace(settings, extensions=(CONSISTENCY,)))
    for _ in range(3):
        assert trainer.step() == still.step()
    saved = {name: value.copy() for name, value in trainer.state().items()}
    metrics = [trainer.step() for _ in range(2)]
    assert metrics != [still.step() for _ in range(2)]  # a category was moved before step 4
    resumed = make(settings)
    resumed.load_state(3, saved)
    assert [resumed.step() for _ in range(2)] == metrics
    assert not changed(trainer.state(), resumed.state())
