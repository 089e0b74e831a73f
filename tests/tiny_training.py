"""A tiny run with files that can be compared, and ways to end it at a step."""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from minigan.experiments import training
from minigan.experiments.declarations import MNIST
from minigan.experiments.runs import Run
from minigan.experiments.step_metrics import StepMetrics
from minigan.experiments.trainer import Trainer

TINY = replace(
    MNIST, image_shape=(8, 8, 1), trunk="conv 4 | fc 8 bn", generator="fc 4x4x4 bn | up 1 sigmoid",
    noise=3, codes="Cat(3) + Uniform", batch_size=4, iterations=7, checkpoint_every=2, sample_every=3,
)  # fmt: skip
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)

Tree = dict[str, bytes]


def tree(directory: Path) -> Tree:
    """Every file but timing.jsonl, the only one that may differ between two runs of one seed."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "timing.jsonl"
    }


def train(run: Run, on_step: Callable[[StepMetrics], None] = lambda metrics: None) -> Trainer:
    """Go on with the run as `minigan resume` does."""
    trainer = Trainer(run.settings, IMAGES)
    run.restore(trainer)
    training.train(run, trainer, on_step)
    return trainer


def at(step: int, action: Callable[[], object]) -> Callable[[StepMetrics], None]:
    """What to call after each step to have `action` done after that one."""
    return lambda metrics: action() if metrics.step == step else None


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


class Killed(Exception):  # noqa: N818 (nothing is wrong)
    """The process is gone: nothing is saved."""


def kill() -> None:
    raise Killed
