"""``python -m benchmarks``: measure minigan against its peers, from a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import rich
import typer
from rich.markup import escape

from benchmarks import account, mnist, report, resources, step
from benchmarks.ladder import LADDERS
from benchmarks.ladder import run as ladder_run
from minigan.devices.sources import kernel_sources
from minigan.errors import MiniganError

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

CORES = report.available_cores()
Threads = Annotated[int, typer.Option(min=1, max=CORES, help="threads of each library")]
BatchSize = Annotated[int, typer.Option(min=2)]


@app.command("step")
def compare_steps(
    rounds: Annotated[int, typer.Option(min=1, help="turns that each library gets")] = 20,
    steps: Annotated[int, typer.Option(min=1, help="training steps in a turn")] = 3,
    pause: Annotated[float, typer.Option(min=0, help="seconds before each turn")] = 0.3,
    threads: Threads = CORES,
    batch_size: BatchSize = 128,
    write: Annotated[
        bool, typer.Option(help="write results/step.json and the README's table")
    ] = True,
) -> None:
    """One InfoGAN training step on MNIST, against PyTorch's."""
    circumstances = report.circumstances()
    console = rich.get_console()
    console.print(f"Measuring, with {threads} threads for each library …")
    plan = step.Plan(batch_size, threads, rounds, steps, pause)
    result = {"benchmark": "step", **circumstances, **step.measure(plan)}
    table = step.table(result)
    console.print(table.rich())
    if report.is_busy(circumstances):
        console.print("[yellow]Not written: other work slowed both libraries, not equally.[/]")
    elif write:
        report.write_json(report.RESULTS / "step.json", result)
        # Half a comparison is no reason to take a whole one out of the README.
        if "ratio" in result:
            report.rewrite_section(report.README, "step", table.markdown())


@app.command()
def memory(name: str, threads: Threads = 1, batch_size: BatchSize = 128) -> None:
    """Train for a few steps in this process, and print its peak of resident memory in MiB."""
    if name not in step.TRAINERS:
        raise typer.BadParameter(f"'{name}' is not one of {', '.join(step.TRAINERS)}")
    print(step.peak_memory_of_training(name, step.Plan(batch_size, threads)))


@app.command("mnist")
def train_mnist(
    seeds: Annotated[str, typer.Option(help="seeds, separated by commas")] = "0,1,2",
    runs: Annotated[Path, typer.Option(help="where the run directories are, or go")] = Path("runs"),
    note: Annotated[str, typer.Option(help="what else is to be known of these runs")] = "",
) -> None:
    """The original recipe on MNIST, a run a seed; runs that have ended are read, not repeated."""
    numbers = [int(seed) for seed in seeds.split(",")]
    results = [mnist.run_seed(runs / f"mnist-infogan-seed{n}", n) for n in numbers]
    table = mnist.table(results, note)
    rich.get_console().print(table.rich())
    entries = [result.to_json() for result in results]
    result = {"benchmark": "mnist", **report.circumstances(), "note": note, "seeds": entries}
    report.write_json(report.RESULTS / "mnist.json", result)
    mnist.keep_grid(mnist.best(results))
    report.rewrite_section(report.README, "mnist", table.markdown())


@app.command("resources")
def kernel_resources(architecture: str = "sm_90") -> None:
    """Registers and shared memory of every CUDA kernel, compiled for an architecture; needs no GPU."""
    table = resources.table(architecture)
    rich.get_console().print(table.rich())
    report.rewrite_section(kernel_sources() / "README.md", "resources", table.markdown())


@app.command("account")
def account_of_a_step(batch_size: BatchSize = 128) -> None:
    """The least bytes and operations of each kernel in one MNIST step, and a model of their time; needs no GPU."""
    table = account.table(batch_size)
    rich.get_console().print(table.rich())
    report.rewrite_section(kernel_sources() / "README.md", "account", table.markdown())


@app.command("ladder")
def climb(
    names: Annotated[
        list[str] | None, typer.Argument(help=f"of {', '.join(LADDERS)}; none is all")
    ] = None,
    device: Annotated[str, typer.Option(help="whose kernels: cuda or cpu")] = "cuda",
    write: Annotated[bool, typer.Option(help="write the results and the page's table")] = True,
) -> None:
    """A kernel's steps from the naive one to the one in use: what each costs. The CUDA kernels' need no GPU."""
    if device not in ("cuda", "cpu"):
        raise typer.BadParameter(f"'{device}' is neither cuda nor cpu")
    for name in names or LADDERS:
        if name not in LADDERS:
            raise typer.BadParameter(f"'{name}' is not one of {', '.join(LADDERS)}")
        (_climb_cuda if device == "cuda" else _climb_cpu)(name, write)


def _climb_cuda(name: str, write: bool) -> None:
    result = {**report.circumstances(), **ladder_run.measure_cuda(LADDERS[name])}
    table = ladder_run.cuda_table(LADDERS[name], result)
    rich.get_console().print(table.rich())
    if write:
        report.write_json(
            report.RESULTS / f"ladder-{name}.json", {"benchmark": f"ladder {name}", **result}
        )
        report.rewrite_section(kernel_sources() / "README.md", f"ladder {name}", table.markdown())


def _climb_cpu(name: str, write: bool) -> None:
    circumstances = report.circumstances()
    result = {**circumstances, **ladder_run.measure_cpu(LADDERS[name])}
    table = ladder_run.cpu_table(LADDERS[name], result)
    rich.get_console().print(table.rich())
    if report.is_busy(circumstances):
        rich.print("[yellow]Not written: other work slowed the steps, not equally.[/]")
    elif write:
        report.write_json(
            report.RESULTS / f"ladder-{name}-cpu.json",
            {"benchmark": f"ladder {name} cpu", **result},
        )
        page = report.ROOT / "docs" / "performance.md"
        report.rewrite_section(page, f"ladder {name}", table.markdown())


def main() -> None:
    try:
        app()
    except MiniganError as error:
        rich.print(f"[red]error:[/] {escape(str(error))}")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
