"""What is kept of a sweep: its runs that have ended, with what was measured of each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minigan.experiments.settings_by_name import settings_to_json
from minigan.experiments.sweeps.directory import Sweep, read_evaluation
from minigan.experiments.sweeps.table import Row, rows

Result = Mapping[str, Any]


def ended(sweep: Sweep) -> Iterator[tuple[Row, dict[str, Any]]]:
    """Return the runs that have ended, in the order of their seeds, each with its evaluation."""
    for row in rows(sweep):
        if row.state == "done" and (evaluation := read_evaluation(sweep.run(row.name))):
            yield row, evaluation


def result(name: str, sweep: Sweep, runs: Sequence[Result], note: str) -> dict[str, Any]:
    """Return what is kept of a sweep."""
    return {
        "name": name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "note": note,
        "settings": settings_to_json(sweep.plan.settings),
        "planned_runs": len(sweep.settings),
        "runs": runs,
    }


def read(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the results in the files that exist."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def title(name: str, result: Result) -> str:
    """Return a table's title: the experiment, and the number of steps."""
    runs = result["runs"]
    return f"{name}, {runs[0]['steps']:,} steps" if runs else name


def closing_notes(result: Result) -> list[str]:
    """Return the last lines under a table: how many runs there are to come, and the note."""
    count, planned = len(result["runs"]), result["planned_runs"]
    progress = [f"{count} of {planned} runs have ended."] if count < planned else []
    return [*progress, *([result["note"]] if result["note"] else [])]
