"""What the commands show: a live line while something runs, tables at its end. Quiet when not on a terminal."""

from __future__ import annotations

import dataclasses
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from minigan.datasets.cache import Preparation
from minigan.devices import device_names, get_device, resolve_device_name
from minigan.devices.kernels import KERNELS
from minigan.errors import DeviceError, SettingsError, TrainingError
from minigan.files import replacing, write_json
from minigan.infogan.evaluation import evaluate as evaluate_networks
from minigan.infogan.evaluation import evaluation_images
from minigan.infogan.experiments import get_experiment
from minigan.infogan.runs import Interrupted, Run, versions
from minigan.infogan.training import Networks, StepMetrics, Trainer

_INTERRUPTED = 130  # the shell's code for a process that Ctrl-C ended


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
    cache: Path | None, leave_out: bool = False, verify: bool = False
) -> Iterator[Preparation]:
    """How images are prepared, with a bar on the terminal from the first one that is."""
    console = Console()
    bar = Progress(*_columns(), console=console, disable=not console.is_terminal)
    task = bar.add_task("prepare images", total=None)

    def show(done: int, total: int) -> None:
        bar.start()  # nothing, once it has
        bar.update(task, completed=done, total=total)

    try:
        yield Preparation(cache, leave_out, verify, show)
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
        raise typer.Exit(_INTERRUPTED) from None
    except TrainingError as error:
        kept = run.checkpoints()
        place = (
            f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint was written yet"
        )
        raise TrainingError(f"{error}; {place}") from error
    if evaluate:
        evaluate_and_report(run, trainer.networks, trainer.step_count, cache)


def evaluate_and_report(run: Run, networks: Networks, step: int, cache: Path | None = None) -> None:
    """Evaluate the networks of a step; print a table, and write evaluation.json."""
    with preparation(cache) as how:
        train, test, factored = evaluation_images(run.settings, how)
    with _progress("evaluate, %", 100) as show:
        evaluation = evaluate_networks(
            networks, run.settings, train, test, factored=factored,
            progress=lambda done, total: show(100 * done // total, ""),
        )  # fmt: skip
    write_json(run.directory / "evaluation.json", {"step": step, **evaluation.to_json()})
    table = Table(title=f"{run.settings.title}, seed {run.settings.seed}, step {step}")
    for column in ("measure", "value", "reference"):
        table.add_column(column)
    for row in evaluation.rows():
        table.add_row(*row)
    Console().print(table)


def print_info() -> None:
    """Versions, devices and kernels."""
    for name, value in {**versions(), "platform": platform.platform()}.items():
        typer.echo(f"{name:10} {value}")
    typer.echo(f"{'auto':10} --device auto is {resolve_device_name('auto')} here")
    for name in device_names():
        try:
            device = get_device(name)
        except DeviceError as error:
            typer.echo(f"device {name}: not here: {error}")
            continue
        own = device.kernels()
        typer.echo(f"device {name}: {len(own)} of {len(KERNELS)} kernels")
        for kernel, description in KERNELS.items():
            typer.echo(f"  {'✓' if kernel in own else '✗'} {kernel:36} {description}")
    sys.stdout.flush()


def profile_and_show(
    kernel: str, experiment: str, batch_size: int, number: int, page_path: Path | None
) -> None:
    """Profile a kernel's calls in a training step; print the annotated source, and write the page."""
    from minigan.inspect.annotate import page, terminal
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
    console = Console()
    if not console.is_terminal:
        console.width = 160  # nobody's window: room for the source
    for title, profile in profiles:
        console.print(terminal(title, profile))
    if page_path is not None:
        with replacing(page_path) as temporary:
            temporary.write_text(page(f"minigan profile {kernel}", profiles), encoding="utf-8")
        typer.echo(f"wrote {page_path}")
