"""Whether minigan has become slower against its peers than the results that are kept say: ratios are compared, not times.

A ratio is worse if its median is above the kept median by more than the whole spread of the kept rounds, from the least to the
largest: what the machine's own unrest explains is no regression. Times of another day or machine are not compared at all.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from benchmarks.declaration import Benchmark, Result, Say
from benchmarks.report import Table
from minigan.errors import MiniganError


class NothingToCompareError(MiniganError):
    """There is no kept result, or nothing in it that could be measured again."""


def kept_result(benchmark: Benchmark) -> dict[str, Any]:
    """What the last written run found; NothingToCompareError if there is none."""
    if not benchmark.result_path.exists():
        raise NothingToCompareError(
            f"there is no {benchmark.result_path.name} to compare with; `python -m benchmarks {benchmark.name}` writes it"
        )
    result: dict[str, Any] = json.loads(benchmark.result_path.read_text(encoding="utf-8"))
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
    try:
        old_ratios = benchmark.ratios(kept)
    except KeyError as error:
        raise NothingToCompareError(
            f"{benchmark.result_path.name} is of an older form, without {error}; `python -m benchmarks {benchmark.name}` writes it anew"
        ) from error
    new_ratios = benchmark.ratios(new)
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
