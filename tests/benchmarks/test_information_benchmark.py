"""The plain GAN that InfoGAN is timed against, and the summary of the times."""

import dataclasses
from typing import Any

import numpy as np
from tiny_networks import TINY

from benchmarks import information, report
from benchmarks.information import INFOGAN, PLAIN_GAN, PlainTrainer, Plan
from minigan.experiments.trainer import Trainer

SMALL = dataclasses.replace(TINY, batch_size=6, dtype="float64")
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1)).astype(np.uint8)


def networks(trainer: Trainer) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in trainer.networks.named_tensors()}


def test_it_trains_as_infogan_with_a_lambda_of_0() -> None:
    plain = PlainTrainer(SMALL, IMAGES)
    blind = Trainer(
        dataclasses.replace(SMALL, lambda_categorical=0.0, lambda_continuous=0.0), IMAGES
    )
    start = networks(plain)
    for _ in range(3):
        ours, theirs = plain.step(), blind.step()
        np.testing.assert_allclose(ours[1:3], theirs[1:3], rtol=1e-12)
    expected = networks(blind)
    for name, value in networks(plain).items():
        if name.startswith("recognition"):
            np.testing.assert_array_equal(value, start[name])
        else:
            np.testing.assert_allclose(value, expected[name], rtol=1e-9, atol=1e-12)
            assert not np.array_equal(value, start[name])


def result(infogan: float) -> dict[str, Any]:
    times = {INFOGAN.name: [[infogan] * 2] * 3, PLAIN_GAN.name: [[100.0] * 2] * 3}
    return {**report.circumstances(), **information.summarize(times, Plan(rounds=3, steps=2))}


def test_the_table_says_whether_it_comes_for_free() -> None:
    text = information.table(result(104.0)).markdown()
    assert "| InfoGAN | 104.0 | 104.0 | 104.0 |" in text
    assert "1.040 (1.040 – 1.040); the goal is at most 1.05: reached." in text
    assert "1.060 (1.060 – 1.060); the goal is at most 1.05: not reached." in (
        information.table(result(106.0)).markdown()
    )
