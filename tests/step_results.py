"""Results of a step benchmark, made up."""

import dataclasses
from typing import Any

import pytest

from benchmarks import (
    baselines,
    declaration,
    machine,
    report,
    step,
)

OWN, EAGER, COMPILED, GRAPHS, BOTH = (baseline.name for baseline in step.BASELINES)
PLAN = step.Plan(batch_size=128, threads=2, rounds=2, steps=2)
RATES = {  # a GEMM of 100 GFLOP/s and a memory of 10 GB/s
    machine.GEMM: [[2 * 2048**3 / 1e8] * 2] * 2,
    machine.TRIAD: [[3 * 4 * 2**26 / 1e7] * 2] * 2,
}
TIMES = {
    OWN: [[200.0, 220.0], [190.0, 210.0]],
    EAGER: [[250.0, 275.0], [400.0, 400.0]],
    COMPILED: [[300.0, 300.0], [310.0, 310.0]],
    **RATES,
}
MEMORY = {OWN: 300.4, EAGER: 500.0, COMPILED: 900.0}
FOUND = {"generator_loss": 1e-7, "generator.layers.0.weight": 2e-6}
AGREEMENT = {"float64": {"generator_loss": 1e-15}, "float32": FOUND}
NO_GRAPHS = dict.fromkeys((GRAPHS, BOTH), "needs a GPU")
NO_TORCH = dict.fromkeys((EAGER, COMPILED, GRAPHS, BOTH), baselines.HOW_TO_INSTALL)
OPERATIONS = {
    "conv2d": {"calls": 4, "median_ms": 100.0, "mbytes": 250.0, "gflop": 5.0},
    "elsewhere": {"calls": 0, "median_ms": 25.0, "mbytes": 0.0, "gflop": 0.0},
}


def full_result() -> dict[str, Any]:
    agreement = {EAGER: AGREEMENT, COMPILED: AGREEMENT}
    found = step.summarize(TIMES, MEMORY, agreement, PLAN, NO_GRAPHS)
    return {**report.circumstances(), **found, "operations": OPERATIONS}


def result_without_torch() -> dict[str, Any]:
    times = {OWN: TIMES[OWN], **RATES}
    found = step.summarize(times, MEMORY, {}, PLAN, NO_TORCH)
    return {**report.circumstances(), **found, "operations": OPERATIONS}


def measured_as(monkeypatch: pytest.MonkeyPatch, result: dict[str, Any]) -> None:
    def present(found: declaration.Result) -> declaration.Presentation:
        presentation = step.present(found)
        sections = [dataclasses.replace(s, page=report.README) for s in presentation.sections]
        return dataclasses.replace(presentation, sections=sections, plots={})

    benchmark = dataclasses.replace(
        step.BENCHMARK, measure=lambda plan, say: result, present=present
    )
    monkeypatch.setattr(step, "BENCHMARK", benchmark)
