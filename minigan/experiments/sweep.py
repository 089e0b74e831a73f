"""A sweep: one experiment with many seeds, and with several values of some settings.

sweep.json          the plan: the settings that all runs share, the seeds, the grid; written once
lambda=0.5-seed3/   a run directory each (``runs.py``), with its evaluation.json once it has ended;
                    or failure.json, where training came to nothing

Nothing else is kept: which runs have ended, and the table, are read from these files each time. So a sweep can be
killed anywhere, and goes on with what has not ended; and a run that has is never touched again.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import itertools
import json
import math
import os
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigan.datasets.cache import Preparation
from minigan.errors import RunError, SettingsError, TrainingError
from minigan.experiments.declarations import MNIST
from minigan.experiments.evaluation import evaluate, evaluation_images
from minigan.experiments.runs import Run, images_of
from minigan.files import locked, write_json
from minigan.infogan.networks import Networks
from minigan.infogan.settings import Settings
from minigan.infogan.step import Trainer

# What the command line calls these settings.
_SHORT = {
    "lambda_categorical": "lambda",
    "learning_rate_discriminator": "lr_discriminator",
    "learning_rate_generator": "lr_generator",
}
# What names a sweep and its images, where it computes, and what --seeds is for.
_NOT_SWEPT = ("experiment", "dataset", "data", "image_shape", "device", "seed")
_MOST_RUNS = 10_000

Value = int | float | str


# -- the plan -----------------------------------------------------------------------------------


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
        """The combinations of the grid's values; one empty one without a grid."""
        names = [name for name, _ in self.grid]
        combinations = itertools.product(*(values for _, values in self.grid))
        return [dict(zip(names, values, strict=True)) for values in combinations]

    def at(self, point: dict[str, Value], seed: int) -> Settings:
        """The settings of one run."""
        changes: dict[str, Any] = {**point, "seed": seed}
        return self.settings.with_values(changes)

    def name(self, point: dict[str, Value], seed: int) -> str:
        """The folder of that run: "lambda=0.5-seed3". A text that is no word is named by its place in the grid."""
        parts = []
        for name, values in self.grid:
            text = shown(point[name])
            if not re.fullmatch(r"[\w.+-]{1,30}", text):
                text = f"no{values.index(point[name]) + 1}"
            parts.append(f"{short_name(name)}={text}-")
        return "".join(parts) + f"seed{seed}"

    def runs(self) -> dict[str, Settings]:
        """The settings of each run, by the name of its folder."""
        return {
            self.name(point, seed): self.at(point, seed)
            for point in self.points()
            for seed in self.seeds
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "settings": self.settings.to_json(),
            "seeds": list(self.seeds),
            "grid": [[name, list(values)] for name, values in self.grid],
            "threads": self.threads,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Plan:
        """What `to_json` gave; SettingsError, KeyError, TypeError or ValueError if it is something else."""
        for name, own in values["grid"]:
            for value in own:
                MNIST.with_values({name: value})
        if not all(type(seed) is int for seed in values["seeds"]):
            raise SettingsError("seeds are whole numbers")
        return cls(
            Settings.from_json(values["settings"]),
            tuple(values["seeds"]),
            tuple((name, tuple(own)) for name, own in values["grid"]),
            int(values["threads"]),
        )

    def differences(self, other: Plan) -> list[str]:
        """What this plan has and what `other` has instead, by name."""

        def described(plan: Plan) -> dict[str, object]:
            settings = plan.settings.to_json()
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


def short_name(name: str) -> str:
    """A setting as the command line calls it."""
    return _SHORT.get(name, name)


def shown(value: Value) -> str:
    """A setting's value, as it would be typed."""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds that a text names: "10" is 0 to 9, and a list has seeds and ranges: "3,5,10-19", "7-7"."""
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
    """The grid of texts like "lambda=0.5,1,2", each value of the setting's type; SettingsError says what is wrong."""
    long_names = {short: name for name, short in _SHORT.items()}
    grid: dict[str, tuple[Value, ...]] = {}
    for text in texts:
        typed, equals, listed = text.partition("=")
        name = typed.strip().replace("-", "_")
        name = long_names.get(name, name)
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
    changed = MNIST.with_values({name: text}, read_text=True)
    extension, dot, field = name.partition(".")
    value: Value = getattr(changed.extension(extension), field) if dot else getattr(changed, name)
    return value


# -- the directory ------------------------------------------------------------------------------


class Sweep:
    """The files of one sweep."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        self.directory = directory
        self.plan = plan
        self.settings = plan.runs()

    @classmethod
    def create(cls, directory: Path, plan: Plan) -> Sweep:
        """A new sweep, or the one of that plan that is there already; RunError if the directory holds anything else."""
        cls.check(directory, plan)
        directory.mkdir(parents=True, exist_ok=True)
        if not (directory / "sweep.json").exists():
            write_json(directory / "sweep.json", plan.to_json())
        return cls(directory, plan)

    @classmethod
    def check(cls, directory: Path, plan: Plan) -> None:
        """RunError unless that plan can be carried out there; nothing is written."""
        if not (directory / "sweep.json").exists():
            Run.check_free(directory)
        elif differences := cls.open(directory).plan.differences(plan):
            raise RunError(
                f"{directory} holds a sweep of other settings: {'; '.join(differences)}; give those, or another --out"
            )

    @classmethod
    def open(cls, directory: Path) -> Sweep:
        """The sweep in a directory; RunError if there is none."""
        path = directory / "sweep.json"
        try:
            return cls(directory, Plan.from_json(json.loads(path.read_text(encoding="utf-8"))))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunError(f"{directory} holds no sweep: it has no sweep.json") from error
        except (ValueError, KeyError, TypeError, SettingsError) as error:
            raise RunError(f"{path} is damaged: {error}") from error

    @property
    def title(self) -> str:
        """The experiment, and how much of it."""
        grid = "".join(
            f", {short_name(name)} {', '.join(map(shown, values))}"
            for name, values in self.plan.grid
        )
        runs = _counted(len(self.settings), "run")
        return (
            f"{self.plan.settings.title}: {runs} of {_counted(len(self.plan.seeds), 'seed')}{grid}"
        )

    @contextlib.contextmanager
    def to_itself(self) -> Iterator[None]:
        """The sweep to this process alone; RunError if another carries it out."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(self.directory / "sweep.json", wait=False))
            except BlockingIOError as error:
                raise RunError(
                    f"{self.directory} is being swept by another process; see how far it is with: minigan sweep show "
                    f"{self.directory}"
                ) from error
            yield

    def make_runs(self) -> None:
        """Make those run directories that there are not, before anything else writes to them."""
        for name, settings in self.settings.items():
            if not self.is_made(name):
                Run.create(self.directory / name, settings)

    def is_made(self, name: str) -> bool:
        """Whether there is that run's directory."""
        return (self.directory / name / "experiment.json").exists()

    def run(self, name: str) -> Run:
        """The run of that name; RunError if it is not of this sweep's settings."""
        run = Run.open(self.directory / name)
        if run.settings != self.settings[name]:
            raise RunError(
                f"{run.directory} is a run of other settings than its sweep's; move it away"
            )
        return run

    def waiting(self) -> list[str]:
        """The runs that have not ended, in the order of the plan: first all settings with the first seed."""
        plan = self.plan
        names = [plan.name(point, seed) for seed in plan.seeds for point in plan.points()]
        return [name for name in names if not has_ended(self.run(name))]

    def reached(self) -> dict[str, int]:
        """The step that each run is at."""
        return {
            name: reached(Run(self.directory / name, own)) for name, own in self.settings.items()
        }


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def sweeps_in(directory: Path) -> list[Path]:
    """The directories of the sweeps in a folder; RunError if there are none."""
    found = [path.parent for path in sorted(directory.glob("*/sweep.json"))]
    if not found:
        raise RunError(f"there is no sweep in {directory}; name its directory")
    return found


def has_ended(run: Run) -> bool:
    """Whether nothing is left to do: it was trained and evaluated, or it failed."""
    return _evaluation(run) is not None or _failure(run) is not None


def reached(run: Run) -> int:
    """The step that a run is at, from the last line of metrics.jsonl."""
    try:
        with (run.directory / "metrics.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            *_, line, _ = file.read().split(b"\n")  # what follows the last newline is no whole line
        return int(json.loads(line)["step"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0


def _evaluation(run: Run) -> dict[str, Any] | None:
    """evaluation.json of a run that has ended."""
    values = _read_json(run.directory / "evaluation.json")
    return values if values and values.get("step") == run.settings.iterations else None


def _failure(run: Run) -> dict[str, Any] | None:
    return _read_json(run.directory / "failure.json")


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(values, dict):
            return values
    except FileNotFoundError:
        return None
    except ValueError:
        pass
    raise RunError(f"{path} is damaged; delete it, and it will be made again")


# -- the work -----------------------------------------------------------------------------------


def check_runs(plan: Plan, images: np.ndarray) -> None:
    """SettingsError if some run of the plan has networks, or a batch, that do not fit the images."""
    for point in plan.points():
        settings = plan.at(point, plan.seeds[0])
        Trainer(dataclasses.replace(settings, device="cpu"), images)  # it is everywhere


def bring_to_end(directory: Path, name: str, how: Preparation) -> None:
    """Train one run of a sweep to its end, from its newest checkpoint if it has one, and evaluate it.

    This is all that an engine does, in whatever process. It may be called again however often: a run that has
    ended is left alone, and where another process has not let go of it yet, as one that was orphaned, that is
    waited for.
    """
    run = Sweep.open(directory).run(name)
    with run.to_itself(wait=True):
        if has_ended(run):
            return
        trainer = Trainer(run.settings, images_of(run.settings, how))
        run.restore(trainer)
        try:
            run.train(trainer)
            evaluate_run(run, trainer.result, trainer.step_count, how)
        except TrainingError as error:  # it would fail again
            write_json(
                run.directory / "failure.json", {"step": trainer.step_count, "reason": str(error)}
            )


def evaluate_run(
    run: Run, networks: Networks, step: int, how: Preparation, test: bool = False
) -> None:
    """Write evaluation.json; the labels of the test images are read if it is so wanted."""
    train, held_back, factored = evaluation_images(run.settings, how)
    tested = held_back if test else None
    evaluation = evaluate(networks, run.settings, train, tested, factored=factored)
    write_json(run.directory / "evaluation.json", {"step": step, **evaluation.to_json()})


def add_test_errors(sweep: Sweep, how: Preparation) -> Iterator[str]:
    """Evaluate on the test images what has ended and was not yet; gives the name of each such run before."""
    for name in filter(sweep.is_made, sweep.settings):
        run = sweep.run(name)
        evaluation = _evaluation(run)
        if evaluation is not None and evaluation["test"] is None:
            yield name
            networks, step = run.networks()
            evaluate_run(run, networks, step, how, test=True)


# -- the table ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measures:
    """L_I of all codes together, and the errors by the one-to-one matching; None where it was not measured."""

    information: float | None = None
    train_error: float | None = None
    test_error: float | None = None


@dataclass(frozen=True)
class Row:
    """What is known of one run.

    `state` is "waiting", "running", "stopped" (it goes on from `step`), "done" or "failed", with the `reason`.
    `codes` is L_I of each code; it and `measures` are known of runs that are done.
    """

    name: str
    point: dict[str, Value]
    seed: int
    state: str
    step: int
    steps: int
    seconds: float
    measures: Measures = Measures()
    codes: tuple[float, ...] = ()
    reason: str = ""


def rows(sweep: Sweep) -> list[Row]:
    """A row a run, in the order of the plan."""
    plan = sweep.plan
    return [_row(sweep, point, seed) for point in plan.points() for seed in plan.seeds]


def _row(sweep: Sweep, point: dict[str, Value], seed: int) -> Row:
    name = sweep.plan.name(point, seed)
    steps = sweep.settings[name].iterations
    if not sweep.is_made(name):  # a kill was faster
        return Row(name, point, seed, "waiting", 0, steps, 0.0)
    run = sweep.run(name)
    if failure := _failure(run):
        step, reason = int(failure["step"]), str(failure["reason"])
        return Row(name, point, seed, "failed", step, steps, run.seconds(), reason=reason)
    if evaluation := _evaluation(run):
        measures = Measures(
            evaluation["information"], _error(evaluation["train"]), _error(evaluation["test"])
        )
        codes = tuple(code["information"] for code in evaluation["codes"])
        return Row(name, point, seed, "done", steps, steps, run.seconds(), measures, codes)
    if run.is_trained_now():
        return Row(name, point, seed, "running", reached(run), steps, run.seconds())
    step = run.newest_step()
    return Row(name, point, seed, "stopped" if step else "waiting", step, steps, run.seconds())


def _error(clustering: dict[str, Any] | None) -> float | None:
    return None if clustering is None else float(clustering["one_to_one_error"])


@dataclass(frozen=True)
class Summary:
    """The runs of one setting: `done` of `runs`.

    `best` and `worst` are those of the most and the least L_I, a choice in which no label has a part. `median` is of
    each measure by itself.
    """

    point: dict[str, Value]
    done: int
    runs: int
    best: Row | None
    median: Measures
    worst: Row | None

    def lines(self) -> list[tuple[str, str, Measures]]:
        """(which, its seed, its measures)."""

        def line(which: str, row: Row | None) -> tuple[str, str, Measures]:
            return (which, str(row.seed), row.measures) if row else (which, "", Measures())

        return [line("best", self.best), ("median", "", self.median), line("worst", self.worst)]


def summaries(table: list[Row]) -> list[Summary]:
    """One a setting, in the order of the rows."""
    groups: dict[str, list[Row]] = {}
    for row in table:
        groups.setdefault(repr(row.point), []).append(row)
    return [_summary(group) for group in groups.values()]


def _summary(group: list[Row]) -> Summary:
    done = [row for row in group if row.state == "done"]
    measured = [row.measures for row in done]
    return Summary(
        group[0].point, len(done), len(group),
        best=max(done, key=_information, default=None),
        median=Measures(
            _median([m.information for m in measured]),
            _median([m.train_error for m in measured]),
            _median([m.test_error for m in measured]),
        ),
        worst=min(done, key=_information, default=None),
    )  # fmt: skip


def _information(row: Row) -> float:
    return row.measures.information or 0.0


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def to_csv(table: list[Row]) -> str:
    """A line a run, under a line of names; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(table[0].point)
    columns = ("seed", "state", "step", "steps", "seconds")
    measured = [field.name for field in dataclasses.fields(Measures)]
    writer.writerow([*names, *columns, *measured, "codes", "reason"])
    for row in table:
        values = [getattr(row, column) for column in columns]
        codes = " ".join(map(repr, row.codes))
        measures = dataclasses.astuple(row.measures)
        writer.writerow([*row.point.values(), *values, *measures, codes, row.reason])
    return text.getvalue()
