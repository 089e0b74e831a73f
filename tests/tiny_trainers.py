"""Trainers of small networks of odd shapes, and readings of them for tests."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import tiny_networks

from minigan.experiments.declarations import MNIST
from minigan.experiments.trainer import Trainer
from minigan.infogan.extensions import (
    CodeAugmentationSettings,
    ConsistencySettings,
    WeightAveragingSettings,
)
from minigan.infogan.settings import Settings
from minigan.tensor import Tensor

# Odd in all that may be odd, and every setting another than the default.
ODD = dataclasses.replace(
    MNIST,
    image_shape=(6, 10, 3),
    trunk="conv 3 | conv 5 s1 bn | fc 7 bn",
    generator="fc 9 bn | fc 3x5x5 bn | up 3 s1 | up 3 tanh",
    noise=3,
    codes="Cat(3) + 2*Uniform + Cat(2)",
    image_low=-1.0,
    negative_slope=0.2,
    learning_rate_discriminator=3e-3,
    learning_rate_generator=7e-3,
    lambda_categorical=0.7,
    lambda_continuous=2.5,
    batch_size=5,
    dtype="float64",
    schedule_steps=100,
    extensions=(WeightAveragingSettings(window=4 / 100),),
)
GAN = dataclasses.replace(ODD, objective="gan")
AVERAGING = ODD.extensions
CONSISTENCY = ConsistencySettings(
    weight=1.3,
    start=3 / 100,
    symmetric_until=4 / 100,
    entropy_weight=1.2,
    entropy_weight_start=4 / 100,
    rotation=20.0,
    scale=0.1,
    shear=0.2,
    shift=1.5,
    rectangles=1,
    rectangle_thickness=2.0,
    rectangle_length=3.0,
)
CODES = CodeAugmentationSettings(
    codes="c3 rotation 40 shift 1 | c2 shear 0.5 shear_offset 0.75", start=0.0
)
# The paper's MNIST networks, with fewer channels.
TINY = dataclasses.replace(tiny_networks.TINY, batch_size=4, dtype="float64")


def random_images(settings: Settings, count: int = 20) -> np.ndarray:
    shape = (count, *settings.image_shape)
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def make(settings: Settings) -> Trainer:
    return Trainer(settings, random_images(settings))


def lively(settings: Settings) -> Trainer:
    """A trainer with networks far from their start, so that every gradient counts."""
    rng, trainer = np.random.default_rng(1), make(settings)
    for _, value in trainer.networks.named_tensors():
        if value.requires_grad:
            fan_in = math.prod(value.shape[:-1]) if value.ndim > 1 else 4
            value.copy_(rng.normal(0, 1 / math.sqrt(fan_in), value.shape) + (value.ndim == 1))
    return trainer


def parameters_of(trainer: Trainer) -> dict[str, Tensor]:
    return {name: t for name, t in trainer.networks.named_tensors() if t.requires_grad}


def changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    return {name for name in before if not np.array_equal(before[name], after[name])}


def captured(trainer: Trainer, half: Callable[..., Any], *arguments: Any) -> tuple[Tensor, Any]:
    """Return the objective that a half minimizes, and the half's result."""
    with mock.patch("minigan.infogan.step.minimize") as minimize:
        result = half(*arguments, trainer.step_count + 1)
    minimize.assert_called_once()
    return minimize.call_args.args[1], result


def discriminator_objective(trainer: Trainer) -> Tensor:
    latents, codes = trainer.latents(1)
    real, fake = trainer.real_images(1), trainer.generator(latents).detach()
    return captured(trainer, trainer.update_discriminator, real, fake, codes)[0]


def generator_objective(trainer: Trainer) -> Tensor:
    latents, codes = trainer.latents(1)
    return captured(trainer, trainer.update_generator, trainer.generator(latents), codes)[0]
