"""`minigan train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from minigan.cli import options
from minigan.cli.options import RESULT, read_settings, use_threads


def train(
    experiment: options.Experiment,
    preset: options.Preset = None,
    data: options.Data = None,
    seed: options.Seed = None,
    iterations: options.Iterations = None,
    batch_size: options.BatchSize = None,
    assignments: options.Assignments = None,
    device: options.Device = None,
    threads: options.Threads = None,
    capture: options.Capture = True,
    evaluate: options.Evaluate = True,
    tensorboard: options.TensorBoard = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The run's directory; runs/… if not given.",
            metavar="DIR",
            rich_help_panel=RESULT,
        ),
    ] = None,
    cache: options.Cache = None,
) -> None:
    """Train InfoGAN, and measure the result.

    It draws samples on the way, and measures the paper's numbers at the end.

    Ctrl-C saves the state; `minigan resume` goes on as if nothing had happened.
    """
    from minigan.cli.progress import compiling, preparing
    from minigan.cli.run_report import run_and_report
    from minigan.experiments.runs import Run, free_directory
    from minigan.experiments.tensorboard_events import require_tensorboard
    from minigan.experiments.training import make_trainer

    settings = read_settings(
        experiment, preset, assignments,
        data=data, seed=seed, iterations=iterations, batch_size=batch_size, device=device,
    )  # fmt: skip
    use_threads(threads)
    if tensorboard:
        require_tensorboard()
    directory = out or free_directory(Path("runs"), settings)
    Run.check_free(directory)
    with preparing(cache) as preparation, compiling(settings.device):
        trainer = make_trainer(settings, preparation, capture)
    run = Run.create(directory, settings)
    with run.lock():
        run_and_report(run, trainer, evaluate, cache, tensorboard)
