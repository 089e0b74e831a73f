"""The additions of the extensions to a step: images, and terms of the objective."""

import dataclasses
import math

import numpy as np
import oracles
import pytest
import scipy.special
import scipy.stats
from tiny_trainers import (
    AVERAGING,
    CODES,
    CONSISTENCY,
    ODD,
    discriminator_objective,
    generator_objective,
    lively,
    make,
)

import minigan as mg
from minigan.devices.contract.images import AffineRanges
from minigan.errors import SettingsError
from minigan.experiments.trainer import Trainer
from minigan.infogan.extensions import (
    CodeAugmentationSettings,
)
from minigan.infogan.extensions.augmentation import random_affine
from minigan.infogan.extensions.code_augmentation import AUGMENTED_CODES
from minigan.infogan.extensions.consistency import AUGMENTED
from minigan.infogan.parts import GENERATED, REAL
from minigan.infogan.streams import Stream
from minigan.random import uniform
from minigan.tensor import Tensor

CONSISTENT = dataclasses.replace(ODD, extensions=(CONSISTENCY, *AVERAGING))
AUGMENTED_CODE = dataclasses.replace(ODD, extensions=(CODES, *AVERAGING))


def augmented(trainer: Trainer, images: Tensor) -> Tensor:
    """The copies of images that the consistency term of the step on the device's counter has."""
    consistency = trainer.extensions[0]
    return consistency.add(images, images, images, trainer.step_count + 1).images


def test_consistency_adds_the_information_of_augmented_copies() -> None:
    """From `start` on: −w·Σ L_I between images and copies, over the categorical codes, of batch norms that know three groups.

    Both ways, a half each, until `symmetric_until`; then from the image to the copy. With the entropy weight from its start on.
    """
    trainer, plain = lively(CONSISTENT), lively(ODD)
    trainer.step_count = 1
    assert discriminator_objective(trainer).item() == discriminator_objective(plain).item()
    trainer.step_count = 2
    two_way = discriminator_objective(trainer).item()
    trainer.step_count = 3
    one_way = discriminator_objective(trainer).item()

    latents, _ = trainer.latents(1)
    with mg.no_grad():
        real = trainer.real_images(1)
        copies = augmented(trainer, real)
        images = mg.concatenate([real, trainer.generator(latents), copies])
        groups = (REAL, GENERATED, AUGMENTED)
        features = trainer.discriminator.trunk(images, groups)
        read = trainer.recognition(features, groups).numpy()

    def information(first: np.ndarray, second: np.ndarray, entropy_weight: float) -> float:
        codes = slice(0, 3), slice(5, 7)
        return sum(
            oracles.consistency_information(first[:, c], second[:, c], entropy_weight)
            for c in codes
        )

    images_read, copies_read = read[:5], read[10:]
    without = discriminator_objective(plain).item()
    both = information(images_read, copies_read, 1) + information(copies_read, images_read, 1)
    assert two_way == pytest.approx(without - 1.3 * both / 2, rel=1e-9)
    there = information(images_read, copies_read, 1.2)
    assert one_way == pytest.approx(without - 1.3 * there, rel=1e-9)


def test_rectangles_cover_the_copies_before_the_affine_map() -> None:
    """Both shades occur, of the range of the networks; other numbers place them than those of the map."""
    still = dataclasses.replace(CONSISTENCY, rotation=0, scale=0, shear=0, shift=0)
    trainer = make(dataclasses.replace(ODD, extensions=(still,)))
    image = mg.tensor(np.zeros((64, 6, 10, 3)))
    copies = []
    for step in (1, 1, 2):
        trainer._counter.copy_(np.array([step]))
        copies.append(augmented(trainer, image).numpy())
    first, again, next_one = copies
    assert first.tobytes() == again.tobytes() != next_one.tobytes()
    assert set(np.unique(first).tolist()) == {-1.0, 0.0, 1.0}
    assert (first != 0).any(axis=(1, 2, 3)).all()
    bare = dataclasses.replace(CONSISTENCY, rectangles=0)
    trainer = make(dataclasses.replace(ODD, extensions=(bare,)))
    expected = random_affine(image + 1, bare.ranges, (0, Stream.AUGMENTATION, 0))
    np.testing.assert_array_equal(augmented(trainer, image + 1), expected)


