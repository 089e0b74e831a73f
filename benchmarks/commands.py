"""The commands of ``python -m benchmarks``, but for ``gpu``: measure minigan against other libraries."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import rich
import typer
from rich.markup import escape

from benchmarks import (
    account,
    batch,
    declaration,
    first_minutes,
    information,
    kernels,
    report,
    resources,
    startup,
    step,
)
from benchmarks.conformance import command as conformance
from benchmarks.ladder import LADDERS
from benchmarks.ladder import run as ladder_run
from minigan.devices import get_device, uses_gpu
from minigan.devices.device import KERNELS
from minigan.devices.precision import FLOAT32_PRECISIONS
from minigan.devices.sources import kernel_sources
from minigan.errors import MiniganError
from minigan.experiments import pages
from minigan.experiments.declarations import EXPERIMENTS

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

CORES = report.available_cores()
Threads = Annotated[int, typer.Option(min=1, max=CORES, help="threads of each library")]
BatchSize = Annotated[int, typer.Option(min=2)]
Rounds = Annotated[int, typer.Option(min=1, help="turns that each contender gets")]
Steps = Annotated[int, typer.Option(min=1, help="training steps in a turn")]
Pause = Annotated[float, typer.Option(min=0, help="seconds before each turn")]
Precision = Annotated[str, typer.Option(help="of float32 products: ieee, or tf32 on a GPU")]
DeviceName = Annotated[str, typer.Option("--device", help="cpu or cuda")]
Write = Annotated[bool, typer.Option(help="write results/, the plots and the pages' tables")]


@app.command("conformance")
def compare_with_pytorch(
    quick: Annotated[
        bool, typer.Option(help="a part: sample inputs in float64, 150 seconds")
    ] = False,
    write: Write = True,
) -> None:
    """Compare values and gradients with PyTorch's, over the samples of its OpInfo database (extra `bench`)."""
    result = conformance.run_all(quick)
    for table in conformance.tables(result):
        rich.print(table.rich())
    for fault in (faults := conformance.faults(result)):
        print(fault)
    if write and not quick:
        conformance.write(result)
    if faults:
        raise typer.Exit(1)


@app.command("step")
def compare_steps(
    rounds: Rounds = 20,
    steps: Annotated[
        int | None, typer.Option(min=1, help="training steps in a turn; 3, on a GPU 200")
    ] = None,
    pause: Annotated[
        float | None, typer.Option(min=0, help="seconds before each turn; 0.3, on a GPU 0")
    ] = None,
    threads: Threads = CORES,
    batch_size: BatchSize = 128,
    device: DeviceName = "cpu",
    precision: Precision = "ieee",
    write: Write = True,
) -> None:
    """Time one InfoGAN training step on MNIST, against PyTorch's: eager, compiled, as a CUDA graph."""
    base = step.GPU_PLAN if uses_gpu(_device(device)) else step.Plan()
    plan = dataclasses.replace(
        base, batch_size=batch_size, threads=threads, rounds=rounds, device=device, precision=_precision(precision),
        steps=base.steps if steps is None else steps, pause=base.pause if pause is None else pause,
    )  # fmt: skip
    declaration.run(step.BENCHMARK, plan, write)


def _precision(name: str) -> str:
    if name not in FLOAT32_PRECISIONS:
        raise typer.BadParameter(f"'{name}' is not one of {', '.join(FLOAT32_PRECISIONS)}")
    return name


@app.command("gpu")
def measure_gpu() -> None:
    """Check and measure all that needs a GPU, in pieces of minutes; `gpu --help` says how."""
    from benchmarks.gpu.command import main as run_gpu

    raise SystemExit(run_gpu([]))


@app.command("startup")
def measure_startup(write: Write = True) -> None:
    """Time the first step and gradient check of a new process, with no kernels compiled, and with."""
    startup.run(write, rich.get_console().print)


@app.command("first-minutes")
def measure_first_minutes(
    quick: Annotated[
        bool, typer.Option(help="to the first grid of digits, and keep nothing")
    ] = False,
    write: Write = True,
) -> None:
    """Time the README's own lines in a fresh clone with an empty home: installing, the first digits, the end."""
    first_minutes.run(quick, write, print)


