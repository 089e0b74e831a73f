"""How far a command is: a live line on a terminal or in a notebook, a plain line every few seconds elsewhere.

Time left is told from the last half minute, and leaves out the time that compilation took.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn

from minigan.cli.interrupting import ending_at_once
from minigan.cli.notebook_line import NotebookLine, is_notebook
from minigan.datasets.cache import Preparation
from minigan.devices import get_device

Say = Callable[[str], None]
PLAIN_EVERY = 5.0  # seconds between two plain lines
_WINDOW = 30.0  # seconds that the speed is taken over
_APART = 0.2  # seconds between two samples of it


class Rate:
    """Progress a second. It may come in bursts, and time may be left out."""

    def __init__(self, done: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.latest = clock()
        self.samples = [(self.latest, done)]

    def begin(self, done: int) -> None:
        """Count the steps so far as done before."""
        self.samples = [(self.samples[0][0], done)]

    def advance(self, done: int) -> None:
        """Note how much is done now."""
        self.latest = self.clock()
        if len(self.samples) > 1 and self.latest - self.samples[-2][0] < _APART:
            self.samples.pop()  # the same burst
        self.samples.append((self.latest, done))
        while len(self.samples) > 3 and self.latest - self.samples[1][0] > _WINDOW:
            self.samples.pop(0)

    def leave_out(self) -> None:
        """Leave out the time since the last call: something else took it."""
        now = self.clock()
        self.samples = [(then + now - self.latest, done) for then, done in self.samples]
        self.latest = now

    @property
    def per_second(self) -> float:
        """Progress a second; 0 as long as it is unknown, and the first one of a burst tells nothing."""
        then, before = self.samples[0]
        ends = [(now - then, done - before) for now, done in self.samples[-2:]]
        # after a pause the sample before it tells more: the burst that ends the pause has only begun
        return max(
            (count / seconds for seconds, count in ends if seconds and count > 1), default=0.0
        )

    def left(self, total: int) -> str:
        """Return the time that is left, as 6:20 or 1:06:20; "" as long as it is unknown."""
        done, speed = self.samples[-1][1], self.per_second
        if speed <= 0 or done >= total:
            return ""
        minutes, seconds = divmod(round((total - done) / speed), 60)
        hours, minutes = divmod(minutes, 60)
        clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return f"{clock} left"


class _NotedProgress(Progress):
    """A bar, and below it the note: side by side, a terminal of 80 columns would show neither whole."""

    def get_renderables(self) -> Iterable[RenderableType]:
        for task in self.tasks:
            yield self.make_tasks_table([task])
            if task.fields["note"]:
                yield str(task.fields["note"])


class Display:
    """Shows how far something is, from the first call of `show` on.

    Args:
        what: The counted thing; it stands before the numbers.
        total: How many there are; `show` may say it later.
        done: How many are done already.
        unit: The unit of speed, as steps; "" leaves speed out.
        say: Prints a plain line.
    """

    def __init__(self, what: str, total: int, done: int, unit: str, say: Say) -> None:
        self.what, self.total, self.done, self.unit, self.say = what, total, done, unit, say
        self.rate = Rate(done)
        self.note = ""
        self.said = -PLAIN_EVERY  # when the last plain line was
        self.last_note: str | None = None  # of a line that says the end
        console = Console()
        self.line = NotebookLine() if is_notebook() else None
        self.is_live = console.is_terminal and self.line is None
        columns = (
            TextColumn("{task.description} {task.completed:,.0f}/{task.total:,.0f}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[speed]}"),
        )
        self.bar = _NotedProgress(*columns, console=console, disable=not self.is_live)
        self.task = self.bar.add_task(what, total=total, completed=done, note="", speed="")

    def show(self, done: int, note: str = "", total: int | None = None) -> None:
        """Show how many are done, and a note."""
        self.total = self.total if total is None else total
        self.rate.advance(done)
        self.done, self.note = done, note
        self._print(f"{self.what} {done:,}/{self.total:,}", note, last=done == self.total)

    def compiling(self, done: int, total: int, kernel: str = "") -> None:
        """Show how many kernels are compiled; see `Device.compile_progress`."""
        self.rate.leave_out()
        self._print(compilation(done, total), compilation(done, total))

    def only_compiling(self, done: int, total: int, kernel: str = "") -> None:
        """Show how many kernels are compiled, where they are the counted thing."""
        self.done, self.total = done, total
        self._print(compilation(done, total), "")

    def _print(self, plain: str, note: str, last: bool = False) -> None:
        per_second = self.rate.per_second
        speed = f"{per_second:,.3g} {self.unit}/s" if self.unit and per_second else ""
        left = self.rate.left(self.total)
        parts = (plain,) if note == plain else (plain, note, speed, left)
        text = "  ".join(filter(None, parts))
        if self.is_live:
            told = "  ".join(filter(None, (speed, left)))
            self.bar.start()  # nothing, once it has
            self.bar.update(self.task, completed=self.done, total=self.total, note=note, speed=told)
        elif self.line:
            self.line.show(text, last)
        elif time.monotonic() - self.said >= PLAIN_EVERY or (last and note != self.last_note):
            self.said = time.monotonic()
            self.last_note = note if last else None
            self.say(text)

    def close(self) -> None:
        """Leave the line as it is."""
        if self.line:
            self.line.close()
        if self.bar.live.is_started:
            self.bar.stop()


def compilation(done: int, total: int) -> str:
    """Return how far the compilation of kernels is."""
    return f"compiling kernels, once: {done} of {total}"


@contextmanager
def progress(
    what: str, total: int, done: int = 0, unit: str = "", say: Say = typer.echo
) -> Iterator[Display]:
    """Show how far the block is, from its first call of `Display.show` on."""
    display = Display(what, total, done, unit, say)
    try:
        yield display
    finally:
        display.close()


@contextmanager
def preparing(
    cache: Path | None,
    leave_out: bool = False,
    verify: bool = False,
    say: Say = typer.echo,
) -> Iterator[Preparation]:
    """Show how far the preparation of images is; `say` prints findings."""
    with progress("prepare images", 0, say=say) as display:

        def show(done: int, total: int) -> None:
            if not display.total:  # an earlier process may have prepared some
                display.rate.begin(done - 1)
            display.show(done, total=total)

        yield Preparation(cache, leave_out, verify, show, say)


@contextmanager
def compiling(device: str, say: Say = typer.echo) -> Iterator[None]:
    """Show how many kernels are compiled, while the block runs. Ctrl-C ends the process at once."""
    with (
        progress("compiling kernels, once:", 0, say=say) as display,
        get_device(device).showing_compilation(display.only_compiling),
        ending_at_once(display.close),
    ):
        yield
