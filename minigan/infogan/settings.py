"""Settings: everything that a run depends on. A field's meaning, unit and range stand beside it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minigan.datasets.catalogue import CATALOGUE
from minigan.devices.precision import FLOAT32_PRECISIONS
from minigan.errors import SettingsError
from minigan.fields import check_fields, setting
from minigan.infogan.codes import CodeLayout
from minigan.infogan.extensions import ExtensionSettings

OBJECTIVES = ("infogan", "gan")
DTYPES = ("float32", "float64")
MEASURES = ("", "strokes")
_MOST_STEPS = 10**8 - 1  # the names of checkpoints have eight digits


@dataclass(frozen=True)
class Settings:
    """Everything that a run depends on; ``experiment.json`` holds it.

    The fields are the paper's. `extensions` has the settings of everything that the paper does not have.
    """

    experiment: str = setting("Name of the experiment.")
    image_shape: tuple[int, int, int] = setting(
        "Height, width and channels of an image.", unit="pixels"
    )
    trunk: str = setting('D\'s layers, which Q shares, like "conv 64 | conv 128 bn | fc 1024 bn".')
    generator: str = setting('G\'s layers, like "fc 7x7x128 bn | up 64 bn | up 1 sigmoid".')
    noise: int = setting("Number of noise variables z.", low=0, high=10**6)
    codes: str = setting('The latent codes c, like "Cat(10) + 2*Uniform".')
    dataset: str = setting("How the images are read.", "mnist", choices=CATALOGUE)
    data: str = setting('Where the images are: a path, "" for inside minigan, "scenes".', "")
    objective: str = setting(
        "infogan, or gan: Fig. 1's baseline, where Q only reads.", "infogan", choices=OBJECTIVES
    )
    image_low: float = setting("Value of a black pixel; a white one is 1.", 0.0, low=-1, high=0)
    negative_slope: float = setting(
        "Slope of the leaky ReLU of D and Q below 0.", 0.1, low=0, high=1
    )
    learning_rate_discriminator: float = setting(
        "Adam's step size for D and Q.", 2e-4, low=1e-12, high=1e30
    )
    learning_rate_generator: float = setting("Adam's step size for G.", 1e-3, low=1e-12, high=1e30)
    beta1: float = setting("Adam's decay of the first moment.", 0.5, low=0, high=1 - 1e-9)
    beta2: float = setting("Adam's decay of the second moment.", 0.999, low=0, high=1 - 1e-9)
    lambda_categorical: float = setting("λ of categorical codes.", 1.0, low=0, high=1e30)
    lambda_continuous: float = setting("λ of continuous codes.", 1.0, low=0, high=1e30)
    batch_size: int = setting("Images of each kind in a step.", 128, low=2, high=10**6)
    iterations: int = setting("Steps of training.", 5000, low=1, high=_MOST_STEPS)
    schedule_steps: int = setting(
        "Steps that the fractions of a schedule are of; 0: iterations.", 0, low=0, high=_MOST_STEPS
    )
    seed: int = setting("Start of all random numbers.", 0, low=0, high=2**64 - 1)
    dtype: str = setting("Numbers of networks and images.", "float32", choices=DTYPES)
    float32_precision: str = setting(
        "Products of a step: ieee, or tf32 on a GPU's tensor cores.",
        "ieee", choices=FLOAT32_PRECISIONS,
    )  # fmt: skip
    device: str = setting("The device that computes.", "cpu")
    checkpoint_every: int = setting("Steps between checkpoints.", 500, low=1, high=_MOST_STEPS)
    sample_every: int = setting("Steps between sample grids.", 250, low=1, high=_MOST_STEPS)
    figure: int = setting("Number of the paper's figure that shows the codes.", 0, low=0, high=99)
    figure_limit: float = setting(
        "Figures vary a continuous code from minus this to this.", 1.0, low=0, high=1e6
    )
    measures: str = setting(
        "Measured of generated images: strokes, the slant and width of digits; or nothing.",
        "", choices=MEASURES,
    )  # fmt: skip
    reference: str = setting("The unsupervised error that the paper reports.", "")
    extensions: tuple[ExtensionSettings, ...] = ()

    def __post_init__(self) -> None:
        layout, sides = self.layout, self.image_shape
        if len(sides) != 3 or not all(type(side) is int and side > 0 for side in sides):
            raise SettingsError(f"image_shape is height, width and channels, not {list(sides)}")
        check_fields(self)
        for extension in self.extensions:
            check_fields(extension, f"{extension.name}.")
            extension.check(layout, self.batch_size)

    def with_data(self, data: str) -> Settings:
        """Return settings for other images: the experiment's own measures and reference do not hold for them."""
        if data == self.data:
            return self
        return dataclasses.replace(self, data=data, measures="", reference="")

    @property
    def layout(self) -> CodeLayout:
        """Return the codes, in order."""
        return CodeLayout.parse(self.codes)

    @property
    def schedule_length(self) -> int:
        """Return the number of steps that fractions of a schedule are of."""
        return self.schedule_steps or self.iterations

    @property
    def title(self) -> str:
        """Return the experiment, and its data, if they are another experiment's."""
        return f"{self.experiment} on {Path(self.data).name}" if self.data else self.experiment

    def extension(self, name: str) -> Any:
        """Return the settings of the extension of that name, or None."""
        return next((e for e in self.extensions if e.name == name), None)
