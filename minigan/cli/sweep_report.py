"""What `minigan sweep` prints: how far its runs are, and its tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from minigan.cli.progress import preparing, progress
from minigan.errors import INTERRUPTED
from minigan.experiments.executors.base import Executor, execute
from minigan.experiments.names import short_name
from minigan.experiments.sweeps.directory import Sweep
from minigan.experiments.sweeps.plan import shown
from minigan.experiments.sweeps.table import Measures, Row, rows, summaries
from minigan.experiments.sweeps.work import add_test_errors


def progress_note(ended: int, steps: dict[str, int], of: dict[str, int]) -> str:
    """Return how far the runs of a sweep are.

    Args:
        ended: How many runs have ended: they are trained and evaluated, or diverged.
        steps: The steps that each run has trained.
        of: The steps that each run trains.
    """
    going = [f"{name} {step}/{of[name]}" for name, step in steps.items() if 0 < step < of[name]]
    trained = sum(step >= of[name] for name, step in steps.items())
    if trained > ended:
        going.append(f"{trained - ended} being evaluated")
    return "  ".join([f"{ended} of {len(of)} runs have ended", *going])


def sweep_and_report(sweep: Sweep, executor: Executor) -> None:
    """Run a sweep, and print its table."""
    of = {name: settings.iterations for name, settings in sweep.settings.items()}
    typer.echo(f"{sweep.title}, in {sweep.directory}")

    try:
        with progress("steps", sum(of.values()), sum(sweep.reached().values())) as display:

            def report(ended: int) -> None:
                steps = sweep.reached()
                display.show(sum(steps.values()), progress_note(ended, steps, of))

            execute(sweep, executor, report)
    except KeyboardInterrupt:
        executor.stop()
        left = len(sweep.waiting())
        typer.echo(f"stopped, with {left} of {len(of)} runs left; the same command goes on", err=True)  # fmt: skip
        raise SystemExit(INTERRUPTED) from None
    show_sweep(sweep)


def measure_test_errors(
    sweep: Sweep, cache: Path | None = None, say: Callable[[str], None] = typer.echo
) -> None:
    """Measure the error on the test images for each run where it is missing."""
    with (
        preparing(cache, say=say) as preparation,
        progress("evaluate runs", len(sweep.settings), say=say) as display,
    ):
        for done, name in enumerate(add_test_errors(sweep, preparation)):
            display.show(done, name)


def show_sweep(sweep: Sweep) -> None:
    """Print the runs of a sweep and a summary of each setting."""
    table, console = rows(sweep), Console()
    if not console.is_terminal:
        console.width = 160  # a file has no width: show all columns
    names = [short_name(name) for name, _ in sweep.plan.grid]
    console.print(_table_of_runs(sweep.title, names, table))
    console.print(_table_of_settings(names, table))


_MEASURES = ("L_I", "training error", "test error")


def _measures(values: Measures) -> tuple[str, str, str]:
    """Return the measures as the table shows them."""

    def percent(error: float | None) -> str:
        return "–" if error is None else f"{100 * error:.2f} %"

    information = "–" if values.information is None else f"{values.information:.3f}"
    return information, percent(values.train_error), percent(values.test_error)


def _table_of_runs(title: str, names: list[str], table: list[Row]) -> Table:
    result = Table(title=title)
    for column in (*names, "seed", "state", "step", "time", *_MEASURES, "L_I of each code"):
        result.add_column(column)
    for row in table:
        minutes, seconds = divmod(round(row.seconds), 60)
        result.add_row(
            *map(shown, row.point.values()), str(row.seed),
            f"{row.state}: {row.reason}" if row.reason else row.state,
            f"{row.step}/{row.steps}", f"{minutes}:{seconds:02}", *_measures(row.measures),
            "  ".join(f"{value:.3f}" for value in row.codes),
        )  # fmt: skip
    return result


def _table_of_settings(names: list[str], table: list[Row]) -> Table:
    result = Table(title="by L_I, for which no label is read")
    for column in (*names, "done", "", "seed", *_MEASURES):
        result.add_column(column)
    for summary in summaries(table):
        setting = (*map(shown, summary.point.values()), f"{summary.done} of {summary.runs}")
        for which, seed, measures in summary.lines():
            result.add_row(*setting, which, seed, *_measures(measures))
        result.add_section()
    return result
