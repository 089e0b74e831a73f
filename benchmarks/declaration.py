"""The declaration of a benchmark; one runner measures, prints and writes them all."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import report
from benchmarks.baselines import Baseline
from minigan.devices import uses_gpu
from minigan.errors import MiniganError
from minigan.experiments import pages

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Result = Mapping[str, Any]
Say = Callable[[str], object]  # a line of progress


class DisagreementError(MiniganError):
    """Two libraries that were to do the same, and did not."""


@dataclass(frozen=True)
class Goal:
    """A ratio that is to be at most `most`. `says` names the quantity of the ratio."""

    name: str
    says: str
    most: float

    def sentence(self, values: Sequence[float]) -> str:
        """Return the median of the rounds' ratios against the goal."""
        median = statistics.median(values)
        verdict = "reached" if median <= self.most else "not reached"
        return (
            f"{self.says}: {median:.3f} ({min(values):.3f} – {max(values):.3f}); "
            f"the goal is at most {self.most:.3g}: {verdict}."
        )


@dataclass(frozen=True)
class Section:
    """Markdown for a page, between that page's markers of this name."""

    page: Path
    name: str
    text: str


@dataclass(frozen=True)
class Presentation:
    """A result for people: tables for the terminal, sections for pages, and plots by the file that they go to."""

    tables: Sequence[pages.Table]
    sections: Sequence[Section] = ()
    plots: Mapping[Path, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    `measures` is a sentence; `baselines` are compared, minigan first; `plan` is the class of its settings (shapes, threads,
    rounds). `measure` gives the result of a plan as JSON has it; `present` shows it, with the circumstances.
    """

    name: str
    measures: str
    baselines: Sequence[Baseline]
    goals: Sequence[Goal]
    plan: type[Any]
    measure: Callable[[Any, Say], dict[str, Any]]
    present: Callable[[Result], Presentation]

    @property
    def result_path(self) -> Path:
        return report.RESULTS / f"{self.name}.json"


def run(benchmark: Benchmark, plan: Any, write: bool) -> dict[str, Any]:
    """Measure, print, and write: not on a busy machine: its times say little."""
    import rich
    from rich.markup import escape

    console = rich.get_console()
    circumstances = report.circumstances()
    console.print(f"{benchmark.measures} …")
    with console.status("") as status:
        measured = benchmark.measure(plan, lambda line: status.update(escape(line)))
    result = {"benchmark": benchmark.name, **circumstances, **measured}
    presentation = benchmark.present(result)
    for table in presentation.tables:
        console.print(table.rich())
    if report.is_busy(circumstances):
        console.print("[yellow]Not written: other work slowed the contenders, not equally.[/]")
    elif uses_gpu(plan.device):
        console.print("Not written: the pages have a GPU's times from `python -m benchmarks gpu`.")
    elif write:
        write_all(benchmark, result, presentation)
    return result


def write_all(benchmark: Benchmark, result: Result, presentation: Presentation) -> None:
    """Return the JSON, the plots, and the sections of the pages."""
    from benchmarks.plots import save

    pages.write_json(benchmark.result_path, dict(result))
    for path, figure in presentation.plots.items():
        save(figure, path)
    for section in presentation.sections:
        report.rewrite_section(section.page, section.name, section.text)
