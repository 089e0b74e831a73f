"""Whether minigan has become slower against its peers than the results that are kept say: ratios are compared, not times.

A ratio is worse if its median is above the kept median by more than the whole spread of the kept rounds, from the least to the
largest: what the machine's own unrest explains is no regression. Times of another day or machine are not compared at all.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import rich
from rich.markup import escape

from benchmarks import report
from benchmarks.declaration import Benchmark, Result, Say
from benchmarks.report import Table
from minigan.errors import MiniganError


class NothingToCompareError(MiniganError):
    """There is no kept result, or nothing in it that could be measured again."""


def run(benchmarks: Sequence[Benchmark], rounds: int | None) -> list[str]:
    """Measure each again and print the comparison; a sentence for each ratio that is worse."""
    console, worse = rich.get_console(), list[str]()
    kept = [kept_result(benchmark) for benchmark in benchmarks]
    if report.is_busy(report.circumstances()):
        console.print(
            "[yellow]The machine is busy: other work slows the contenders, not equally.[/]"
        )
    for benchmark, old in zip(benchmarks, kept, strict=True):
        console.print(f"{benchmark.measures} …")
        with console.status("") as status:
            new = measure_again(benchmark, old, rounds, lambda line: status.update(escape(line)))
        table, found = compare(benchmark, old, new)
        console.print(table.rich())
        worse += found
    return worse


def kept_result(benchmark: Benchmark) -> dict[str, Any]:
    """What the last written run found; NothingToCompareError if there is none, or it has no ratios."""
    name = benchmark.result_path.name
    if not benchmark.result_path.exists():
        raise NothingToCompareError(
            f"there is no {name} to compare with; `python -m benchmarks {benchmark.name}` writes it"
        )
    result: dict[str, Any] = json.loads(benchmark.result_path.read_text(encoding="utf-8"))
    try:
        ratios = benchmark.ratios(result)
    except KeyError:  # an older form
        ratios = {}
    if not ratios:
        raise NothingToCompareError(
            f"{name} holds no ratios to compare with; `python -m benchmarks {benchmark.name}` writes it anew"
        )
    return result


def measure_again(
    benchmark: Benchmark, kept: Result, rounds: int | None, say: Say
) -> dict[str, Any]:
    """The same plan, measured now; with another number of rounds if that is given."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in kept["plan"].items()}
    plan = benchmark.plan(**values)
    if rounds is not None:
        plan = dataclasses.replace(plan, rounds=rounds)
    return benchmark.measure(plan, say)


def permitted(kept: Mapping[str, Any]) -> float:
    """The largest ratio that is no regression: the kept median and once the kept spread."""
    return float(kept["median"] + (kept["max"] - kept["min"]))


def compare(benchmark: Benchmark, kept: Result, new: Result) -> tuple[Table, list[str]]:
    """A row a ratio, and a sentence for each that is worse; NothingToCompareError if no ratio is in both."""
    old_ratios, new_ratios = benchmark.ratios(kept), benchmark.ratios(new)
    rows, worse = [], []
    for name, old in old_ratios.items():
        if name not in new_ratios:
            rows.append((name, f"{old['median']:.3f}", "not measured", f"{permitted(old):.3f}"))
            continue
        median = new_ratios[name]["median"]
        rows.append((name, f"{old['median']:.3f}", f"{median:.3f}", f"{permitted(old):.3f}"))
        if not median <= permitted(old):
            worse.append(
                f"{benchmark.name}: {name} takes {median:.3f} of the time, and took {old['median']:.3f} "
                f"({old['min']:.3f} – {old['max']:.3f}); up to {permitted(old):.3f} would be noise"
            )
    if not new_ratios.keys() & old_ratios.keys():
        raise NothingToCompareError(
            f"nothing of {benchmark.result_path.name} could be measured again: its peers are absent here"
        )
    columns = ("ratio of times", "kept", "now", "permitted")
    return Table(f"{benchmark.name}: minigan against its peers", columns, rows), worse
