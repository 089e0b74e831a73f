"""The pieces, those of most value first: a GPU's minutes are few."""

from __future__ import annotations

from benchmarks.gpu import checks, cost_model, counters, kernels, runs, step

PIECES = (
    checks.SELF_TEST,
    step.PIECE,
    runs.PIECE,
    kernels.PIECE,
    checks.FULL_SELF_TEST,
    checks.TESTS,
    cost_model.PIECE,
    checks.SANITIZER,
    counters.PIECE,
)
