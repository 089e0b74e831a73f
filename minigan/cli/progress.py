"""What the commands show: a live line while something runs, tables at its end. Quiet when not on a terminal."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from minigan.datasets.cache import Preparation
from minigan.errors import SettingsError, TrainingError
from minigan.experiments.declarations import get_experiment
from minigan.experiments.evaluation import Evaluation, evaluation_images
from minigan.experiments.evaluation import evaluate as evaluate_networks
from minigan.experiments.executors.base import Executor, execute
from minigan.experiments.names import short_name
from minigan.experiments.runs import INTERRUPTED, Interrupted, Run
from minigan.experiments.sweeps.directory import Sweep
from minigan.experiments.sweeps.plan import shown
from minigan.experiments.sweeps.table import Measures, Row, rows, summaries
from minigan.experiments.sweeps.work import add_test_errors
from minigan.files import replacing, write_json
from minigan.infogan.networks import Networks
from minigan.infogan.step import Trainer
from minigan.infogan.step_metrics import StepMetrics

if TYPE_CHECKING:  # loaded by the commands that need them
    from minigan.inspect.profile import KernelProfile
    from minigan.inspect.roofline import Machine


class _NotedProgress(Progress):
    """A bar, and below it the note: side by side, a terminal of 80 columns would show neither whole."""

    def get_renderables(self) -> Iterable[RenderableType]:
        for task in self.tasks:
            yield self.make_tasks_table([task])
            yield str(task.fields["note"])


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}"), BarColumn(bar_width=20),
        TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn(compact=True),
    )  # fmt: skip


@contextmanager
def _progress(description: str, total: int, done: int = 0) -> Iterator[Callable[[int, str], None]]:
    """A bar on the terminal: call the value with how much is done, and what to show below it."""
    console = Console()
    with _NotedProgress(*_columns(), console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(description, total=total, completed=done, note="")
        yield lambda completed, note: progress.update(task, completed=completed, note=note)


class _Speed:
    """Steps a second over the last fifty or so."""

    def __init__(self) -> None:
        import time

        self.clock = time.perf_counter
        self.times: list[float] = [self.clock()]

    def tick(self) -> float:
        self.times = [*self.times[-50:], self.clock()]
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])


@contextmanager
def preparation(
    cache: Path | None,
    leave_out: bool = False,
    verify: bool = False,
    say: Callable[[str], None] = typer.echo,
) -> Iterator[Preparation]:
    """Show a bar on the terminal while images are prepared; `say` prints what was found in them."""
    console = Console()
    bar = Progress(*_columns(), console=console, disable=not console.is_terminal)
    task = bar.add_task("prepare images", total=None)

    def show(done: int, total: int) -> None:
        bar.start()  # nothing, once it has
        bar.update(task, completed=done, total=total)

    try:
        yield Preparation(cache, leave_out, verify, show, say)
    finally:
        if bar.live.is_started:
            bar.stop()


def run_and_report(run: Run, trainer: Trainer, evaluate: bool, cache: Path | None = None) -> None:
    """Train to the end; then, if asked, evaluate and print the paper's numbers."""
    settings, layout, speed = run.settings, trainer.layout, _Speed()
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
        with _progress("train", settings.iterations, trainer.step_count) as show:
            run.train(trainer, lambda metrics: show(metrics.step, note(metrics)))
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
    with preparation(cache, say=say) as how:
        train, test, factored = evaluation_images(run.settings, how)
    with _progress("evaluate, %", 100) as show:
        evaluation = evaluate_networks(
            networks, run.settings, train, test, factored=factored,
            progress=lambda done, total: show(100 * done // total, ""),
        )  # fmt: skip
    write_json(run.directory / "evaluation.json", {"step": step, **evaluation.to_json()})
    return evaluation


def sweep_and_report(sweep: Sweep, executor: Executor) -> None:
    """Carry out a sweep, and print its table."""
    of = {name: settings.iterations for name, settings in sweep.settings.items()}
    typer.echo(f"{sweep.title}, in {sweep.directory}")

    def note(ended: int, steps: dict[str, int]) -> str:
        going = [f"{name} {step}/{of[name]}" for name, step in steps.items() if 0 < step < of[name]]
        return "  ".join([f"{ended} of {len(of)} runs have ended", *going])

    try:
        with _progress("sweep", sum(of.values()), sum(sweep.reached().values())) as show:

            def report(ended: int) -> None:
                steps = sweep.reached()
                show(sum(steps.values()), note(ended, steps))

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
    with preparation(cache, say=say) as how, _progress("evaluate", len(sweep.settings)) as show:
        for done, name in enumerate(add_test_errors(sweep, how)):
            show(done, name)


def show_sweep(sweep: Sweep) -> None:
    """Print the runs of a sweep and a summary of each setting."""
    table, console = rows(sweep), Console()
    if not console.is_terminal:
        console.width = 160  # nobody's window: room for all columns
    names = [short_name(name) for name, _ in sweep.plan.grid]
    console.print(_table_of_runs(sweep.title, names, table))
    console.print(_table_of_settings(names, table))


_MEASURES = ("L_I", "training error", "test error")


def _measures(values: Measures) -> tuple[str, str, str]:
    """As the table shows them, under those names."""

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


def profile_and_show(
    kernel: str, experiment: str, batch_size: int, number: int, page_path: Path | None
) -> None:
    """Profile a kernel's calls in a training step; print the annotated source, and write the page."""
    from minigan.inspect.profile import calls_of, profile_call

    settings = dataclasses.replace(get_experiment(experiment), batch_size=batch_size)
    calls = calls_of(kernel, settings)
    if number > len(calls):
        raise SettingsError(f"there is no call {number} of {kernel}; a step has {len(calls)}")
    chosen = calls[number - 1 : number] if number else calls
    profiles = []
    with _progress("profiling", len(chosen)) as show:
        for i, call in enumerate(chosen):
            show(i, str(call))
            for profile in profile_call(call):
                title = f"{call}: {profile.launch.source.name}, {profile.launch.kernel}"
                profiles.append((title, profile))
    _show_profiles(f"minigan profile {kernel}", profiles, page_path)


def _show_profiles(
    title: str, profiles: list[tuple[str, KernelProfile]], page_path: Path | None
) -> None:
    from minigan.inspect.annotate import page, terminal

    console = Console()
    if not console.is_terminal:
        console.width = 160  # nobody's window: room for the source
    for heading, profile in profiles:
        console.print(terminal(heading, profile))
    if page_path is not None:
        with replacing(page_path) as temporary:
            temporary.write_text(page(title, profiles), encoding="utf-8")
        typer.echo(f"wrote {page_path}")


_MARKS = {"passed": "✓", "failed": "✗", "not checked": "–"}


def check_and_show(path: Path) -> bool:
    """Check the kernels at `path`, a line a check; whether none failed."""
    from minigan.inspect.contract import find_kernels, load_contract
    from minigan.inspect.kernel_check import FAILED, NOT_CHECKED, check_kernel

    failed = 0
    contracts = [load_contract(kernels) for kernels in find_kernels(path)]
    for contract in contracts:
        typer.echo(f"{contract.kernels.name} and {contract.file.name}")
        for check in check_kernel(contract):
            failed += check.verdict == FAILED
            reason = "not checked: " if check.verdict == NOT_CHECKED else ""
            detail = f"{reason}{check.detail}".replace("\n", "\n" + 14 * " ")
            typer.echo(f"  {_MARKS[check.verdict]} {check.name:9} {detail}")
            sys.stdout.flush()
    typer.echo(f"{failed} failed" if failed else "all right")
    return not failed


def bench_and_show(path: Path, number: int, gpu: str) -> None:
    """What the kernels at `path` move and compute, counted; a model of their time; and their time where there is a GPU."""
    from minigan.inspect.contract import find_kernels, load_contract, shapes
    from minigan.inspect.kernel_bench import count, gpu_problem, timings, work
    from minigan.inspect.roofline import MACHINES

    if gpu not in MACHINES:
        raise SettingsError(f"the rates of '{gpu}' are not known; there are {', '.join(MACHINES)}")
    machine, console = MACHINES[gpu], Console()
    if not console.is_terminal:
        console.width = 160
    for contract in [load_contract(kernels) for kernels in find_kernels(path)]:
        example, profiles = count(contract, number)
        console.print(
            _counts_table(f"{contract.kernels.name}, {shapes(example)}, float32: counted on the emulated device", profiles, machine)
        )  # fmt: skip
        amount = work(contract)
        if amount is not None:
            typer.echo(
                f"{amount.arguments}: {amount.bytes / 1e6:.4g} MB and {amount.flops / 1e9:.3g} GFLOP at least; a model, not a "
                f"measurement: {1e6 * amount.model(machine):.3g} µs at the rates stated for the {machine.name}"
            )
        if problem := gpu_problem():
            typer.echo(f"not timed: {problem}")
            continue
        for timing in timings(contract):
            typer.echo(timing.described(amount))


def _counts_table(title: str, profiles: list[KernelProfile], machine: Machine) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("kernel", "grid", "sectors", "bank conflicts", "moved", "least", "lanes", "FLOPs", "FLOPs/byte", f"{machine.name}, model"):  # fmt: skip
        table.add_column(column, justify="left" if column == "kernel" else "right")
    for profile in profiles:
        total, launch = profile.total, profile.launch
        requests = max(total.global_requests, 1)
        seconds = machine.seconds(profile.least_bytes, total.flops)
        table.add_row(
            launch.kernel, "×".join(map(str, launch.grid)),
            f"{total.sectors / requests:.3g} of {total.least_sectors / requests:.3g}",
            f"{total.wavefronts - total.least_wavefronts:,}", f"{profile.moved_bytes:,} B",
            f"{profile.least_bytes:,} B", f"{total.active_lanes:.0%}", f"{total.flops:,}",
            f"{profile.intensity:.3g}",
            f"{1e6 * seconds:.2g} µs, {machine.bound(profile.least_bytes, total.flops)}",
        )  # fmt: skip
    table.caption = (
        "sectors of 32 bytes that an access of a warp moves, of how many would do; FLOPs are additions, multiplications, "
        "divisions and roots, and not what exp and its like do inside; the model has no launch in it"
    )
    return table


def profile_file_and_show(path: Path, number: int, page_path: Path | None) -> None:
    """Profile the launches that a contract's largest example makes; print the annotated source, and write the page."""
    from minigan.inspect.contract import load_contract, shapes
    from minigan.inspect.kernel_bench import count

    contract = load_contract(path)
    example, found = count(contract)
    if number > len(found):
        raise SettingsError(f"there is no call {number}; the example makes {len(found)} launches")
    profiles = [
        (f"{profile.launch.kernel}, {shapes(example)}: {profile.launch.source.name}", profile)
        for profile in (found[number - 1 : number] if number else found)
    ]
    _show_profiles(f"minigan profile {path.name}", profiles, page_path)
