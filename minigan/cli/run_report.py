"""What `minigan train`, `resume` and `evaluate` print: progress, the paper's numbers, and what to do next."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from minigan.cli.progress import Display, Say, compiling, preparing, progress
from minigan.cli.wrapping import say
from minigan.devices import get_device
from minigan.errors import INTERRUPTED, TrainingError
from minigan.experiments.evaluation import evaluate as evaluate_networks
from minigan.experiments.evaluation import evaluation_images, on_fast_device
from minigan.experiments.evaluation_result import Evaluation
from minigan.experiments.runs import Run
from minigan.experiments.step_metrics import StepMetrics
from minigan.experiments.tensorboard_events import writing_events
from minigan.experiments.trainer import Trainer
from minigan.experiments.training import Interrupted, train
from minigan.files import write_json
from minigan.infogan.codes import share_read
from minigan.infogan.networks import Networks

_LEGEND = (
    "D and G are the losses of the two networks. The percentage of a code says how much of it Q reads in "
    "generated images: 0 % is none, 100 % is all that it can."
)


def run_and_report(
    run: Run,
    trainer: Trainer,
    evaluate: bool,
    cache: Path | None = None,
    tensorboard: bool = False,
) -> None:
    """Train to the end; then, if asked, evaluate and print the paper's numbers."""
    settings = run.settings
    say(
        f"{settings.title}: {settings.codes}, seed {settings.seed}, {settings.iterations} steps of "
        f"{settings.batch_size} images on {settings.device}, in {run.directory}\n{_LEGEND}"
    )
    try:
        with (
            progress("step", settings.iterations, trainer.step_count, unit="steps") as display,
            trainer.device.showing_compilation(display.compiling),
            writing_events(run.directory, trainer.layout)
            if tensorboard
            else nullcontext() as events,
        ):

            def show(metrics: StepMetrics) -> None:
                _show_step(display, trainer, metrics)
                if events:
                    events(metrics)

            train(run, trainer, show)
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
    _show_what_is_next(run, evaluated=evaluate)


def _show_step(display: Display, trainer: Trainer, metrics: StepMetrics) -> None:
    """Show a step's losses, the share of each code that Q reads, and what begins next."""
    layout = trainer.layout
    shares = [
        f"{name} {100 * max(0.0, share_read(code, information)):.0f} %"
        for name, code, information in zip(layout.names, layout, metrics.information, strict=True)
    ]
    losses = [f"D {metrics.discriminator_loss:.2f}", f"G {metrics.generator_loss:.2f}"]
    ahead = [
        (step, what)
        for extension in trainer.extensions
        for step, what in extension.milestones()
        if metrics.step < step <= trainer.settings.iterations
    ]
    phase = [f"{what} at step {step:,}" for step, what in sorted(ahead)[:1]]
    display.show(metrics.step, "  ".join([*losses, *shares, *phase]))


def _show_what_is_next(run: Run, evaluated: bool) -> None:
    """Say where the pictures are, and which commands go on from here."""
    longer = 2 * run.settings.iterations
    commands = [
        (f"minigan figures {run.directory}", "draws the paper's figures"),
        (f"minigan report {run.directory}", "writes all of it as one page"),
        (f"minigan sample {run.directory}", "draws a grid of samples"),
        (f"minigan explore {run.directory}", "moves its codes on a page"),
        (f"minigan resume {run.directory} --iterations {longer}", "trains further"),
    ]
    if not evaluated:
        commands.insert(0, (f"minigan evaluate {run.directory}", "measures the paper's numbers"))
    typer.echo(f"Samples of each stage are in {run.directory / 'samples'}. Next:")
    width = max(len(command) for command, _ in commands)
    for command, what in commands:
        typer.echo(f"  {command:{width}}  {what}")


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
    run: Run, networks: Networks, step: int, cache: Path | None = None, say: Say = typer.echo
) -> Evaluation:
    """Evaluate the networks of a step, and write evaluation.json."""
    with preparing(cache, say=say) as preparation:
        labeled, held_back, factored = evaluation_images(run.settings, preparation)
    networks, settings = on_fast_device(networks, run.settings)
    device = get_device(settings.device)
    with compiling(settings.device, say):
        device.compile_kernels(settings.dtype)
    with (
        progress("evaluate images", 0, say=say) as display,
        device.showing_compilation(display.compiling),
    ):
        evaluation = evaluate_networks(
            networks, settings, labeled, held_back, factored=factored,
            progress=lambda done, total: display.show(done, total=total),
        )  # fmt: skip
    write_json(run.directory / "evaluation.json", {"step": step, **evaluation.to_json()})
    return evaluation
