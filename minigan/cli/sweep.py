"""`minigan sweep` and `minigan sweep show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from minigan.cli.data import Cache
from minigan.cli.training import with_settings


class _RunByDefault(TyperGroup):
    """Takes `minigan sweep mnist` for `minigan sweep run mnist`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["run", *args]
        return super().parse_args(ctx, args or ["--help"])


app = typer.Typer(
    cls=_RunByDefault,
    help="Many seeds and settings of one experiment: `minigan sweep mnist --seeds 10 --grid lambda=0.5,1,2`.\n\n"
    "All options: `minigan sweep run --help`. The table again: `minigan sweep show`.",
)


@app.command("run")
@with_settings("seed")
def run(
    settings: Any,
    seeds: Annotated[
        str,
        typer.Option(help="How many: 10 is the seeds 0 to 9; or which: 3,5,10-19."),
    ] = "5",
    grid: Annotated[
        list[str] | None,
        typer.Option(
            help="A setting and its values, like lambda=0.5,1,2 (any name in experiment.json); given again, all "
            "combinations."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The sweep's directory; runs/EXPERIMENT-OBJECTIVE-sweep if not given."),
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            help="processes, on this machine; or ray: an existing cluster, all of whose machines see the sweep's "
            "directory and have minigan."
        ),
    ] = "processes",
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Runs at once, in processes; as many as there are cores for if not given, one on a GPU.",
            min=1,
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option(help="Threads of a run; another number changes its last bits.", min=1)
    ] = 1,
    ray_address: Annotated[
        str, typer.Option(help="The Ray cluster: auto finds it, local starts one here.")
    ] = "auto",
    cache: Cache = None,
) -> None:
    """Train and evaluate one experiment with many seeds, and with each value of the grid; then a table of all runs.

    Ctrl-C saves all states. The same command goes on where it was stopped, or killed: what has ended is never run
    again, everything else goes on from its newest checkpoint. Errors are those on the training images; the labels
    of the test images are read for `minigan sweep show --test` only.
    """
    from minigan.cli.progress import preparation, sweep_and_report
    from minigan.experiments.executors.choice import make_executor
    from minigan.experiments.runs import images_of
    from minigan.experiments.sweeps.directory import Sweep
    from minigan.experiments.sweeps.plan import Plan, parse_grid, parse_seeds
    from minigan.experiments.sweeps.work import check_runs

    plan = Plan(settings, parse_seeds(seeds), parse_grid(grid or []), threads)
    directory = out or Path("runs") / f"{settings.experiment}-{settings.objective}-sweep"
    Sweep.check(directory, plan)
    with preparation(cache) as how:
        check_runs(plan, images_of(settings, how))
    with make_executor(executor, plan, jobs, ray_address, cache) as chosen:
        sweep_and_report(Sweep.create(directory, plan), chosen)


@app.command("show")
def show(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(help="Sweeps' directories; all sweeps in runs/ if none is given."),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Measure the error on the test images too.")
    ] = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Write a line a run, to be read by programs.")
    ] = False,
    cache: Cache = None,
) -> None:
    """The table of a sweep: every run, and the best, median and worst of each setting, as far as it is."""
    from minigan.cli.progress import show_sweep
    from minigan.experiments.sweeps.directory import Sweep, sweeps_in

    for directory in directories or sweeps_in(Path("runs")):
        show_sweep(Sweep.open(directory), test, csv, cache)


@app.command("work", hidden=True)
def work(directory: Path, name: str, cache: Cache = None) -> None:
    """One run of a sweep: what its processes do."""
    from minigan.experiments.executors.processes import run_worker

    run_worker(directory, name, cache)
