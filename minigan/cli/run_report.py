"""What `minigan train`, `resume` and `evaluate` print: progress, the paper's numbers, and what to do next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from minigan.cli.progress import Speed, preparing, progress
from minigan.errors import TrainingError
from minigan.experiments.evaluation import evaluate as evaluate_networks
from minigan.experiments.evaluation import evaluation_images, on_fast_device
from minigan.experiments.evaluation_result import Evaluation
from minigan.experiments.runs import Run
from minigan.experiments.training import INTERRUPTED, Interrupted, train
from minigan.files import write_json
from minigan.infogan.networks import Networks
from minigan.infogan.step import Trainer
from minigan.infogan.step_metrics import StepMetrics


def run_and_report(run: Run, trainer: Trainer, evaluate: bool, cache: Path | None = None) -> None:
    """Train to the end; then, if asked, evaluate and print the paper's numbers."""
    settings, layout, speed = run.settings, trainer.layout, Speed()
    typer.echo(
        f"{settings.title}: {settings.codes}, seed {settings.seed}, {settings.iterations} steps of "
        f"{settings.batch_size} images on {settings.device}, in {run.directory}"
    )
    names, limits = layout.names, [code.attainable for code in layout]

    def note(metrics: StepMetrics) -> str:
        information = "  ".join(
            f"{name} {value:.2f}/{limit:.2f}"
            for name, value, limit in zip(names, metrics.information, limits, strict=True)
        )
        return (
            f"D {metrics.discriminator_loss:.2f}  G {metrics.generator_loss:.2f}  "
            f"L_I {information}  {speed.tick():.1f} steps/s"
        )

    try:
        with progress("train", settings.iterations, trainer.step_count) as show:
            train(run, trainer, lambda metrics: show(metrics.step, note(metrics)))
    except Interrupted as stopped:
        typer.echo(
            f"stopped at step {stopped.step}; go on with: minigan resume {run.directory}", err=True
        )
        raise SystemExit(INTERRUPTED) from None
    except TrainingError as error:
        kept = run.checkpoints()
        place = (
            f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint was written yet"
        )
        raise TrainingError(f"{error}; {place}") from error
    if evaluate:
        evaluate_and_report(run, trainer.result, trainer.step_count, cache)


def evaluate_and_report(run: Run, networks: Networks, step: int, cache: Path | None = None) -> None:
    """Evaluate the networks of a step; print a table, and write evaluation.json."""
    evaluation = evaluate_and_write(run, networks, step, cache)
    table = Table(title=f"{run.settings.title}, seed {run.settings.seed}, step {step}")
    for column in ("measure", "value", "reference"):
        table.add_column(column)
    for row in evaluation.rows():
        table.add_row(*row)
    Console().print(table)


def evaluate_and_write(
    run: Run,
    networks: Networks,
    step: int,
    cache: Path | None = None,
    say: Callable[[str], None] = typer.echo,
) -> Evaluation:
    """Evaluate the networks of a step, and write evaluation.json."""
    with preparing(cache, say=say) as preparation:
        labeled, held_back, factored = evaluation_images(run.settings, preparation)
    networks, settings = on_fast_device(networks, run.settings)
    with progress("evaluate, %", 100) as show:
        evaluation = evaluate_networks(
            networks, settings, labeled, held_back, factored=factored,
            progress=lambda done, total: show(100 * done // total, ""),
        )  # fmt: skip
    write_json(run.directory / "evaluation.json", {"step": step, **evaluation.to_json()})
    return evaluation
