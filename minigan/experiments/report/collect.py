"""The facts in a run's directory, read so that a training, stopped or older run can be shown
too."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minigan.errors import RunError
from minigan.experiments.evaluation_result import Evaluation
from minigan.experiments.runs import Run
from minigan.experiments.settings_by_name import settings_to_json
from minigan.files import read_json_lines
from minigan.infogan.codes import share_read

MOST_POINTS = 600  # of a curve; more are averaged
MOST_SAMPLES = 40  # grids of a run, the first and the last among them


@dataclass(frozen=True)
class RunRecord:
    """A run as a page shows it. Curves are averaged to at most `MOST_POINTS` points."""

    name: str
    title: str
    state: str
    settings: dict[str, Any]
    environment: dict[str, Any]
    steps: list[float]
    curves: dict[str, list[float]]  # D's loss, G's, and L_I of each code, nats
    shares: dict[str, list[float]]  # of each code: the part of the attainable L_I that Q reads
    samples: list[tuple[int, Path]]
    figures: list[Path]
    evaluation: list[tuple[str, str, str]]
    speed: list[tuple[int, float]]  # (step, steps a second)


def find_runs(places: Sequence[Path]) -> list[Path]:
    """Return the runs' directories: each place that is one, and those in a sweep's directory.

    Raises:
        RunError: A place is neither.
    """
    found: list[Path] = []
    for place in places:
        inside = sorted(path.parent for path in place.glob("*/experiment.json"))
        if (place / "experiment.json").exists():
            found.append(place)
        elif inside:
            found += inside
        else:
            raise RunError(
                f"{place} holds no run: it has no experiment.json, nor has a folder in it"
            )
    return found


def collect(directory: Path) -> RunRecord:
    """Read a run's directory. A missing or half-written file is left out."""
    run = Run.open(directory)
    layout, metrics = run.settings.layout, read_json_lines(directory / "metrics.jsonl")
    blocks = _blocks(metrics)
    information = {
        name: [_mean(line["information"][name] for line in block) for block in blocks]
        for name in layout.names
        if all(name in line["information"] for line in metrics)
    }
    losses = {
        title: [_mean(line[key] for line in block) for block in blocks]
        for title, key in (("D", "discriminator_loss"), ("G", "generator_loss"))
    }
    shares = {
        name: [share_read(code, value) for value in information[name]]
        for name, code in zip(layout.names, layout, strict=True)
        if name in information
    }
    return RunRecord(
        name=str(directory),
        title=f"{run.settings.title}, seed {run.settings.seed}",
        state=_state(run, len(metrics)),
        settings=settings_to_json(run.settings),
        environment=_environment(directory),
        steps=[_mean(line["step"] for line in block) for block in blocks],
        curves={**losses, **{f"L_I({name})": values for name, values in information.items()}},
        shares=shares,
        samples=_samples(directory / "samples"),
        figures=sorted((directory / "figures").glob("*.png")),
        evaluation=_evaluation(directory),
        speed=[
            (int(line["step"]), float(line["steps_per_second"]))
            for line in read_json_lines(directory / "timing.jsonl")
            if "steps_per_second" in line
        ],
    )


def _blocks(lines: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    size = max(1, -(-len(lines) // MOST_POINTS))
    return [lines[i : i + size] for i in range(0, len(lines), size)]


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known)


def _state(run: Run, steps: int) -> str:
    total = run.settings.iterations
    if steps >= total:
        return f"all {total:,} steps are trained"
    return f"step {steps:,} of {total:,}"


def _environment(directory: Path) -> dict[str, Any]:
    values = json.loads((directory / "experiment.json").read_text(encoding="utf-8"))
    return {"threads": values.get("threads"), **values.get("versions", {})}


def _samples(folder: Path) -> list[tuple[int, Path]]:
    """Return (step, grid), at most `MOST_SAMPLES` spread over the training."""
    grids = sorted(folder.glob("step-*.png"))
    if len(grids) > MOST_SAMPLES:
        last = len(grids) - 1
        grids = [grids[round(i * last / (MOST_SAMPLES - 1))] for i in range(MOST_SAMPLES)]
    return [(int(path.stem.removeprefix("step-")), path) for path in grids]


def _evaluation(directory: Path) -> list[tuple[str, str, str]]:
    """Return the rows of an evaluation; none of one that cannot be read."""
    try:
        text = (directory / "evaluation.json").read_text(encoding="utf-8")
        return Evaluation.from_json(json.loads(text)).rows()
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
    ):  # not there, half written, or of an older form
        return []
