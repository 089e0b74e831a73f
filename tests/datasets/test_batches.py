"""Batches: every row once an epoch, labels beside their images, the same for the same seed."""

import numpy as np
import pytest

import minigan as mg
from minigan.datasets import Batches, batches, mnist

IMAGES = np.arange(7 * 3, dtype=np.uint8).reshape(7, 3)
LABELS = IMAGES[:, 0] // 3


def test_every_row_comes_once_an_epoch_with_its_label() -> None:
    training = batches(IMAGES, LABELS, batch_size=3, seed=5)
    epoch = list(training)
    assert len(training) == len(epoch) == 3 and [len(x) for x, _ in epoch] == [3, 3, 1]
    assert sorted(np.concatenate([y for _, y in epoch])) == list(range(7))
    for images, labels in epoch:
        assert images.dtype == np.uint8 and (images == IMAGES[labels]).all()


def labels_of(training: "Batches[np.ndarray]") -> list[int]:
    return [int(label) for batch in training for label in batch]


def test_epochs_differ_and_a_seed_gives_them_again() -> None:
    rows = np.arange(50)
    training, again, other = (batches(rows, batch_size=8, seed=seed) for seed in (1, 1, 2))
    first, second = labels_of(training), labels_of(training)
    assert first != second and sorted(second) == list(range(50))
    assert [labels_of(again), labels_of(again)] == [first, second]
    assert labels_of(other) != first


def test_two_passes_at_once_do_not_disturb_each_other() -> None:
    training, alone = (batches(np.arange(9), batch_size=2, seed=3) for _ in range(2))
    pairs = list(zip(training, training, strict=True))
    assert [list(x) for x, _ in pairs] == [list(x) for x in alone]


def test_a_smaller_last_batch_is_left_out_on_request() -> None:
    training = batches(IMAGES, LABELS, 3, seed=0, drop_last=True)
    assert [len(x) for x, _ in training] == [3, 3] and len(training) == 2
    assert len(list(batches(IMAGES, batch_size=7, drop_last=True))) == 1
    assert len(batches(IMAGES, batch_size=8, drop_last=True)) == 0


@pytest.mark.parametrize("device", ["cpu", "emulated"])
def test_tensors_stay_tensors(device: str) -> None:
    x, y = mg.tensor(IMAGES, device=device), mg.tensor(LABELS, device=device)
    for images, labels in batches(x, y, 4):
        assert images.device.name == labels.device.name == device
        assert (images.numpy() == IMAGES[labels.numpy()]).all()


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ValueError, match="7 images and 6 labels"):
        batches(IMAGES, LABELS[:6])
    with pytest.raises(TypeError, match="not list"):
        batches([1, 2], None)  # type: ignore[type-var]
    with pytest.raises(ValueError, match="at least 1"):
        batches(IMAGES, LABELS, 0)
    for seed in (-1, 2**64):
        with pytest.raises(ValueError, match="a seed is"):
            batches(IMAGES, LABELS, 4, seed)


def test_the_packaged_digits_as_documented() -> None:
    digits = mg.datasets.mnist.load("test")
    assert mnist is mg.datasets.mnist
    images, labels = next(iter(batches(digits.images, digits.labels, batch_size=64, seed=0)))
    assert images.shape == (64, 28, 28, 1) and labels.shape == (64,)
