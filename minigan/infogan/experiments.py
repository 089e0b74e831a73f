"""The paper's experiments: everything that is set for a run, in one flat and readable declaration each."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minigan.datasets.catalogue import CATALOGUE, SCENES
from minigan.devices.kernels import AffineRanges, OcclusionSizes
from minigan.devices.precision import FLOAT32_PRECISIONS
from minigan.errors import SettingsError
from minigan.infogan.codes import CodeLayout
from minigan.infogan.views import WARP_LIMITS, parse_views

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
    ("lambda_consistency", 0, 1e30),
    ("views_start", 1, _MOST_STEPS),
    ("consistency_start", 1, _MOST_STEPS),
    ("consistency_balance", 0, 1e30),
    ("consistency_balance_start", 1, _MOST_STEPS),
    ("consistency_two_way_until", 0, _MOST_STEPS),
    *((f"warp_{change}", 0, most) for change, most in WARP_LIMITS.items()),
    ("strips", 0, 1000),
    ("strip_thickness", 0, 1e6),
    ("strip_length", 0, 1e6),
    ("average_decay", 0, 1 - 1e-9),
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
    `lambda_continuous` are λ of each kind of code. `lambda_consistency`, 0 in the paper's recipes, is the weight of
    ``objective.view_information`` for categorical codes, from step `consistency_start` on: both ways between images and
    copies, a half each, until step `consistency_two_way_until`, then from the image to the copy; its balance is 1, and from
    step `consistency_balance_start` on `consistency_balance`. A copy (``training.second_view``) is under `strips` black and
    white strips of at most `strip_thickness` by `strip_length` pixels, and then warped by at most `warp_rotation` degrees,
    `warp_scale` of its size, a shear of `warp_shear` and `warp_shift` pixels. A code of `views` (``views.py``) is read by D's half
    not in the generated images, but in copies of them; it is part of the objective from step `views_start` on, and noise until then. With an `average_decay` what is evaluated and
    drawn are moving averages of all weights and statistics (``Trainer.averages``), 0 in the paper's recipes. `beta1` and
    `beta2` are Adam's. Images are scaled to [`image_low`, 1].
    `device` is the one that computes, never "auto": a run goes on where it began. `float32_precision` is that of the
    training steps' products (`minigan.set_float32_precision`). `dataset` says how the images at `data` are read
    (``minigan.datasets.catalogue``); `data` is an absolute path, "" for what is inside minigan, or "scenes" for what it
    draws.
    """

    experiment: str
    image_shape: tuple[int, int, int]
    trunk: str
    generator: str
    noise: int
    codes: str
    dataset: str = "mnist"
    data: str = ""
    objective: str = "infogan"
    image_low: float = 0.0
    negative_slope: float = 0.1
    learning_rate_discriminator: float = 2e-4
    learning_rate_generator: float = 1e-3
    beta1: float = 0.5
    beta2: float = 0.999
    lambda_categorical: float = 1.0
    lambda_continuous: float = 1.0
    lambda_consistency: float = 0.0
    consistency_start: int = 500
    consistency_balance: float = 1.0
    consistency_balance_start: int = 1
    consistency_two_way_until: int = 0
    warp_rotation: float = 15.0
    warp_scale: float = 0.1
    warp_shear: float = 0.2
    warp_shift: float = 2.0
    strips: int = 0
    strip_thickness: float = 4.0
    strip_length: float = 12.0
    views: str = ""
    views_start: int = 1
    average_decay: float = 0.0
    batch_size: int = 128
    iterations: int = 5000
    seed: int = 0
    dtype: str = "float32"
    float32_precision: str = "ieee"
    device: str = "cpu"
    checkpoint_every: int = 500
    sample_every: int = 250

    def __post_init__(self) -> None:
        views = parse_views(self.views, CodeLayout.parse(self.codes))
        sides = self.image_shape
        if len(sides) != 3 or not all(type(side) is int and side > 0 for side in sides):
            raise SettingsError(f"image_shape is height, width and channels, not {list(sides)}")
        for name, allowed in (
            ("objective", OBJECTIVES),
            ("dtype", DTYPES),
            ("float32_precision", FLOAT32_PRECISIONS),
            ("dataset", tuple(CATALOGUE)),
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
        if len(views) > self.batch_size:
            raise SettingsError(
                f"batch_size {self.batch_size} has no image for each of {len(views)} views"
            )
        if not 0 <= self.seed < 2**64:
            raise SettingsError(f"seed must be in 0 … 2⁶⁴ − 1, not {self.seed}")

    @property
    def warp_ranges(self) -> AffineRanges:
        """How far a copy of an image may be warped."""
        rotation = math.radians(self.warp_rotation)
        return AffineRanges(rotation, self.warp_scale, self.warp_shear, self.warp_shift)

    @property
    def strip_sizes(self) -> OcclusionSizes:
        """How large the strips over a copy of an image may be."""
        return OcclusionSizes(self.strip_thickness, self.strip_length)

    @property
    def layout(self) -> CodeLayout:
        return CodeLayout.parse(self.codes)

    @property
    def title(self) -> str:
        """The experiment, and what it is trained on if that is not its own data."""
        return f"{self.experiment} on {Path(self.data).name}" if self.data else self.experiment

    def to_json(self) -> dict[str, Any]:
        """As plain values; `from_json` reads them back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Settings:
        """The settings of an ``experiment.json``; SettingsError if some are not there, or are no settings.

        One that has a default may be absent, in a run that is older than the setting: defaults are what was done before.
        """
        fields = dataclasses.fields(cls)
        missing = {field.name for field in fields if field.default is dataclasses.MISSING} - set(
            values
        )
        unknown = set(values) - {field.name for field in fields}
        if missing or unknown:
            raise SettingsError(
                f"these are not the settings of a run: missing {sorted(missing) or 'none'}, "
                f"unknown {sorted(unknown) or 'none'}"
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

_HALF_WIDTH = dataclasses.replace(
    MNIST,
    trunk="conv 32 | conv 64 bn | fc 512 bn",
    generator="fc 512 bn | fc 7x7x64 bn | up 32 bn | up 1 sigmoid",
)

# Not the paper's: once c₁ means something, Q also learns it from real images, which it reads as it reads copies of them, and
# what is evaluated are moving averages of all weights (docs/experiments.md has what each setting brought).
MNIST_STABLE = dataclasses.replace(
    _HALF_WIDTH,
    experiment="mnist-stable",
    lambda_consistency=2.0,
    consistency_start=750,
    consistency_balance=1.2,
    consistency_balance_start=1500,
    consistency_two_way_until=2250,
    warp_rotation=20.0,
    warp_scale=0.2,
    warp_shear=0.3,
    warp_shift=3.0,
    strips=2,
    average_decay=0.998,
    iterations=4000,
)

# And once c₁ is settled, c₂ and c₃ are read in changed copies of generated images, so that one becomes the slant and the other the
# width of strokes.
MNIST_STROKES = dataclasses.replace(
    MNIST_STABLE,
    experiment="mnist-strokes",
    views="c2 scale 0.3 shear 0.3 shift 3 adds 0.6 | c3 rotation 90 shear 0.5 shift 3",
    views_start=2250,
)

# `MNIST_STROKES` as far as a few minutes on two cores lead.
MNIST_QUICK = dataclasses.replace(
    MNIST_STROKES,
    experiment="mnist-quick",
    consistency_start=500,
    consistency_balance_start=1000,
    consistency_two_way_until=1500,
    views_start=1500,
    average_decay=0.995,
    iterations=2500,
)

# The others, with the paper's networks, codes and λ (its appendix C); their schedule is MNIST's, twice as long, since
# the paper gives none. Real images are scaled to the range of G's last layer.

# The appendix's 168 inputs of G imply four continuous codes: --codes "4*Cat(10) + 4*Uniform".
SVHN = Settings(
    experiment="svhn",
    dataset="svhn",
    image_shape=(32, 32, 3),
    image_low=-1.0,
    trunk="conv 64 | conv 128 bn | conv 256 bn",
    generator="fc 2x2x448 bn | up 256 bn | up 128 | up 64 | up 3 tanh",
    noise=124,
    codes="4*Cat(10) + 2*Uniform",
    iterations=10_000,
)

CELEBA = dataclasses.replace(
    SVHN, experiment="celeba", dataset="celeba", noise=128, codes="10*Cat(10)"
)

FACES = Settings(
    experiment="faces",
    dataset="faces",
    image_shape=(32, 32, 1),
    trunk="conv 64 | conv 128 bn | fc 1024 bn",
    generator="fc 1024 bn | fc 8x8x128 bn | up 64 bn | up 1 sigmoid",
    noise=128,
    codes="5*Uniform",
    lambda_continuous=0.2,
    learning_rate_generator=5e-4,
    iterations=10_000,
)

# Not the paper's: half as wide, and λ 1 instead of 0.2, as far as some minutes lead; what is evaluated are moving averages.
FACES_QUICK = dataclasses.replace(
    FACES,
    experiment="faces-quick",
    trunk="conv 32 | conv 64 bn | fc 512 bn",
    generator="fc 512 bn | fc 8x8x64 bn | up 32 bn | up 1 sigmoid",
    lambda_continuous=1.0,
    average_decay=0.998,
    iterations=3000,
)

# The appendix has three categorical codes: --codes "3*Cat(20) + Uniform".
CHAIRS = Settings(
    experiment="chairs",
    dataset="chairs",
    image_shape=(64, 64, 1),
    trunk="conv 64 | conv 128 bn | conv 256 bn | conv 256 s1 bn | conv 256 s1 bn | fc 1024 bn",
    generator="fc 1024 bn | fc 8x8x256 bn | up 256 s1 bn | up 256 s1 bn | up 128 bn | up 64 bn | up 1 sigmoid",
    noise=128,
    codes="4*Cat(20) + Uniform",
    lambda_continuous=10.0,
    iterations=10_000,
)

EXPERIMENTS = {settings.experiment: settings for settings in (MNIST, SVHN, CELEBA, FACES, CHAIRS)}
PRESETS = {
    settings.experiment: settings
    for settings in (MNIST_STABLE, MNIST_STROKES, MNIST_QUICK, FACES_QUICK)
}
_DECLARED = EXPERIMENTS | PRESETS


def get_experiment(name: str, preset: str | None = None) -> Settings:
    """The declaration of that name, or the one in that TOML file; SettingsError names those that there are.

    The preset "quick" of "mnist" is the declaration "mnist-quick".
    """
    if preset is not None:
        start = f"{name}-"
        presets = [other.removeprefix(start) for other in PRESETS if other.startswith(start)]
        if preset not in presets:
            raise SettingsError(
                f"{name} has no preset '{preset}'; it has {', '.join(presets) or 'none'}"
            )
        name = start + preset
    if name.endswith(".toml"):
        return read_declaration(Path(name))
    if name not in _DECLARED:
        raise SettingsError(
            f"there is no experiment '{name}'; there is {', '.join(EXPERIMENTS)}, or a .toml file of your own"
        )
    return _DECLARED[name]


def read_declaration(path: Path) -> Settings:
    """An experiment of the user's own: TOML with `base`, one of `EXPERIMENTS` or `PRESETS`, and the settings that differ.

    It is named by `experiment`, or by the file; a relative path in `data` starts at the file's folder.
    SettingsError says in one sentence what is wrong.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(
            f"there is no file {path}; an experiment of your own is a TOML file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    base = values.pop("base", None)
    if base not in _DECLARED:
        found = "none" if base is None else repr(base)
        raise SettingsError(
            f'{path}: expected base = "mnist" or another of {", ".join(EXPERIMENTS)}, found {found}'
        )
    values.setdefault("experiment", path.stem)
    try:
        check_types(values)
        if not re.fullmatch(r"\w[\w.-]*", values["experiment"]):
            raise SettingsError(
                f"experiment is a name of letters, digits, '.', '-' and '_', not '{values['experiment']}'"
            )
        if "device" in values:
            raise SettingsError("the device is no part of an experiment; choose it by --device")
        if "data" in values:
            values["data"] = absolute_data(values["data"], path.parent)
        if "image_shape" in values:
            values["image_shape"] = tuple(values["image_shape"])
        return dataclasses.replace(_DECLARED[base], **values)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def check_types(values: dict[str, Any]) -> None:
    """SettingsError if a value, as JSON or TOML wrote it, is no setting or not of the setting's type."""
    written = {float: (float, int), tuple: (list,)}
    if not isinstance(values, dict):
        raise SettingsError(f"settings are names with values, not {values!r}")
    examples = MNIST.to_json()
    for name, value in values.items():
        if name not in examples:
            similar = difflib.get_close_matches(name, examples, 1)
            hint = f"did you mean {similar[0]}?" if similar else f"there is {', '.join(examples)}"
            raise SettingsError(f"there is no setting {name}; {hint}")
        kind = type(examples[name])
        if type(value) not in written.get(kind, (kind,)):
            raise SettingsError(f"{name} is {value!r}, and not of type {kind.__name__}")


def absolute_data(data: str, start: Path) -> str:
    """Where the images are, as `Settings.data` holds it: "", "scenes", or a path made absolute from `start`."""
    if data in ("", SCENES):
        return data
    return str((start / Path(data).expanduser()).resolve())
