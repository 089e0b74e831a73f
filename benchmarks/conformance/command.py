"""``python -m benchmarks conformance``: the table of tests that pass, that differ on purpose, and that are missing."""

from __future__ import annotations

import collections
import itertools
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from minigan.files import write_json

RESULT = Path(__file__).parents[1] / "results" / "conformance.json"


def operations() -> list[Any]:
    """Return the entries of PyTorch's OpInfo database.

    Its import freezes PyTorch's global flags, which other benchmarks set: this thaws them again.
    """
    import torch
    from torch.testing._internal.common_methods_invocations import op_db

    setattr(torch.backends, "__allow_nonbracketed_mutation_flag", True)
    entries: list[Any] = op_db
    return entries


def run(
    dtype: str = "float64",
    kind: str = "sample",
    contiguous: bool = True,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Run all entries, or as many as start within `seconds`; return the counts and the faults."""
    from benchmarks.conformance.adapters import ADAPTERS
    from benchmarks.conformance.harness import run_operation

    warnings.simplefilter("ignore")
    start = time.monotonic()
    counts: collections.Counter[str] = collections.Counter()
    reasons: collections.Counter[str] = collections.Counter()
    faults: list[str] = []
    entries = translated = 0
    for info in operations():
        name = info.name + (f".{info.variant_test_name}" if info.variant_test_name else "")
        entries += 1
        if name not in ADAPTERS or (seconds is not None and time.monotonic() - start > seconds):
            continue
        translated += 1
        with np.errstate(all="ignore"):
            for outcome in run_operation(info, name, dtype, kind, contiguous):
                counts[outcome.status] += 1
                if outcome.status == "convention":
                    reasons[f"{outcome.operation}: {outcome.detail}"] += 1
                elif outcome.status == "failed":
                    faults.append(f"{outcome.operation}: {outcome.detail}")
    return {
        "dtype": dtype, "kind": kind, "contiguous": contiguous, "entries": entries,
        "translated entries": translated, "samples": dict(counts), "conventions": dict(reasons), "faults": faults,
    }  # fmt: skip


def run_all(quick: bool) -> list[dict[str, Any]]:
    """Run all kinds of samples; with `quick` those of one kind, as many entries as start within 200 seconds."""
    if quick:
        return [run(seconds=200)]
    choices = itertools.product(("float64", "float32"), ("sample", "reference"), (True, False))
    return [run(*choice) for choice in choices]


def write(results: list[dict[str, Any]]) -> None:
    """Keep the results of all runs."""
    write_json(RESULT, results)
