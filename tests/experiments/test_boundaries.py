"""Steps with metrics that are read together, and the host's work for a captured step."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigan.experiments.boundaries import steps_ahead
from minigan.experiments.declarations import MNIST
from minigan.experiments.runs import Run
from minigan.experiments.trainer import Trainer
from minigan.experiments.training import train

TINY = dataclasses.replace(
    MNIST,
    image_shape=(4, 4, 1),
    trunk="conv 2 | fc 3 bn",
    generator="fc 2x2x2 bn | up 1 sigmoid",
    noise=2,
    codes="Cat(2) + Uniform",
    batch_size=3,
    iterations=11,
    sample_every=7,
    checkpoint_every=5,
    measures="",
)
IMAGES = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 1), dtype=np.uint8)


class Ahead(Trainer):
    """A trainer on a device that computes three steps between two readings."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.readings: list[int] = []

    def steps(self, count: int) -> Any:
        self.readings.append(count)
        return super().steps(count)


def test_readings_end_at_samples_checkpoints_and_the_last_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Ahead(TINY, IMAGES)
    monkeypatch.setattr(type(trainer.device), "steps_per_reading", 3)
    assert steps_ahead(TINY, trainer) == 1
    train(Run.create(tmp_path / "ahead", TINY), trainer)
    assert trainer.readings == [1, 3, 1, 2, 3, 1]  # to 1, 4, 5 | 7 | 10, 11


def test_metrics_and_files_are_those_of_steps_that_are_read_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = {}
    for count in (1, 4):
        trainer = Trainer(TINY, IMAGES)
        monkeypatch.setattr(type(trainer.device), "steps_per_reading", count)
        run = Run.create(tmp_path / str(count), TINY)
        train(run, trainer)
        files = sorted(p for p in run.directory.rglob("*") if p.is_file())
        runs[count] = {
            p.relative_to(run.directory): p.read_bytes() for p in files if "timing" not in p.name
        }
    assert runs[1] == runs[4]
    lines = (tmp_path / "4" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, 12))


def test_a_captured_step_makes_few_calls_of_python() -> None:
    """A walk over all modules to mark a replay's writes made hundreds, longer than a GPU's step."""
    trainer = Trainer(dataclasses.replace(TINY, device="emulated"), IMAGES)
    for _ in range(4):
        trainer.step()
    values = trainer.device.asarray(np.zeros(4, np.float32))
    trainer._captured = lambda: values
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        trainer._take_step()
    finally:
        sys.setprofile(None)
    assert calls < 40
