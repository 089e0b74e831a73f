"""The MNIST experiment as the paper has it: L_I of c1 and the unsupervised error, seed by seed.

Each seed is one `minigan train mnist`, in a run directory of its own; a run that has ended is read, not repeated,
and one that was stopped goes on.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import ROOT, Table
from minigan.errors import RunError
from minigan.infogan.runs import Run

GRID = ROOT / "docs" / "images" / "mnist.png"


@dataclass(frozen=True)
class Result:
    """What one seed came to, as its run directory says."""

    seed: int
    steps: int
    information: float
    attainable: float
    test_error: float
    train_error: float
    majority_vote_test_error: float
    grid: Path

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "grid"}


def run_seed(directory: Path, seed: int) -> Result:
    """Train this seed, unless it has been trained, and read its result."""
    if not (directory / "evaluation.json").exists():
        exists = (directory / "experiment.json").exists()
        command = (
            ["resume", str(directory)]
            if exists
            else ["train", "mnist", "--seed", str(seed), "--out", str(directory)]
        )
        subprocess.run([sys.executable, "-m", "minigan", *command], check=True, cwd=ROOT)
    return read(directory, seed)


def read(directory: Path, seed: int) -> Result:
    """The result of a run that has ended; RunError if it is of another seed, or not evaluated."""
    run = Run.open(directory)
    if run.settings.seed != seed:
        raise RunError(f"{directory} is a run of seed {run.settings.seed}, not {seed}")
    evaluation = json.loads((directory / "evaluation.json").read_text(encoding="utf-8"))
    if evaluation["step"] != run.settings.iterations:
        raise RunError(f"{directory} was evaluated at step {evaluation['step']}, before its end")
    code = evaluation["codes"][0]
    return Result(
        seed=seed,
        steps=evaluation["step"],
        information=code["information"],
        attainable=code["attainable"],
        test_error=evaluation["test"]["one_to_one_error"],
        train_error=evaluation["train"]["one_to_one_error"],
        majority_vote_test_error=evaluation["test"]["majority_vote_error"],
        grid=directory / "samples" / f"step-{evaluation['step']:08d}.png",
    )


def best(results: list[Result]) -> Result:
    """The one of the lowest test error, whose samples the README shows."""
    return min(results, key=lambda result: result.test_error)


def keep_grid(result: Result) -> None:
    """Copy a run's last sample grid to where the README finds it."""
    GRID.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(result.grid, GRID)


def table(results: list[Result], note: str = "") -> Table:
    """A row a seed; `note` says what else is to be known of the runs."""

    def percent(share: float) -> str:
        return f"{100 * share:.1f} %"

    rows = [
        (
            str(r.seed),
            f"{r.information:.3f} of {r.attainable:.3f}",
            percent(r.test_error),
            percent(r.train_error),
            percent(r.majority_vote_test_error),
        )
        for r in results
    ]
    return Table(
        f"The original recipe on MNIST, {results[0].steps:,} steps",
        ("seed", "L_I(c1), nats", "test error", "training error", "test error, majority vote"),
        rows,
        (
            f"The grid above is of seed {best(results).seed}, the one of the lowest test error.",
            *([note] if note else []),
        ),
    )
