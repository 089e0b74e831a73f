"""The table of a sweep: a row a run, and a summary of each setting."""

from __future__ import annotations

import csv
import dataclasses
import io
import statistics
from dataclasses import dataclass
from typing import Any

from minigan.experiments.sweeps.directory import Sweep, reached, read_evaluation, read_failure
from minigan.experiments.sweeps.plan import Value


@dataclass(frozen=True)
class Measures:
    """L_I of all codes together, and the errors by the one-to-one matching; None where it was not measured."""

    information: float | None = None
    train_error: float | None = None
    test_error: float | None = None


@dataclass(frozen=True)
class Row:
    """The state and the measures of one run.

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
    """Return a row a run, in the order of the plan."""
    plan = sweep.plan
    return [_row(sweep, point, seed) for point in plan.points() for seed in plan.seeds]


def _row(sweep: Sweep, point: dict[str, Value], seed: int) -> Row:
    name = sweep.plan.name(point, seed)
    steps = sweep.settings[name].iterations
    if not sweep.is_created(name):  # a kill was faster
        return Row(name, point, seed, "waiting", 0, steps, 0.0)
    run = sweep.run(name)
    if failure := read_failure(run):
        step, reason = int(failure["step"]), str(failure["reason"])
        return Row(name, point, seed, "failed", step, steps, run.seconds(), reason=reason)
    if evaluation := read_evaluation(run):
        measures = Measures(
            evaluation["information"], _error(evaluation["train"]), _error(evaluation["test"])
        )
        codes = tuple(code["information"] for code in evaluation["codes"])
        return Row(name, point, seed, "done", steps, steps, run.seconds(), measures, codes)
    if run.is_locked():
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
    """Summarize each setting, in the order of the rows."""
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


def to_json(sweep: Sweep) -> dict[str, Any]:
    """Return the runs of a sweep, and the summary of each setting, as plain values."""
    table = rows(sweep)
    settings = []
    for summary in summaries(table):
        lines = {which: _line(seed, measures) for which, seed, measures in summary.lines()}
        counts = {"done": summary.done, "runs": summary.runs}
        settings.append({"point": summary.point, **counts, **lines})
    return {
        "directory": str(sweep.directory),
        "title": sweep.title,
        "runs": [dataclasses.asdict(row) for row in table],
        "settings": settings,
    }


def _line(seed: str, measures: Measures) -> dict[str, Any]:
    return {"seed": int(seed) if seed else None, **dataclasses.asdict(measures)}


def to_csv(table: list[Row]) -> str:
    """Return CSV: a line a run, under a line of names. An unknown value is empty."""
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