@app.command("batch")
def scale_batches(
    batch_sizes: Annotated[
        str, typer.Option(help="separated by commas")
    ] = "32,64,128,256,512,1024",
    rounds: Rounds = 7,
    steps: Steps = 1,
    pause: Pause = 0.3,
    threads: Threads = CORES,
    device: DeviceName = "cpu",
    write: Write = True,
) -> None:
    """Time the step against its batch size: the line a + b·n, and how far from it each size is."""
    sizes = _numbers(batch_sizes, "batch sizes", least=2)
    if len(sizes) < 3:
        raise typer.BadParameter("two batch sizes lie on a line always: give three or more")
    plan = batch.Plan(sizes, threads, rounds, steps, pause, _device(device))
    declaration.run(batch.BENCHMARK, plan, write)


@app.command("information")
def cost_of_information(
    rounds: Rounds = 20,
    steps: Steps = 3,
    pause: Pause = 0.3,
    threads: Threads = CORES,
    batch_size: BatchSize = 128,
    device: DeviceName = "cpu",
    write: Write = True,
) -> None:
    """Measure what L_I costs: a step of InfoGAN over one of the same GAN, which has no Q."""
    plan = information.Plan(batch_size, threads, rounds, steps, pause, _device(device))
    declaration.run(information.BENCHMARK, plan, write)


@app.command("kernels")
def compare_kernels(
    name: Annotated[
        str | None, typer.Argument(help="a kernel of the contract; without, all")
    ] = None,
    experiment: Annotated[
        str, typer.Option(help="one, several separated by commas, or all")
    ] = "mnist",
    batch_sizes: Annotated[
        str, typer.Option(help="separated by commas; tables show the first")
    ] = "128",
    threads: Annotated[str, typer.Option(help="separated by commas; tables show the most")] = str(
        CORES
    ),
    rounds: Rounds = 7,
    pause: Pause = 0.1,
    device: DeviceName = "cpu",
    write: Write = True,
) -> None:
    """Time every kernel at InfoGAN's shapes, against a library's call, and their place under the roofline."""
    if name is not None and name not in KERNELS:
        raise typer.BadParameter(f"'{name}' is no kernel; there is {', '.join(KERNELS)}")
    names = tuple(EXPERIMENTS) if experiment == "all" else tuple(experiment.split(","))
    plan = kernels.Plan(
        names, name, _numbers(threads, "threads", least=1, most=CORES),
        _numbers(batch_sizes, "batch sizes", least=2), rounds, pause=pause, device=_device(device),
    )  # fmt: skip
    declaration.run(kernels.BENCHMARK, plan, write and name is None)


def _numbers(text: str, what: str, least: int, most: int = 10**6) -> tuple[int, ...]:
    """Numbers separated by commas; a BadParameter in one sentence if they are not that."""
    try:
        numbers = tuple(int(number) for number in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{what} are numbers separated by commas, not '{text}'") from None
    if not all(least <= number <= most for number in numbers):
        raise typer.BadParameter(f"{what} are from {least} to {most:,}, not {text}")
    return numbers


def _device(name: str) -> str:
    """Refuse a device whose times say nothing: the emulated one is for reading and checking."""
    if name not in ("cpu", "cuda"):
        raise typer.BadParameter(f"what is timed is 'cpu' or 'cuda', not '{name}'")
    get_device(name)
    return name


@app.command()
def memory(
    name: str,
    threads: Threads = 1,
    batch_size: BatchSize = 128,
    device: DeviceName = "cpu",
    precision: Precision = "ieee",
) -> None:
    """Train for a few steps in this process, and print its peak of resident memory in MiB."""
    if name not in step.TRAINERS:
        raise typer.BadParameter(f"'{name}' is not one of {', '.join(step.TRAINERS)}")
    plan = step.Plan(batch_size, threads, device=device, precision=_precision(precision))
    print(step.peak_memory_of_training(name, plan))


@app.command("resources")
def kernel_resources(architecture: str = "sm_90") -> None:
    """Registers and shared memory of every CUDA kernel, compiled for an architecture; needs no GPU."""
    table = resources.table(architecture)
    rich.get_console().print(table.rich())
    report.rewrite_section(kernel_sources() / "README.md", "resources", table.markdown())


@app.command("account")
def account_of_a_step(batch_size: BatchSize = 128) -> None:
    """Count the least bytes and operations of each kernel in one MNIST step, and a model of their time; needs no GPU."""
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
    """Time a kernel's steps from the naive one to the one in use: what each costs. The CUDA kernels' need no GPU."""
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
        pages.write_json(
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
        pages.write_json(
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
