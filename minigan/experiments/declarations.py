"""The paper's experiments, and presets beside them, each in one declaration.

The networks, codes and λ are those of the paper's appendix C.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minigan.datasets.catalogue import SCENES
from minigan.errors import SettingsError
from minigan.experiments.names import long_name
from minigan.experiments.settings_by_name import with_values
from minigan.infogan.extensions import (
    CodeAugmentationSettings,
    ConsistencySettings,
    WeightAveragingSettings,
)
from minigan.infogan.settings import Settings

# The paper's networks, with the initialization and schedule of its authors' public code: 50 epochs of 100
# updates. Departures: the slope is the paper's 0.1 (the code has 0.01), and both halves of a step
# share one forward pass of G (the code draws new latents for G's half). No bias stands before a
# batch norm, and images are drawn with replacement.
MNIST = Settings(
    experiment="mnist",
    image_shape=(28, 28, 1),
    trunk="conv 64 | conv 128 bn | fc 1024 bn",
    generator="fc 1024 bn | fc 7x7x128 bn | up 64 bn | up 1 sigmoid",
    noise=62,
    codes="Cat(10) + 2*Uniform",
    figure=2,
    figure_limit=2.0,
    measures="strokes",
    reference="5 % (paper)",
)

# Not the paper's: half as wide, with all three extensions. c1 sorts real digits, c2 is their slant and c3 the width of their
# strokes (docs/experiments.md).
MNIST_EXTENDED = dataclasses.replace(
    MNIST,
    experiment="mnist-extended",
    trunk="conv 32 | conv 64 bn | fc 512 bn",
    generator="fc 512 bn | fc 7x7x64 bn | up 32 bn | up 1 sigmoid",
    iterations=4000,
    extensions=(
        ConsistencySettings(split_merge_threshold=0.2),
        CodeAugmentationSettings(),
        WeightAveragingSettings(),
    ),
)

# The other experiments have MNIST's schedule, twice as long, since the paper gives none. Real images are scaled to the
# range of G's last layer. The appendix's 168 inputs of G imply four continuous codes here: codes="4*Cat(10) + 4*Uniform".
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
    figure=5,
)

CELEBA = dataclasses.replace(
    SVHN, experiment="celeba", dataset="celeba", noise=128, codes="10*Cat(10)", figure=6
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
    figure=3,
)

# Not the paper's: half as wide, λ 1 in place of 0.2, and moving averages of the weights: some minutes of training.
FACES_QUICK = dataclasses.replace(
    FACES,
    experiment="faces-quick",
    trunk="conv 32 | conv 64 bn | fc 512 bn",
    generator="fc 512 bn | fc 8x8x64 bn | up 32 bn | up 1 sigmoid",
    lambda_continuous=1.0,
    iterations=3000,
    extensions=(WeightAveragingSettings(window=1 / 6),),
)

# The appendix has three categorical codes: codes="3*Cat(20) + Uniform".
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
    figure=4,
)

EXPERIMENTS = {settings.experiment: settings for settings in (MNIST, SVHN, CELEBA, FACES, CHAIRS)}
PRESETS = {settings.experiment: settings for settings in (MNIST_EXTENDED, FACES_QUICK)}
_FORMER_PRESETS = ("quick", "stable", "strokes")  # of mnist
_DECLARED = EXPERIMENTS | PRESETS


def get_experiment(name: str, preset: str | None = None) -> Settings:
    """Return the declaration of that name, or the one in that TOML file.

    The preset "extended" of "mnist" is the declaration "mnist-extended".

    Raises:
        SettingsError: There is no such experiment or preset.
    """
    if preset is not None:
        start = f"{name}-"
        presets = [other.removeprefix(start) for other in PRESETS if other.startswith(start)]
        if name == "mnist" and preset in _FORMER_PRESETS:
            raise SettingsError(f"the preset '{preset}' of mnist is now 'extended'")
        if preset not in presets:
            raise SettingsError(
                f"{name} has no preset '{preset}'; it has {', '.join(presets) or 'none'}"
            )
        name = start + preset
    if name.endswith(".toml"):
        return read_declaration(Path(name))
    if name not in _DECLARED:
        raise SettingsError(
            f"there is no experiment '{name}'; there is {', '.join(EXPERIMENTS)}, images with --data, or a .toml file "
            "of your own"
        )
    return _DECLARED[name]


def read_declaration(path: Path) -> Settings:
    """Read a user's experiment: TOML with `base`, a declared experiment, and the settings that differ.

    A table [consistency] holds settings of that extension. The experiment is named by `experiment`, or by the file. A relative
    path in `data` starts at the file's folder.

    Raises:
        SettingsError: The file is wrong, in one sentence.
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
    try:
        return _declared(_DECLARED[base], values, path)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def _declared(base: Settings, values: dict[str, Any], path: Path) -> Settings:
    values.setdefault("experiment", path.stem)
    _check_name(values["experiment"])
    if "device" in values:
        raise SettingsError("the device is no part of an experiment; choose it by --device")
    if "data" in values:
        base = base.with_data(absolute_data(str(values.pop("data")), path.parent))
    tables = {name: value for name, value in values.items() if isinstance(value, dict)}
    flat = {name: value for name, value in values.items() if name not in tables}
    for extension, table in tables.items():
        flat |= {f"{extension}.{name}": value for name, value in table.items()}
    return with_values(base, flat)


def _check_name(experiment: object) -> None:
    """Raise SettingsError unless a run's folder can be called so."""
    if not re.fullmatch(r"\w[\w.-]*", str(experiment)):
        raise SettingsError(
            f"experiment is a name of letters, digits, '.', '-' and '_', not '{experiment}'"
        )


def absolute_data(data: str, start: Path) -> str:
    """Return where the images are, as `Settings.data` holds it: "", "scenes", or a path made absolute from `start`."""
    if data in ("", SCENES):
        return data
    return str((start / Path(data).expanduser()).resolve())


def with_choices(
    settings: Settings, options: Mapping[str, Any], assignments: Sequence[str] = ()
) -> Settings:
    """Return settings with a user's values: those of options of the command line, and of `--set`.

    A relative path in `data` starts at the current folder. The device is "auto" where none is chosen.

    Args:
        settings: a declared experiment.
        options: values by the settings' names.
        assignments: texts like "consistency.weight=2".

    Raises:
        SettingsError: A value is wrong, or a setting is given by an option and by `--set`.
    """
    assigned = parse_assignments(assignments)
    if twice := [name for name in assigned if name in options]:
        raise SettingsError(f"{twice[0]} is given by its option and by --set; give it once")
    values = {"device": "auto", **options, **assigned}
    _check_name(values.get("experiment", settings.experiment))
    if "data" in values:
        settings = settings.with_data(absolute_data(values.pop("data"), Path.cwd()))
    return with_values(settings, values, read_text=True)


def parse_assignments(texts: Sequence[str]) -> dict[str, str]:
    """Return the names and values of texts like "consistency.weight=2", for `Settings.with_values`.

    Raises:
        SettingsError: A text is no NAME=VALUE, or a name comes twice.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = long_name(name)
        if not equals or not name:
            raise SettingsError(f"--set is NAME=VALUE, like --set noise=62; not '{text}'")
        if name in values:
            raise SettingsError(f"--set {name} is given twice")
        values[name] = value.strip()
    return values
