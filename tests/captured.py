"""Small trainers for tests of captured steps."""

import dataclasses

import numpy as np

from minigan.experiments.declarations import MNIST
from minigan.experiments.step_metrics import StepMetrics
from minigan.experiments.trainer import Trainer
from minigan.infogan.extensions import (
    CodeAugmentationSettings,
    ConsistencySettings,
    WeightAveragingSettings,
)
from minigan.infogan.settings import Settings

SMALL = dataclasses.replace(
    MNIST,
    image_shape=(8, 12, 1),
    trunk="conv 3 | conv 5 bn | fc 7 bn",
    generator="fc 9 bn | fc 2x3x5 bn | up 3 | up 1 sigmoid",
    noise=3,
    codes="Cat(3) + 2*Uniform",
    batch_size=3,
    device="emulated",
    schedule_steps=100,
)
GAN = dataclasses.replace(SMALL, objective="gan")
TANH = dataclasses.replace(
    SMALL, generator="fc 9 bn | fc 2x3x5 bn | up 3 s1 tanh | up 3 bn | up 1 tanh", image_low=-1.0, dtype="float64"
)  # fmt: skip
CONSISTENCY = ConsistencySettings(weight=0.7, start=0.04, symmetric_until=0.06, entropy_weight=1.0)
CODES = CodeAugmentationSettings(
    codes="c2 shear 0.5 shear_offset 0.6 | c3 rotation 90 shift 1", start=0.0
)


def averaged(settings: Settings, steps: int) -> Settings:
    """The settings, with moving averages over so many steps."""
    averaging = WeightAveragingSettings(window=steps / 100)
    return dataclasses.replace(settings, extensions=(averaging,))


def consistent(start: int, symmetric_until: int = 6) -> Settings:
    """The settings, with a consistency term from a step on."""
    changed = dataclasses.replace(
        CONSISTENCY, start=start / 100, symmetric_until=symmetric_until / 100
    )
    return dataclasses.replace(SMALL, extensions=(changed,))


AVERAGED = averaged(SMALL, 2)
VARIANTS = {
    "infogan": SMALL,
    "gan": GAN,
    "tanh": TANH,
    "consistent": consistent(1),
    "averaged": AVERAGED,
    "code augmentation": dataclasses.replace(SMALL, extensions=(CODES,)),
}


def make(settings: Settings, capture: bool = True) -> Trainer:
    shape = (20, *settings.image_shape)
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    return Trainer(settings, images, capture=capture)


def steps(trainer: Trainer, count: int) -> list[StepMetrics]:
    return [trainer.step() for _ in range(count)]
