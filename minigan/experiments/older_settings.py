"""Settings in the files of older runs: their names, and what these became."""

from __future__ import annotations

import re
from typing import Any

from minigan.errors import SettingsError
from minigan.experiments.settings_by_name import settings_from_json
from minigan.infogan.settings import Settings

# Steps that the fractions of an older run's schedule are of: its own steps are kept to the step.
_SCHEDULE = 4000

# Older name: (extension, name, whether a step became a fraction).
_CONSISTENCY = {
    "lambda_consistency": ("weight", False),
    "consistency_start": ("start", True),
    "consistency_balance": ("entropy_weight", False),
    "consistency_balance_start": ("entropy_weight_start", True),
    "consistency_two_way_until": ("symmetric_until", True),
    "warp_rotation": ("rotation", False),
    "warp_scale": ("scale", False),
    "warp_shear": ("shear", False),
    "warp_shift": ("shift", False),
    "strips": ("rectangles", False),
    "strip_thickness": ("rectangle_thickness", False),
    "strip_length": ("rectangle_length", False),
}
# What an older run did where its file lacks the setting.
_DEFAULTS = {
    "lambda_consistency": 0.0, "consistency_start": 500, "consistency_balance": 1.0,
    "consistency_balance_start": 1, "consistency_two_way_until": 0, "warp_rotation": 15.0,
    "warp_scale": 0.1, "warp_shear": 0.2, "warp_shift": 2.0, "strips": 0,
    "strip_thickness": 4.0, "strip_length": 12.0,
}  # fmt: skip
_FIGURES = {"mnist": 2, "faces": 3, "chairs": 4, "svhn": 5, "celeba": 6}
_OLDER = {*_CONSISTENCY, "views", "views_start", "average_decay"}


def read_settings(values: Any) -> Settings:
    """Return the settings in a file of a run: what `Settings.to_json` gave, or those of an older minigan.

    Raises:
        SettingsError: The values are something else, in one sentence.
    """
    return settings_from_json(translated(values) if isinstance(values, dict) else values)


def translated(values: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of an older file under today's names; today's are returned as they are."""
    if "extensions" in values:
        return values
    kept = {name: value for name, value in values.items() if name not in _OLDER}
    extensions: dict[str, dict[str, Any]] = {}
    try:
        old = {**_DEFAULTS, **values}
        if old["lambda_consistency"]:
            extensions["consistency"] = {
                new: old[name] / _SCHEDULE if is_step else old[name]
                for name, (new, is_step) in _CONSISTENCY.items()
            }
        if old.get("views"):
            extensions["code_augmentation"] = {
                "codes": old["views"].replace(" adds ", " shear_offset "),
                "start": old.get("views_start", 1) / _SCHEDULE,
            }
        if old.get("average_decay"):
            steps = 1 / (1 - old["average_decay"])
            extensions["weight_averaging"] = {"window": steps / _SCHEDULE}
        experiment = str(old.get("experiment", "")).split("-")[0]
    except (TypeError, ZeroDivisionError, AttributeError) as error:
        raise SettingsError(f"these are not the settings of an older run: {error}") from error
    if extensions:
        kept["schedule_steps"] = _SCHEDULE
    kept["figure"] = _FIGURES.get(experiment, 0)
    if experiment == "mnist":
        kept["figure_limit"] = 2.0
        if not old.get("data"):
            kept.update(measures="strokes", reference="5 % (paper)")
    return {**kept, "extensions": extensions}


_GROUPS = {"warped": "augmented", "copied": "augmented_codes"}


def translated_tensor(name: str) -> str:
    """Return today's name of a tensor in a checkpoint: batch norms have PyTorch's names, and other groups, now."""
    name = name.replace(".running_variance.", ".running_var.")
    group = re.search(r"\.(warped|copied)$", name)
    return name if group is None else f"{name[: group.start()]}.{_GROUPS[group[1]]}"
