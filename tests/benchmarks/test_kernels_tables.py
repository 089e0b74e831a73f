"""The measurements and tables of the kernel benchmark, and its command."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import baselines, kernel_tables, kernels, machine, plots, report
from benchmarks.commands import app
from minigan.infogan.settings import Settings
from minigan.inspect.calls import Call

PLAN = kernels.Plan(
    batch_sizes=(4,), threads=(1,), rounds=2, turn=1e-4, pause=0, kernel="leaky_relu"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's rates without measuring them: 100 GFLOP/s and 10 GB/s."""
    times = {machine.GEMM: 2 * 2048**3 / 1e11, machine.TRIAD: 3 * 4 * 2**26 / 1e10}
    rates = {name: [[1e3 * time]] for name, time in times.items()}
    monkeypatch.setattr(kernels, "_rates", lambda plan, threads, say: rates)
    monkeypatch.setattr(kernels, "_use_threads", lambda threads: None)


def result_of(plan: kernels.Plan) -> dict[str, Any]:
    return {**report.circumstances(), **kernels.measure(plan)}


def test_a_kernel_is_measured_at_the_shapes_of_a_step() -> None:
    result = result_of(dataclasses.replace(PLAN, kernel="sigmoid_backward"))
    (case,) = result["cases"]
    assert case["call"] == "sigmoid_backward(4×28×28×1, 4×28×28×1)"
    assert case["counts"] == {"mnist": 1}
    assert case["mbytes"] == pytest.approx(3 * 4 * 4 * 28 * 28 / 1e6)
    assert case["minigan"]["median_ms"] > 0
    table = kernel_tables.call_table(result)
    (row,) = table.rows
    # 37,632 bytes at 10 GB/s over the time taken.
    share = 0.0037632 / case["minigan"]["median_ms"]
    assert row[8] == f"{share:.0%}"
    json.dumps(result, allow_nan=False)


def test_shapes_that_experiments_share_are_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def calls(settings: Settings) -> list[Call]:
        shared = Call("leaky_relu", (np.ones((2, 3), np.float32), 0.1), {}, count=2)
        own = Call("leaky_relu", (np.ones((2, settings.noise), np.float32), 0.1), {})
        return [shared, own, Call("sigmoid", (np.ones(3, np.float32),), {})]

    monkeypatch.setattr(kernels, "training_calls", calls)
    plan = dataclasses.replace(PLAN, experiments=("mnist", "faces"), threads=(1, 2))
    assert [(c["call"], c["threads"], c["counts"]) for c in result_of(plan)["cases"]] == [
        (call, threads, counts)
        for call, counts in (
            ("leaky_relu(2×3)", {"mnist": 2, "faces": 2}),
            ("leaky_relu(2×62)", {"mnist": 1}),
            ("leaky_relu(2×128)", {"faces": 1}),
        )
        for threads in (1, 2)
    ]


def test_without_the_library_it_is_listed_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = dataclasses.replace(baselines.TORCH, absent=lambda device: baselines.HOW_TO_INSTALL)
    benchmark = dataclasses.replace(kernels.BENCHMARK, baselines=(baselines.MINIGAN, absent))
    monkeypatch.setattr(kernels, "BENCHMARK", benchmark)
    result = result_of(PLAN)
    assert all(case["peer"] is None for case in result["cases"])
    text = kernel_tables.call_table(result).markdown()
    assert f"PyTorch: {baselines.HOW_TO_INSTALL}" in text


def made_up_result() -> dict[str, Any]:
    """Two calls of one kernel and one without a baseline, with one and two threads."""

    def case(call: str, threads: int, own: float, other: float | None) -> dict[str, Any]:
        baseline = {"call": "mm", "median_ms": other} if other else None
        ratio = {"rounds": [own / other, own / other], "median": own / other, "min": own / other, "max": own / other} if other else None  # fmt: skip
        found = {
            "kernel": call.split("(", maxsplit=1)[0], "call": call, "batch_size": 4, "counts": {"mnist": 2}, "mbytes": 10.0,
            "gflop": 1.0, "threads": threads, "minigan": {"median_ms": own}, "peer": baseline, "difference": 1e-7,
        }  # fmt: skip
        return {**found, "ratio": ratio} if ratio else found

    cases = [
        case(call, threads, own / threads, other)
        for threads in (1, 2)
        for call, own, other in (("gemm(1)", 20.0, 10.0), ("gemm(2)", 60.0, 30.0), ("adam(3)", 4.0, None))
    ]  # fmt: skip
    plan = dataclasses.asdict(dataclasses.replace(PLAN, threads=(1, 2), kernel=None))
    rates = {"gemm_gflop_per_s": 100.0, "gemm_gflop_per_s_range": [90.0, 110.0], "triad_gb_per_s": 10.0, "triad_gb_per_s_range": [9.0, 11.0]}  # fmt: skip
    return {**report.circumstances(), "plan": plan, "absent": {}, "cases": cases, "machine_rates": {"1": rates, "2": rates}}  # fmt: skip


def test_the_tables_add_up_the_calls_of_a_step() -> None:
    result = made_up_result()
    (gemm, adam) = kernel_tables.summary_table(result, "mnist").rows
    # Two calls each of 10 and 30 ms, the roofline 10 ms each; the library 10 and 30 ms.
    assert gemm == ("`gemm`", "4", "80.000", "50%", "80.000", "1.00")
    assert adam == ("`adam`", "2", "4.000", "500%", "—", "—")
    scaling = kernel_tables.scaling_table(result)
    assert scaling is not None
    assert scaling.columns[1:] == ("1 thread, batch 4", "2 threads, batch 4")
    assert scaling.rows[0] == ("`gemm`", "40000.00", "20000.00")
    assert scaling.rows[-1] == ("all", "42000.00", "21000.00")


def test_the_presentation_has_a_plot_and_the_sums_by_kernel(tmp_path: Path) -> None:
    presentation = kernel_tables.present(made_up_result())
    (section,) = presentation.sections
    assert "| `gemm` |" in section.text
    assert "[kernels.json](../benchmarks/results/kernels.json)" in section.text
    assert "![roofline](images/roofline.png)" in section.text
    (figure,) = presentation.plots.values()
    for name in ("a", "b"):
        plots.save(figure, tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert kernel_tables.present({**made_up_result(), "plan": {**made_up_result()["plan"], "kernel": "gemm"}}).sections == ()  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["softmax"], "'softmax' is no kernel"),
        (["--threads", "two"], "separated by commas"),
        (["--batch-sizes", "1"], "from 2"),
        (["--device", "emulated"], "'cpu' or 'cuda'"),
        (["--experiment", "digits"], "no experiment 'digits'"),
    ],
)
def test_wrong_options_are_explained(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["kernels", "--no-write", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code != 0
    assert message in f"{result.output} {result.exception}"
