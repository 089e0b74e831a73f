"""The tables of sweeps on MNIST: L_I(c1), agreement, unsupervised error, and the meaning of the continuous codes.

A run is chosen as one without labels would: by the agreement of Q on an image and on its augmented copy. How
well agreement and L_I foretell the error is Spearman's ρ over the runs.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from minigan.experiments.pages import Table
from minigan.experiments.published import kept
from minigan.experiments.published.checkout import Checkout
from minigan.experiments.sweeps.directory import Sweep
from minigan.infogan.settings import Settings
from minigan.metrics.strokes import MEASURES, spearman_correlation

# The recipes, in the order of the README's table, as the command line calls them.
RECIPES = {
    "mnist": "train mnist",
    "mnist-extended": "train mnist --preset extended",
    "mnist-extended-2500": "train mnist --preset extended --iterations 2500",
}


@dataclass(frozen=True)
class Result:
    """One run that has ended. None was not measured; the test error is read once, for the table.

    `strokes` has for slant and stroke width the code that follows it most, and Spearman's ρ of the two.
    """

    seed: int
    steps: int
    information: float
    attainable: float
    agreement: float | None
    train_error: float
    test_error: float | None
    seconds: float | None
    strokes: Mapping[str, tuple[str, float]] = field(default_factory=dict)


def read(sweep: Sweep) -> list[Result]:
    """Return the runs of a sweep that have ended, in the order of their seeds."""
    results = []
    for row, evaluation in kept.ended(sweep):
        code, test = evaluation["codes"][0], evaluation["test"]
        results.append(
            Result(
                row.seed, row.steps, code["information"], code["attainable"], evaluation["agreement"],
                evaluation["train"]["one_to_one_error"], test and test["one_to_one_error"], row.seconds,
                _followed(evaluation["strokes"]),
            )
        )  # fmt: skip
    return results


def _followed(relations: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, float]]:
    """Return the code of the largest |ρ| for each measure."""
    followed = {}
    for measure in MEASURES:
        of_it = [r for r in relations if r["measure"] == measure]
        if of_it:
            most = max(of_it, key=lambda r: abs(r["correlation"]))
            followed[measure] = (most["code"], round(most["correlation"], 3))
    return followed


def chosen(results: Sequence[Result]) -> Result:
    """Return the run that one without labels would take: of the most agreement, or where it is unknown of the most L_I."""
    return max(results, key=lambda result: (result.agreement or 0.0, result.information))


def foretold(results: Sequence[Result]) -> dict[str, float]:
    """Spearman's ρ of the training error with the measures without labels, over three runs or more."""
    known = [result for result in results if result.agreement is not None]
    if len(known) < 3:
        return {}
    errors = np.array([result.train_error for result in known])
    return {
        name: round(
            spearman_correlation(np.array([getattr(result, name) for result in known]), errors), 3
        )
        for name in ("agreement", "information")
    }


def is_recipe(sweep: Sweep) -> bool:
    """Return whether the sweep is one of the recipes, with seeds and no grid."""
    return recipe(sweep.plan.settings) in RECIPES and not sweep.plan.grid


def write(sweep: Sweep, checkout: Checkout, note: str = "") -> None:
    """Write the result of a recipe's sweep and the pages' tables, and the README's grid if it is the extended one."""
    name, results = recipe(sweep.plan.settings), read(sweep)
    values = kept.result(name, sweep, [asdict(result) for result in results], note)
    values["spearman_with_train_error"] = foretold(results)
    checkout.write_result(name, values)
    write_pages(checkout)
    if name == "mnist-extended" and results:
        best = chosen(results)
        run = sweep.run(sweep.plan.name({}, best.seed))
        checkout.picture.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run.directory / "samples" / f"step-{best.steps:08d}.png", checkout.picture)


def recipe(settings: Settings) -> str:
    """Return the name of a recipe: the experiment, with its number of steps where there is a recipe of these."""
    name = f"{settings.experiment}-{settings.iterations}"
    return name if name in RECIPES else settings.experiment


def write_pages(checkout: Checkout) -> None:
    """Write the tables of the kept results into the pages."""
    results = kept_in(checkout)
    for name, values in results.items():
        checkout.write_table(checkout.experiments, name, run_table(values).markdown())
    checkout.write_table(checkout.readme, "mnist", recipe_table(results).markdown())


def kept_in(checkout: Checkout) -> dict[str, Mapping[str, Any]]:
    """Return the kept result of each recipe."""
    results = kept.read(checkout.result(name) for name in RECIPES)
    return {values["name"]: values for values in results}


def _results(values: Mapping[str, Any]) -> list[Result]:
    return [Result(**run) for run in values["runs"]]


def _percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def _told(followed: tuple[str, float] | None) -> str:
    return "–" if followed is None else f"{followed[1]:+.2f} ({followed[0]})"


def _spread(errors: Sequence[float | None]) -> tuple[str, str, str]:
    """Median, best and worst; dashes if one is not known."""
    known = [error for error in errors if error is not None]
    if not known or len(known) < len(errors):
        return "–", "–", "–"
    return _percent(statistics.median(known)), _percent(min(known)), _percent(max(known))


def run_table(values: Mapping[str, Any]) -> Table:
    """Return a row for each run of one recipe."""
    results = _results(values)
    lines = [
        (
            str(r.seed),
            f"{r.information:.3f} of {r.attainable:.3f}",
            _percent(r.agreement),
            _percent(r.train_error, 2),
            _percent(r.test_error, 2),
            *(_told(r.strokes.get(measure)) for measure in MEASURES),
            "–" if r.seconds is None else f"{r.seconds / 60:.0f}",
        )
        for r in results
    ]
    notes = []
    for what, errors in (
        ("Training", [r.train_error for r in results]),
        ("Test", [r.test_error for r in results]),
    ):
        median, best, worst = _spread(errors)
        if median != "–":
            notes.append(f"{what} error: median {median}, best {best}, worst {worst}.")
    if rho := values["spearman_with_train_error"]:
        notes.append(
            f"Spearman's ρ with the training error: agreement {rho['agreement']:+.2f}, L_I {rho['information']:+.2f}."
        )
    if results and results[0].strokes:
        notes.append(
            "Slant and stroke width: Spearman's ρ of the code that follows it most, over 10,000 generated digits."
        )
    notes += kept.closing_notes(values)
    columns = (
        "seed",
        "L_I(c1), nats",
        "agreement",
        "training error",
        "test error",
        *MEASURES,
        "minutes",
    )
    return Table(kept.title(RECIPES[values["name"]], values), columns, lines, notes)


def recipe_table(recipes: Mapping[str, Mapping[str, Any]]) -> Table:
    """Return a row for each recipe: its error over the seeds, and that of the run that is chosen without labels."""
    lines = []
    for name, values in recipes.items():
        results = _results(values)
        errors = [r.test_error for r in results]
        taken = chosen(results) if results else None
        lines.append(
            (
                f"`{RECIPES[name]}`",
                str(len(results)),
                *_spread(errors),
                _percent(taken.test_error) if taken else "–",
                f"{statistics.median(r.information for r in results):.3f}" if results else "–",
            )
        )
    columns = ("recipe", "seeds", "median", "best", "worst", "chosen run", "L_I(c1), nats")
    return Table(
        "Unsupervised error on MNIST's test images",
        columns,
        lines,
        ("The chosen run has the highest agreement, or the highest L_I: labels have no part in the choice.",),
    )  # fmt: skip
