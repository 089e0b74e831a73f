"""`minigan resume`."""

from __future__ import annotations

import typer

from minigan.cli import options
from minigan.cli.options import use_threads


def resume(
    directory: options.RunDirectory,
    iterations: options.Iterations = None,
    threads: options.Threads = None,
    capture: options.Capture = True,
    evaluate: options.Evaluate = True,
    tensorboard: options.TensorBoard = False,
    cache: options.Cache = None,
) -> None:
    """Go on with a run from its newest checkpoint.

    The result is the same as if it had never stopped.
    `--iterations` sets another last step.
    """
    from minigan.cli.progress import compiling, preparing
    from minigan.cli.run_report import run_and_report
    from minigan.experiments.runs import Run
    from minigan.experiments.tensorboard_events import require_tensorboard
    from minigan.experiments.training import make_trainer

    run = Run.open(directory)
    use_threads(threads)
    if tensorboard:
        require_tensorboard()
    with preparing(cache) as preparation, compiling(run.settings.device):
        trainer = make_trainer(run.settings, preparation, capture)
    if note := run.about_threads():
        typer.echo(note)
    with run.lock():
        run.restore(trainer)
        if iterations is not None:
            run.extend(iterations, trainer.step_count)
        run_and_report(run, trainer, evaluate, cache, tensorboard)
