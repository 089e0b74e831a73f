"""The tables of sweeps on rendered scenes: how well the codes match the known factors, run by run.

No run is chosen: the scores of all seeds are shown, with their median and spread.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from minigan.datasets.catalogue import SCENES
from minigan.experiments.pages import Table
from minigan.experiments.published import kept
from minigan.experiments.published.checkout import Checkout
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
        for row, evaluation in kept.ended(sweep)
    ]


def is_on_scenes(sweep: Sweep) -> bool:
    """Return whether the sweep trains on scenes, with seeds and no grid."""
    return sweep.plan.settings.data == SCENES and not sweep.plan.grid


def write(sweep: Sweep, checkout: Checkout, note: str = "") -> None:
    """Write the result of a sweep on scenes, and the page's tables."""
    name = f"scenes-{sweep.plan.settings.experiment}"
    checkout.write_result(name, kept.result(name, sweep, read(sweep), note))
    write_pages(checkout)


def write_pages(checkout: Checkout) -> None:
    """Write the tables of the kept results into the page of experiments."""
    text = "\n\n".join(run_table(values).markdown() for values in kept_in(checkout))
    checkout.write_table(checkout.experiments, "scenes", text)


def kept_in(checkout: Checkout) -> list[dict[str, Any]]:
    """Return the kept results."""
    return kept.read(checkout.results("scenes-*"))


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
            summary = [_over_runs(statistic, column) for column in zip(*measured, strict=True)]
            lines.append((name, *map(_two_digits, summary)))
    notes = [
        "DCI: disentanglement, completeness, informativeness. "
        "Each factor's column: the share of its entropy that one code tells, of the code that tells most."
    ]
    title = kept.title(f"{settings['experiment']} on scenes, {settings['codes']}", values)
    columns = ("seed", *SCORES.values(), *factors)
    return Table(title, columns, lines, [*notes, *kept.closing_notes(values)])


def _told(run: Mapping[str, Any]) -> list[float]:
    """Return for each factor the information of its best code."""
    return [max(column) for column in zip(*run["shares"], strict=True)]


def _over_runs(statistic: Any, values: tuple[float | None, ...]) -> float | None:
    """None if one is not known: DCI needs scikit-learn."""
    return None if None in values else statistic(values)


def _two_digits(score: float | None) -> str:
    return "–" if score is None else f"{score:.2f}"
