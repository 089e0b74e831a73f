"""The directory of a sweep.

sweep.json          the plan: the settings that all runs share, the seeds, the grid; written once
lambda=0.5-seed3/   a run directory each, with its evaluation.json once it has ended;
                    or failure.json, if training diverged

Nothing else is kept. Which runs have ended, and the table, are read from these files each time. A killed sweep
goes on with the runs that have not ended. A run that has ended is not touched again.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minigan.errors import RunError, SettingsError
from minigan.experiments.names import short_name
from minigan.experiments.runs import Run
from minigan.experiments.sweeps.plan import Plan, shown
from minigan.files import locked, write_json


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
    def lock(self) -> Iterator[None]:
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

    def create_runs(self) -> None:
        """Create the missing run directories, before anything else writes to them."""
        for name, settings in self.settings.items():
            if not self.is_created(name):
                Run.create(self.directory / name, settings)

    def is_created(self, name: str) -> bool:
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
    return read_evaluation(run) is not None or read_failure(run) is not None


def reached(run: Run) -> int:
    """The step that a run is at, from the last line of metrics.jsonl."""
    try:
        with (run.directory / "metrics.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            *_, line, _ = file.read().split(b"\n")  # what follows the last newline is no whole line
        return int(json.loads(line)["step"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return 0


def read_evaluation(run: Run) -> dict[str, Any] | None:
    """evaluation.json of a run that has ended."""
    values = _read_json(run.directory / "evaluation.json")
    return values if values and values.get("step") == run.settings.iterations else None


def read_failure(run: Run) -> dict[str, Any] | None:
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
