"""`minigan sweep` and `minigan sweep show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from minigan.cli import options
from minigan.cli.options import HOW, RESULT, read_settings

RUNS = "Runs"  # panel of the help


class _RunByDefault(TyperGroup):
    """Takes `minigan sweep mnist` for `minigan sweep run mnist`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["run", *args]
        return super().parse_args(ctx, args or ["--help"])


app = typer.Typer(
    cls=_RunByDefault,
    help="Train with many seeds and settings.",
    epilog="`minigan sweep mnist --seeds 10` is short for `minigan sweep run mnist --seeds 10`.",
)


@app.command("run")
def run(
    experiment: options.Experiment,
    preset: options.Preset = None,
    data: options.Data = None,
    iterations: options.Iterations = None,
    batch_size: options.BatchSize = None,
    assignments: options.Assignments = None,
    seeds: Annotated[
        str,
        typer.Option(
            help="How many: 10 is 0 to 9; or which: 3,5,10-19.",
            metavar="SEEDS",
            rich_help_panel=RUNS,
        ),
    ] = "5",
    grid: Annotated[
        list[str] | None,
        typer.Option(
            help="A setting's values; repeated, all combinations.",
            metavar="NAME=V,V,…",
            rich_help_panel=RUNS,
        ),
    ] = None,
    device: options.Device = None,
    threads: Annotated[
        int,
        typer.Option(
            help="Threads of a run.",
            metavar="N",
            min=1,
            rich_help_panel=HOW,
        ),
    ] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Runs at once; all cores if not given.",
            metavar="N",
            min=1,
            rich_help_panel=HOW,
        ),
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            help="processes, or ray: an existing cluster.",
            metavar="NAME",
            rich_help_panel=HOW,
        ),
    ] = "processes",
    ray_address: Annotated[
        str,
        typer.Option(
            help="auto finds the cluster, local starts one.",
            metavar="ADDRESS",
            rich_help_panel=HOW,
        ),
    ] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            help="The sweep's directory; runs/… if not given.",
            metavar="DIR",
            rich_help_panel=RESULT,
        ),
    ] = None,
    cache: options.Cache = None,
) -> None:
    """Train with many seeds and settings; print a table.

    Ctrl-C saves all states. The same command goes on where it stopped.
    Only `minigan sweep show --test` reads labels of test images.
    """
    from minigan.cli.progress import compiling, preparing
    from minigan.cli.sweep_report import sweep_and_report
    from minigan.experiments.executors.choice import make_executor
    from minigan.experiments.sweeps.directory import Sweep
    from minigan.experiments.sweeps.plan import Plan, parse_grid, parse_seeds
    from minigan.experiments.sweeps.work import check_runs
    from minigan.experiments.training import images_of

    chosen_seeds = parse_seeds(seeds)  # the first one is an option's value: --set seed=3 is refused
    settings = read_settings(
        experiment, preset, assignments,
        data=data, seed=chosen_seeds[0], iterations=iterations, batch_size=batch_size, device=device,
    )  # fmt: skip
    plan = Plan(settings, chosen_seeds, parse_grid(grid or []), threads)
    directory = out or Path("runs") / f"{settings.experiment}-{settings.objective}-sweep"
    Sweep.check(directory, plan)
    with preparing(cache) as preparation, compiling("cpu"):  # once, before the runs start
        check_runs(plan, images_of(settings, preparation))
    with make_executor(executor, plan, jobs, ray_address, cache) as chosen:
        sweep_and_report(Sweep.create(directory, plan), chosen)


@app.command("show")
def show(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(help="The sweeps' directories.", metavar="DIR", show_default="all in runs/"),
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="Measure the error on test images too.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV: a line a run.")] = False,
    as_json: options.Json = False,
    cache: options.Cache = None,
) -> None:
    """Print the runs of a sweep.

    The best, median and worst run of each setting follow in a second table.
    """
    from minigan.cli.sweep_report import measure_test_errors, show_sweep
    from minigan.experiments.sweeps.directory import Sweep, sweeps_in
    from minigan.experiments.sweeps.table import rows, to_csv, to_json

    sweeps = [Sweep.open(directory) for directory in directories or sweeps_in(Path("runs"))]
    for sweep in sweeps if test else ():
        measure_test_errors(sweep, cache, say=options.say_on_stderr)
    if as_json:
        typer.echo(json.dumps([to_json(sweep) for sweep in sweeps], ensure_ascii=False, indent=1))
        return
    for sweep in sweeps:
        if csv:
            typer.echo(to_csv(rows(sweep)), nl=False)
        else:
            show_sweep(sweep)


@app.command("publish")
def publish(
    directory: Annotated[
        Path, typer.Argument(help="The sweep's directory.", metavar="DIR", show_default=False)
    ],
    note: Annotated[str, typer.Option(help="A sentence about these runs, below the table.")] = "",
    checkout: Annotated[
        Path, typer.Option(help="The checkout of minigan with the pages.", metavar="DIR")
    ] = Path(),
) -> None:
    """Write a sweep's table into the pages of a checkout.

    It takes sweeps of the README's recipes, and sweeps on scenes.
    """
    from rich.console import Console

    from minigan.experiments.published.checkout import Checkout
    from minigan.experiments.published.publishing import publish as published
    from minigan.experiments.sweeps.directory import Sweep

    for table in published(Sweep.open(directory), Checkout.open(checkout), note):
        Console().print(table.rich())


@app.command("work", hidden=True)
def work(directory: Path, name: str, cache: options.Cache = None) -> None:
    """Train one run of a sweep, as its processes do."""
    from minigan.experiments.executors.processes import run_worker

    run_worker(directory, name, cache)
