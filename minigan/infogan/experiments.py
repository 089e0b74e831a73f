"""The paper's experiments: everything that is set for a run, in one flat and readable declaration each."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from minigan.devices.precision import FLOAT32_PRECISIONS
from minigan.errors import SettingsError
from minigan.infogan.codes import CodeLayout

OBJECTIVES = ("infogan", "gan")
DTYPES = ("float32", "float64")

_MOST_STEPS = 10**8 - 1  # the names of checkpoints have eight digits

# A setting, its least value and its largest.
_RANGES = (
    ("iterations", 1, _MOST_STEPS),
    ("batch_size", 2, 10**6),
    ("checkpoint_every", 1, _MOST_STEPS),
    ("sample_every", 1, _MOST_STEPS),
    ("noise", 0, 10**6),
    ("lambda_categorical", 0, 1e30),
    ("lambda_continuous", 0, 1e30),
    ("learning_rate_discriminator", 1e-12, 1e30),
    ("learning_rate_generator", 1e-12, 1e30),
    ("beta1", 0, 1 - 1e-9),
    ("beta2", 0, 1 - 1e-9),
    ("negative_slope", 0, 1),
    ("image_low", -1, 0),
)


@dataclass(frozen=True)
class Settings:
    """Everything that a run depends on; ``experiment.json`` holds it.

    `trunk` and `generator` are read by ``networks.py``, `codes` by ``codes.py``. `lambda_categorical` and
    `lambda_continuous` are λ of each kind of code. `beta1` and `beta2` are Adam's. Images are scaled to
    [`image_low`, 1]. `device` is the one that computes, never "auto": a run goes on where it began.
    `float32_precision` is that of the training steps' products (`minigan.set_float32_precision`).
    """

    experiment: str
    image_shape: tuple[int, int, int]
    trunk: str
    generator: str
    noise: int
    codes: str
    objective: str = "infogan"
    image_low: float = 0.0
    negative_slope: float = 0.1
    learning_rate_discriminator: float = 2e-4
    learning_rate_generator: float = 1e-3
    beta1: float = 0.5
    beta2: float = 0.999
    lambda_categorical: float = 1.0
    lambda_continuous: float = 1.0
    batch_size: int = 128
    iterations: int = 5000
    seed: int = 0
    dtype: str = "float32"
    float32_precision: str = "ieee"
    device: str = "cpu"
    checkpoint_every: int = 500
    sample_every: int = 250

    def __post_init__(self) -> None:
        CodeLayout.parse(self.codes)
        for name, allowed in (
            ("objective", OBJECTIVES),
            ("dtype", DTYPES),
            ("float32_precision", FLOAT32_PRECISIONS),
        ):
            if getattr(self, name) not in allowed:
                raise SettingsError(
                    f"{name} '{getattr(self, name)}' is unknown; it is one of {', '.join(allowed)}"
                )
        for name, low, high in _RANGES:
            value = getattr(self, name)
            if not value >= low:  # a NaN is in no range
                raise SettingsError(f"{name} must be at least {low:,}, not {value}")
            if value > high:
                raise SettingsError(f"{name} must be at most {high:,}, not {value}")
        if not 0 <= self.seed < 2**64:
            raise SettingsError(f"seed must be in 0 … 2⁶⁴ − 1, not {self.seed}")

    @property
    def layout(self) -> CodeLayout:
        return CodeLayout.parse(self.codes)

    def to_json(self) -> dict[str, Any]:
        """As plain values; `from_json` reads them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Settings:
        """The settings of an ``experiment.json``; SettingsError if they are not all there, or not settings."""
        names = {field.name for field in dataclasses.fields(cls)}
        if set(values) != names:
            raise SettingsError(
                f"these are not the settings of a run: missing {sorted(names - set(values)) or 'none'}, "
                f"unknown {sorted(set(values) - names) or 'none'}"
            )
        return cls(**{**values, "image_shape": tuple(values["image_shape"])})


# The paper's networks, with the initialization and schedule of its authors' public code: 50 epochs of 100
# updates. Departures: the slope is the paper's 0.1 (the code has 0.01), both halves of a step share one
# forward pass of G (the code draws new latents for G's half), no bias stands before a batch norm, and images
# are drawn with replacement.
MNIST = Settings(
    experiment="mnist",
    image_shape=(28, 28, 1),
    trunk="conv 64 | conv 128 bn | fc 1024 bn",
    generator="fc 1024 bn | fc 7x7x128 bn | up 64 bn | up 1 sigmoid",
    noise=62,
    codes="Cat(10) + 2*Uniform",
)

EXPERIMENTS = {MNIST.experiment: MNIST}


def get_experiment(name: str) -> Settings:
    """The declaration of that name; SettingsError names those that there are."""
    if name not in EXPERIMENTS:
        raise SettingsError(f"there is no experiment '{name}'; there is {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