def test_an_augmented_code_is_read_in_copies_and_nowhere_else() -> None:
    """D's half: −λ·E[log Q(c|x̃)] over a code's own copies, with c moved by the shear; c2 and c3 count nothing in the images themselves."""
    trainer, plain = lively(AUGMENTED_CODE), lively(dataclasses.replace(ODD, lambda_continuous=0.0))
    latents, codes = trainer.latents(1)
    with mg.no_grad():
        fake = trainer.generator(latents)
        key = (0, Stream.CODE_AUGMENTATION, 0)
        u = uniform((5, 5), -1.0, 1.0, key, trainer.device, np.float64)
        turned = AffineRanges(math.radians(40), 0.0, 0.0, 1.0)
        sheared = AffineRanges(0.0, 0.0, 0.5, 0.0)
        copies = [
            trainer.device.random_affine(fake.numpy()[:2].copy(), u[:2], turned),
            trainer.device.random_affine(fake.numpy()[2:].copy(), u[2:], sheared),
        ]
        images = mg.concatenate([trainer.real_images(1), fake, mg.tensor(np.concatenate(copies))])
        groups = (REAL, GENERATED, AUGMENTED_CODES)
        read = trainer.recognition(trainer.discriminator.trunk(images, groups), groups).numpy()

    c2, c3 = codes.numpy()[2:, 1] + 0.75 * u[2:, 2], codes.numpy()[:2, 2]
    mu2, mu3 = read[12:, 3], read[10:12, 4]
    log_density = scipy.stats.norm.logpdf
    information = log_density(c2, mu2).mean() + log_density(c3, mu3).mean()
    expected = discriminator_objective(plain).item() - 2.5 * information
    assert discriminator_objective(trainer).item() == pytest.approx(expected, rel=1e-9)
    # G's half reads its own images, and all codes in them.
    assert generator_objective(trainer).item() == generator_objective(lively(ODD)).item()


def test_an_augmented_code_is_noise_until_it_joins() -> None:
    late_codes = dataclasses.replace(CODES, start=3 / 100)
    late = lively(dataclasses.replace(ODD, extensions=(late_codes, *AVERAGING)))
    joined, plain = lively(AUGMENTED_CODE), lively(dataclasses.replace(ODD, lambda_continuous=0.0))
    for step_count, same in ((1, plain), (2, joined)):
        late.step_count = step_count
        for objective in (discriminator_objective, generator_objective):
            assert objective(late).item() == objective(same).item()


def test_a_batch_has_an_image_for_each_augmented_code() -> None:
    codes = CodeAugmentationSettings(codes="c1 shift 1 | c2 shift 1 | c3 shift 1")
    with pytest.raises(SettingsError, match="batch_size 2 has no image for each of 3 code"):
        dataclasses.replace(ODD, batch_size=2, codes="3*Uniform", extensions=(codes,))


def test_affine_maps_are_slight_random_and_new_at_each_step() -> None:
    image = np.zeros((4, 6, 10, 3))
    image[:, 3, 5] = 1
    first, again, next_one = (
        random_affine(mg.tensor(image), CONSISTENCY.ranges, (0, Stream.AUGMENTATION, step)).numpy()
        for step in (1, 1, 2)
    )
    assert first.tobytes() == again.tobytes() != next_one.tobytes()
    assert len({one.tobytes() for one in (*first, *next_one)}) == 8
    rows, columns = np.indices((6, 10))
    for ink in (*first[..., 0], *next_one[..., 0]):
        assert abs((rows * ink).sum() / ink.sum() - 3) < 2.5  # the shift, and the rest of the map
        assert abs((columns * ink).sum() / ink.sum() - 5) < 2.5
