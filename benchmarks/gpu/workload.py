"""A few training steps for NVIDIA's tools to watch: ``python -m benchmarks.gpu.workload steps``.

The networks are narrow and the batch is small, since a watched kernel is a hundred times slower.
"""

from __future__ import annotations

import dataclasses
import sys

import numpy as np

from benchmarks.gpu.contenders import SMALL
from minigan.experiments.declarations import MNIST
from minigan.infogan.settings import Settings

_NARROW = dataclasses.replace(
    MNIST,
    trunk="conv 16 | conv 32 bn | fc 64 bn",
    generator="fc 64 bn | fc 7x7x32 bn | up 16 bn | up 1 sigmoid",
    batch_size=16,
)


def watched_settings(device: str, small: bool) -> Settings:
    """Return the settings of the steps that are watched."""
    return dataclasses.replace(SMALL if small else _NARROW, device=device)


def take_steps(device: str, small: bool, capture: bool, steps: int) -> None:
    """Train on random images."""
    from minigan.experiments.trainer import Trainer

    settings = watched_settings(device, small)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (2 * settings.batch_size, 28, 28, 1), dtype=np.uint8)
    trainer = Trainer(settings, images, capture=capture)
    for _ in range(steps):
        trainer.step()


def main(arguments: list[str]) -> None:
    """Take ``steps``: plain ones, then captured ones. ``one``: a single plain step."""
    kind, small = arguments[0], "--small" in arguments
    if kind == "one":
        take_steps("cuda", small, capture=False, steps=1)
    else:
        take_steps("cuda", small, capture=True, steps=4)


if __name__ == "__main__":
    main(sys.argv[1:])
