"""``python -m benchmarks conformance``: PyTorch's samples that pass, the differences on purpose,
and the gaps."""

from __future__ import annotations

import collections
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.conformance import standard
from benchmarks.conformance.parts import PARTS, Part
from minigan.experiments import pages
from minigan.experiments.pages import Table

RESULT = report.ROOT / "benchmarks" / "results" / "conformance.json"
PAGE = report.ROOT / "docs" / "conformance.md"
QUICK_SECONDS = 150


def operations() -> list[Any]:
    """Return the entries of PyTorch's OpInfo database.

    Its import freezes PyTorch's global flags, which other benchmarks set: this thaws them again.
    """
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    setattr(torch.backends, "__allow_nonbracketed_mutation_flag", True)
    entries: list[Any] = op_db
    return entries


def entry_name(info: Any) -> str:
    """Return the name of an entry, with its variant behind a dot."""
    return f"{info.name}.{info.variant_test_name}" if info.variant_test_name else str(info.name)


def run(part: Part, seconds: float | None = None) -> dict[str, Any]:
    """Run all entries, or as many as start within `seconds`; return the counts and the faults."""
    counts: collections.Counter[str] = collections.Counter()
    reasons: collections.Counter[str] = collections.Counter()
    absent: collections.Counter[str] = collections.Counter()
    faults: list[str] = []
    for outcome in _outcomes(part, seconds):
        counts[outcome.status] += 1
        text = f"{outcome.operation}: {outcome.detail}"
        if outcome.status == "convention":
            reasons[text] += 1
        elif outcome.status == "untranslatable":
            absent[text] += 1
        elif outcome.status == "failed":
            faults.append(text)
    return {
        **part.__dict__,
        "title": part.title(),
        "samples": dict(sorted(counts.items())),
        "conventions": dict(sorted(reasons.items())),
        "untranslatable": dict(sorted(absent.items())),
        "faults": faults,
    }


def _outcomes(part: Part, seconds: float | None) -> Iterator[Any]:
    from benchmarks.conformance.adapters import ADAPTERS
    from benchmarks.conformance.harness import run_operation

    start = time.monotonic()
    for info in operations():
        name = entry_name(info)
        in_time = seconds is None or time.monotonic() - start < seconds
        if name in ADAPTERS and in_time:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield from run_operation(info, name, part)


def run_all(quick: bool) -> dict[str, Any]:
    """Run every part and the array API standard; with `quick` one part, of entries that start in time."""
    from benchmarks.conformance.adapters import ADAPTERS

    names = {entry_name(info) for info in operations()}
    parts = [run(Part(), QUICK_SECONDS)] if quick else [run(part) for part in PARTS]
    return {
        **report.circumstances(),
        "entries": len(names),
        "translated": len(names & ADAPTERS.keys()),
        "missing": sorted(names - ADAPTERS.keys()),
        "parts": parts,
        "standard": standard.run(),
    }


def faults(result: dict[str, Any]) -> list[str]:
    """Return every difference that has no reason."""
    found = [f"{part['title']}: {fault}" for part in result["parts"] for fault in part["faults"]]
    return [*found, *(f"array API standard: {fault}" for fault in result["standard"]["faults"])]


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a page: samples, conventions and the array API standard."""
    columns = ("samples", "passed", "listed convention", "no reason", "not translatable")
    keys = ("passed", "convention", "failed", "untranslatable")
    rows = [
        [p["title"], *(f"{p['samples'].get(key, 0):,}" for key in keys)] for p in result["parts"]
    ]
    note = (
        f"{result['translated']} of PyTorch's {result['entries']} entries are one function of minigan's. "
        f"PyTorch {result['versions']['torch']}, commit {(result['commit'] or 'unknown')[:7]}."
    )
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for part in result["parts"]:
        for text, n in part["conventions"].items():
            name, _, why = text.partition(": ")
            counts[why, name] += n
    reasons: dict[str, list[str]] = {}
    for why, name in sorted(counts):
        reasons.setdefault(why, []).append(f"`{name}`")
    conventions = [[why, ", ".join(names)] for why, names in reasons.items()]
    return [
        Table("Values and gradients of PyTorch's samples", columns, rows, [note]),
        Table("What differs on purpose", ("reason", "entries"), conventions),
        standard.table(result["standard"]),
    ]


def write(result: dict[str, Any]) -> None:
    """Keep the result, and write its tables into the page."""
    pages.write_json(RESULT, result)
    report.rewrite_section(PAGE, "conformance", "\n\n".join(t.markdown() for t in tables(result)))
