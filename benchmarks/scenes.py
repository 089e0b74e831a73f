"""What sweeps on rendered scenes have come to: how well the codes match the known factors, run by run.

No run is chosen: the scores of all seeds are shown, with their median and spread.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import report, sweeps
from benchmarks.report import EXPERIMENTS, RESULTS, Table
from minigan.datasets.catalogue import SCENES
from minigan.errors import RunError
from minigan.experiments.sweeps.directory import Sweep

# Of `minigan.metrics.disentanglement.Disentanglement`, and their names in the table.
SCORES = {
    "mig": "MIG",
    "factor_vae": "FactorVAE",
    "sap": "SAP",
    "dci_disentanglement": "DCI: D",
    "dci_completeness": "C",
    "dci_informativeness": "I",
}


def read(sweep: Sweep) -> list[dict[str, Any]]:
    """Return the runs of a sweep that have ended, in the order of their seeds: seed, steps, seconds and `Disentanglement`."""
    return [
        {
            "seed": row.seed,
            "steps": row.steps,
            "seconds": row.seconds,
            **evaluation["disentanglement"],
        }
        for row, evaluation in sweeps.ended(sweep)
    ]


def write(directory: Path, note: str = "") -> None:
    """Read a sweep, write its result and the pages' tables."""
    sweep = Sweep.open(directory)
    settings = sweep.plan.settings
    if settings.data != SCENES or sweep.plan.grid:
        raise RunError(f"{directory} is not a sweep on scenes with seeds and no grid")
    values = sweeps.result("scenes", sweep, read(sweep), note)
    report.write_json(RESULTS / f"scenes-{settings.experiment}.json", values)
    write_pages()


def write_pages() -> None:
    """Write the tables of the sweeps in benchmarks/results into docs/experiments.md."""
    text = "\n\n".join(run_table(values).markdown() for values in kept())
    report.rewrite_section(EXPERIMENTS, "scenes", text)


def kept() -> list[dict[str, Any]]:
    """Return the results that benchmarks/results has."""
    return sweeps.read(sorted(RESULTS.glob("scenes-*.json")))


def run_table(values: Mapping[str, Any]) -> Table:
    """Return a row for each run, then their median, least and most; and for each factor the share that its best code tells."""
    runs, settings = values["runs"], values["settings"]
    factors = runs[0]["factors"] if runs else []
    measured = [[*(run[score] for score in SCORES), *_told(run)] for run in runs]
    lines = [
        (str(run["seed"]), *map(_two_digits, row)) for run, row in zip(runs, measured, strict=True)
    ]
    for name, statistic in (("median", statistics.median), ("least", min), ("most", max)):
        if runs:
            columns = [_over_runs(statistic, column) for column in zip(*measured, strict=True)]
            lines.append((name, *map(_two_digits, columns)))
    notes = [
        "DCI: disentanglement, completeness, informativeness. "
        "Each factor's column: the share of its entropy that one code tells, of the code that tells most."
    ]
    title = sweeps.title(f"{settings['experiment']} on scenes, {settings['codes']}", values)
    columns = ("seed", *SCORES.values(), *factors)
    return Table(title, columns, lines, [*notes, *sweeps.closing_notes(values)])


def _told(run: Mapping[str, Any]) -> list[float]:
    """Return for each factor the information of its best code."""
    return [max(column) for column in zip(*run["shares"], strict=True)]


def _over_runs(statistic: Any, values: tuple[float | None, ...]) -> float | None:
    """None if one is not known: DCI needs scikit-learn."""
    return None if None in values else statistic(values)


def _two_digits(score: float | None) -> str:
    return "–" if score is None else f"{score:.2f}"
