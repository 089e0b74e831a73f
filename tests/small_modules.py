"""A small network of every kind of parameter, and its contents."""

from typing import Any

import numpy as np

from minigan import nn
from minigan.random import Generator


def network(seed: int = 1, dtype: Any = np.float64) -> nn.Sequential:
    """A small discriminator: every kind of parameter and buffer, and a module in a module."""
    settings: dict[str, Any] = {"dtype": dtype, "generator": Generator(seed)}
    return nn.Sequential(
        nn.Conv2d(1, 4, 4, stride=2, padding=1, **settings),
        nn.LeakyReLU(),
        nn.Sequential(
            nn.Conv2d(4, 6, 4, stride=2, padding=1, bias=False, **settings),
            nn.BatchNorm(6, groups=("real", "generated"), negative_slope=0.1, dtype=dtype),
        ),
        nn.Flatten(),
        nn.Linear(24, 3, **settings),
    )


def contents(module: nn.Module) -> dict[str, bytes]:
    return {name: t.numpy().tobytes() for name, t in module.named_tensors()}
