"""How far a command is: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from minigan.datasets.cache import Preparation


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
def progress(description: str, total: int, done: int = 0) -> Iterator[Callable[[int, str], None]]:
    """A bar on the terminal: call the value with how much is done, and what to show below it."""
    console = Console()
    with _NotedProgress(*_columns(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total, completed=done, note="")
        yield lambda completed, note: bar.update(task, completed=completed, note=note)


class Speed:
    """Steps a second over the last fifty or so."""

    def __init__(self) -> None:
        import time

        self.clock = time.perf_counter
        self.times: list[float] = [self.clock()]

    def tick(self) -> float:
        self.times = [*self.times[-50:], self.clock()]
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])


@contextmanager
def preparing(
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
