"""The plan of a sweep: the settings that all runs share, the seeds, and the grid."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from typing import Any

from minigan.errors import SettingsError
from minigan.experiments.declarations import MNIST
from minigan.experiments.names import long_name, short_name
from minigan.experiments.older_settings import read_settings
from minigan.experiments.settings_by_name import settings_to_json, with_values
from minigan.infogan.settings import Settings

# What names a sweep and its images, where it computes, and what --seeds is for.
_NOT_SWEPT = ("experiment", "dataset", "data", "image_shape", "device", "seed")
_MOST_RUNS = 10_000

Value = int | float | str


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep: `settings` with each seed, and with each combination of the grid's values.

    `grid` is (a setting, its values), the last one running fastest. `threads` is of one run: with another number
    the last bits differ, so it is a part of the plan.
    """

    settings: Settings
    seeds: tuple[int, ...]
    grid: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    threads: int = 1

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise SettingsError(f"a run takes at least one thread, not {self.threads}")
        count = len(self.seeds) * math.prod(len(values) for _, values in self.grid)
        if not 1 <= count <= _MOST_RUNS:
            raise SettingsError(f"a sweep is of 1 to {_MOST_RUNS:,} runs, not {count:,}")
        self.runs()  # SettingsError, if one of them cannot be

    def points(self) -> list[dict[str, Value]]:
        """Return the combinations of the grid's values; one empty one without a grid."""
        names = [name for name, _ in self.grid]
        combinations = itertools.product(*(values for _, values in self.grid))
        return [dict(zip(names, values, strict=True)) for values in combinations]

    def at(self, point: dict[str, Value], seed: int) -> Settings:
        """Return the settings of one run."""
        changes: dict[str, Any] = {**point, "seed": seed}
        return with_values(self.settings, changes)

    def name(self, point: dict[str, Value], seed: int) -> str:
        """Return the folder of that run: "lambda=0.5-seed3". A text that is no word is named by its place in the grid."""
        parts = []
        for name, values in self.grid:
            text = shown(point[name])
            if not re.fullmatch(r"[\w.+-]{1,30}", text):
                text = f"no{values.index(point[name]) + 1}"
            parts.append(f"{short_name(name)}={text}-")
        return "".join(parts) + f"seed{seed}"

    def runs(self) -> dict[str, Settings]:
        """Return the settings of each run, by the name of its folder."""
        return {
            self.name(point, seed): self.at(point, seed)
            for point in self.points()
            for seed in self.seeds
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "settings": settings_to_json(self.settings),
            "seeds": list(self.seeds),
            "grid": [[name, list(values)] for name, values in self.grid],
            "threads": self.threads,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Plan:
        """Read what `to_json` gave; SettingsError, KeyError, TypeError or ValueError if it is something else."""
        for name, own in values["grid"]:
            for value in own:
                with_values(MNIST, {name: value})
        if not all(type(seed) is int for seed in values["seeds"]):
            raise SettingsError("seeds are whole numbers")
        return cls(
            read_settings(values["settings"]),
            tuple(values["seeds"]),
            tuple((name, tuple(own)) for name, own in values["grid"]),
            int(values["threads"]),
        )

    def differences(self, other: Plan) -> list[str]:
        """Return what this plan has and what `other` has instead, by name."""

        def described(plan: Plan) -> dict[str, object]:
            settings = settings_to_json(plan.settings)
            del settings["seed"]  # it is the seeds' place
            grid = {
                f"grid of {short_name(name)}": ",".join(map(shown, own)) for name, own in plan.grid
            }
            seeds = ",".join(map(str, plan.seeds))
            return {"seeds": seeds, "threads": plan.threads, **grid, **settings}

        ours, theirs = described(self), described(other)
        return [
            f"{name} {ours.get(name, 'none')} and not {theirs.get(name, 'none')}"
            for name in dict.fromkeys([*ours, *theirs])
            if ours.get(name) != theirs.get(name)
        ]


def shown(value: Value) -> str:
    """Return a setting's value, as it would be typed."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds that a text names: "10" is 0 to 9, and a list has seeds and ranges: "3,5,10-19", "7-7"."""
    if re.fullmatch(r"\d+", text):
        return tuple(range(_at_most(int(text), text)))
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if not found:
            raise SettingsError(
                f"--seeds is how many, like 10, or a list, like 3,5,10-19; not '{text}'"
            )
        first, last = int(found[1]), int(found[2] or found[1])
        _at_most(last - first + 1, text)
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        raise SettingsError(f"--seeds {text} names a seed twice")
    return tuple(seeds)


def _at_most(count: int, text: str) -> int:
    if not 1 <= count <= _MOST_RUNS:
        raise SettingsError(f"--seeds {text} must name 1 to {_MOST_RUNS:,} seeds")
    return count


def parse_grid(texts: list[str]) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    """Return the grid of texts like "lambda=0.5,1,2", each value of the setting's type; SettingsError
    names the fault."""
    grid: dict[str, tuple[Value, ...]] = {}
    for text in texts:
        typed, equals, listed = text.partition("=")
        name = long_name(typed)
        if not equals:
            raise SettingsError(f"--grid is NAME=VALUE,VALUE, like lambda=0.5,1,2; not '{text}'")
        if name in _NOT_SWEPT:
            raise SettingsError(
                f"--grid takes what training depends on, and not {name}, which has an option of its own"
            )
        if name in grid:
            raise SettingsError(f"--grid {typed} is given twice; put all its values in one")
        values = tuple(read_value(name, one.strip()) for one in listed.split(","))
        if len(set(values)) < len(values):
            raise SettingsError(f"--grid {text} has a value twice")
        grid[name] = values
    return tuple(grid.items())


def read_value(name: str, text: str) -> Value:
    """Return the text as the setting's type reads it; SettingsError if it does not."""
    changed = with_values(MNIST, {name: text}, read_text=True)
    extension, dot, field = name.partition(".")
    value: Value = getattr(changed.extension(extension), field) if dot else getattr(changed, name)
    return value
