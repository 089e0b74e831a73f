"""Networks, images and readings for tests of the evaluation."""

import dataclasses
import json
import math
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

import minigan as mg
from minigan.datasets import LabeledImages
from minigan.experiments.declarations import MNIST
from minigan.experiments.evaluation_result import Evaluation
from minigan.infogan.codes import CodeLayout
from minigan.infogan.networks import Networks
from minigan.infogan.parts import GENERATED
from minigan.infogan.settings import Settings
from minigan.tensor import Tensor

TINY = dataclasses.replace(
    MNIST,
    trunk="conv 4 | conv 8 bn | fc 16 bn",
    generator="fc 16 bn | fc 7x7x8 bn | up 4 bn | up 1 sigmoid",
    noise=6,
    batch_size=8,
    dtype="float64",  # so that another batch size rounds no differently than can be told apart
)

LAYOUT = CodeLayout.parse("Cat(4) + Uniform + Cat(3) + Uniform")


def random_reading(seed: int, samples: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """Q's parameters and the codes, for `LAYOUT`."""
    rng = np.random.default_rng(seed)
    categories = [rng.integers(0, size, samples) for size in (4, 3)]
    first, second = rng.uniform(-1, 1, (2, samples))
    parameters = rng.normal(0, 2, (samples, 9))
    return parameters, np.stack([categories[0], first, categories[1], second], axis=1)


def random_images(count: int, seed: int, classes: int = 4) -> LabeledImages:
    """Large random squares, and a label each."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(0, 256, (count, 4, 4, 1)).astype(np.uint8)
    labels = rng.integers(0, classes, count).astype(np.uint8)
    labels[:classes] = np.arange(classes)
    return LabeledImages(squares.repeat(7, axis=1).repeat(7, axis=2), labels)


TRAIN, TEST = random_images(33, 1), random_images(21, 2)


def lively(settings: Settings) -> Networks:
    """Networks with varied answers, and with running statistics that differ by group."""
    rng, networks = np.random.default_rng(0), Networks(settings)
    for name, value in networks.named_tensors():
        if "running_var" in name:
            value.copy_(rng.uniform(0.5, 2, value.shape))
        elif "running_mean" in name:
            value.copy_(rng.normal(0, 0.5, value.shape))
        elif value.ndim > 1:
            value.copy_(rng.normal(0, 2, value.shape) / math.sqrt(math.prod(value.shape[:-1])))
    return networks


# A stand-in for networks that have learned everything. G's "images" are its latents, and Q reads
# those. In a real image Q reads the pixel as the category, without doubt.

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


def check_json(evaluation: Evaluation) -> dict[str, Any]:
    """Finite, plain, and the same after a round trip."""
    values: dict[str, Any] = json.loads(
        json.dumps(evaluation.to_json(), allow_nan=False, sort_keys=True)
    )
    assert Evaluation.from_json(values).rows() == evaluation.rows()
    return values
