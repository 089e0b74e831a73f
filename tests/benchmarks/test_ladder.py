"""The optimization steps: every step has the right result; their files, and the command."""

import dataclasses
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bounds
import numpy as np
import oracles
import pytest
from bounds import assert_within, rounding
from device_list import KERNEL_DEVICES
from fake_cupy import Machine, make_cupy
from typer.testing import CliRunner

import minigan as mg
from benchmarks import report
from benchmarks.commands import app
from benchmarks.ladder import LADDERS, adam, batch_norm, code_log_likelihood, conv2d, gpu, run
from benchmarks.ladder.steps import (
    Ladder,
    Problem,
    Step,
    WrongResultError,
    check,
    relative_error,
)
from benchmarks.report import ROOT
from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.likelihood import CodeTable
from minigan.devices.cuda import CUDA
from minigan.experiments import pages


def normal(*shape: int, seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


STUDY = ROOT / "kernels" / "study"
Found = tuple[np.ndarray[Any, Any], ...]
# Windows that hang over the edges, differently at each; sizes that fill no tile. Vectors need whole runs of channels.
GEOMETRY = ConvolutionGeometry((9, 8), (4, 9), (4, 3), (2, 1), ((1, 0), (1, 2)))
ODD_CONVOLUTION = conv2d.Convolution(normal(3, 9, 8, 5), normal(4, 3, 5, 7), GEOMETRY)
ODD_VECTORS = conv2d.Convolution(normal(3, 9, 8, 8), normal(4, 3, 8, 12), GEOMETRY)
CODES = CodeTable((2, 0, 1, 0), (0, 2, 7, 8), (2, 5, 1, 35), (0.0, 0.0, -0.7, 0.0))
ODD: dict[str, Problem] = {
    "batch_norm": batch_norm.BatchNorm(3 * normal(61, 37) + 1, normal(37), normal(37, seed=2)),
    "code_log_likelihood": code_log_likelihood.problem_of(33, CODES),
    "adam": adam.problem_of(((3, 5), (1,), (4097,), (64,))),
}


def odd_problem(ladder: Ladder[Any], step: Step[Any]) -> Any:
    if ladder is conv2d.LADDER:
        return ODD_VECTORS if step.vectors else ODD_CONVOLUTION
    return ODD[ladder.name]


def check_convolution(p: conv2d.Convolution, step: Step[Any], found: Found, dtype: Any) -> None:
    """A product's operands are each off by `operand_bits`, if these are few; then each product goes through `taps` roundings."""
    g = p.geometry
    (y,) = found
    expected = oracles.conv2d(p.x, p.w, 0, g.stride, g.padding)
    size = oracles.conv2d(abs(p.x), abs(p.w), 0, g.stride, g.padding)
    product = (1 + 2.0**-step.operand_bits) ** 2 - 1 if step.operand_bits else 0.0
    bound = product + (1 + product) * rounding(p.taps, dtype)
    assert_within(y, expected, bound * size)


def check_batch_norm(p: batch_norm.BatchNorm, step: Step[Any], found: Found, dtype: Any) -> None:
    expected = oracles.batch_norm(p.x, p.weight, p.bias, 1, p.epsilon, p.slope)
    bound = bounds.batch_norm_bound(p.x, p.weight, p.bias, p.epsilon, dtype)
    assert_within(found[0], expected, bound)


def check_likelihood(
    p: code_log_likelihood.CodeLikelihood, step: Step[Any], found: Found, dtype: Any
) -> None:
    """Values by SciPy's densities; the derivative by its formula, of the softmax and of z."""
    values, derivative = found
    t = p.table
    for i, (kind, at, width) in enumerate(zip(t.kind, t.offset, t.width, strict=True)):
        own, c, d = (
            p.parameters[:, at : at + width],
            p.codes[:, i],
            derivative[:, at : at + width],
        )
        if kind == CodeTable.CATEGORICAL:
            bound = rounding(bounds.softmax_roundings(own, 1), dtype)
            expected = oracles.categorical_log_likelihood(own, c.astype(int))
            assert_within(values[:, i], expected, bound)
            softmax = np.exp(own) / np.exp(own).sum(1, keepdims=True)
            assert_within(d, np.eye(width)[c.astype(int)] - softmax, bound)
            continue
        log_std = own[:, 1] if kind == 2 else np.full(len(c), t.log_std[i])
        z = (c - own[:, 0]) / np.exp(log_std)
        bound = rounding(bounds.gaussian_roundings(log_std), dtype)
        size = 0.5 * z * z + abs(log_std) + 1
        assert_within(values[:, i], oracles.gaussian_log_likelihood(c, own[:, 0], log_std), bound * size)  # fmt: skip
        # The difference c − μ may cancel: what its operands lose counts by their size.
        inverse = np.exp(-log_std)
        assert_within(d[:, 0], z * inverse, bound * (abs(c) + abs(own[:, 0])) * inverse**2)
        if kind == 2:
            reach = ((abs(c) + abs(own[:, 0])) * inverse) ** 2
            assert_within(d[:, 1], z * z - 1, bound * (reach + 1))


def check_adam(p: adam.AdamStep, step: Step[Any], found: Found, dtype: Any) -> None:
    """The algorithm, tensor by tensor; 1 − β₂ of a rounded β₂ is off by 1/(1 − β₂) roundings, a thousand."""
    s, count = adam.SETTINGS, len(p.p)
    for i, (value, g, m, v) in enumerate(p.tensors):
        first, second = s.beta1 * m + (1 - s.beta1) * g, s.beta2 * v + (1 - s.beta2) * g * g
        m_bound = rounding(6, dtype) * (abs(s.beta1 * m) + abs((1 - s.beta1) * g))
        v_bound = rounding(6, dtype) * second + rounding(1000, dtype) * (1 - s.beta2) * g * g
        assert_within(found[count + i], first, m_bound)
        assert_within(found[2 * count + i], second, v_bound)
        m_hat, v_hat = first / (1 - s.beta1**adam.STEP), second / (1 - s.beta2**adam.STEP)
        step_size = s.learning_rate / (np.sqrt(v_hat) + s.epsilon)
        relative = 0.5 * v_bound / second + rounding(12, dtype)
        moved = m_bound / (1 - s.beta1**adam.STEP) + abs(m_hat) * relative
        bound = (
            rounding(2, dtype) * abs(value) + 1.01 * step_size * moved
        )  # the rest is of second order
        assert_within(found[i], value - step_size * m_hat, bound)


CHECKS: dict[str, Any] = {
    "conv2d": check_convolution,
    "batch_norm": check_batch_norm,
    "code_log_likelihood": check_likelihood,
    "adam": check_adam,
}


def steps(device: str, *dtypes: str) -> list[Any]:
    return list(_steps(device, dtypes))


def _steps(device: str, dtypes: tuple[str, ...]) -> Iterator[Any]:
    """All but the CUDA convolution that is in use: its file takes long to compile, and its tests are in test_products.py."""
    for ladder in LADDERS.values():
        for step in getattr(ladder, device):
            for dtype in dtypes:
                if dtype in step.dtypes and step.source != "kernels/convolution.cu":
                    name = f"{ladder.name}-{step.name}-{dtype}".replace(" ", "_")
                    yield pytest.param(ladder, step, dtype, id=name)


def rounded(problem: Any, dtype: str) -> Any:
    """The problem with the numbers that a device is given, as float64: their rounding is no
    error."""
    return problem.on(mg.get_device("cpu"), dtype).on(mg.get_device("cpu"), "float64")


def check_step(device: Any, ladder: Ladder[Any], step: Step[Any], dtype: str) -> None:
    problem = rounded(odd_problem(ladder, step), dtype)
    found = step.run(device, problem.on(device, dtype))
    assert {str(a.dtype) for a in found} == {dtype}
    found = tuple(np.asarray(device.to_numpy(a), np.float64) for a in found)
    CHECKS[ladder.name](problem, step, found, np.dtype(dtype).type)


@pytest.mark.parametrize("device", KERNEL_DEVICES)
@pytest.mark.parametrize(("ladder", "step", "dtype"), steps("cuda", "float64", "float32"))
def test_cuda_steps(device: str, ladder: Ladder[Any], step: Step[Any], dtype: str) -> None:
    check_step(mg.get_device(device), ladder, step, dtype)


@pytest.mark.parametrize(("ladder", "step", "dtype"), steps("cpu", "float64", "float32"))
def test_cpu_steps(ladder: Ladder[Any], step: Step[Any], dtype: str) -> None:
    check_step(mg.get_device("cpu"), ladder, step, dtype)


@pytest.mark.parametrize("ladder", LADDERS.values(), ids=LADDERS)
def test_what_the_command_expects_is_what_the_oracles_say(ladder: Ladder[Any]) -> None:
    step = ladder.cuda[0]
    problem = odd_problem(ladder, step)
    CHECKS[ladder.name](problem, step, problem.expected(), np.float64)


def test_a_wrong_step_is_named() -> None:
    problem, step = ODD_CONVOLUTION, conv2d.CUDA[1]
    (right,) = problem.expected()
    assert check(step, problem, "float32", (right,)) == 0
    wrong = right.copy()
    wrong[0, 0, 0, 0] += 1
    with pytest.raises(WrongResultError, match=r"step '2 coalesced' .*2_coalesced\.cu.* wrong"):
        check(step, problem, "float32", (wrong,))
    wrong[0, 0, 0, 0] = np.nan
    with pytest.raises(WrongResultError, match="nan"):
        check(step, problem, "float32", (wrong,))


def test_relative_error() -> None:
    a, b = np.array([3.0, 4.0]), np.array([3.0, 4.5])
    assert relative_error((a, b), (a, a)) == pytest.approx(0.1)


def test_every_study_kernel_is_a_step_and_says_its_idea() -> None:
    sources = [ROOT / step.source for ladder in LADDERS.values() for step in ladder.cuda]
    assert sorted(STUDY.glob("*/*.cu")) == sorted({s for s in sources if STUDY in s.parents})
    for path in STUDY.glob("*/*.cu"):
        header = path.read_text(encoding="utf-8").partition("\n#include")[0]
        assert re.match(rf"// .+, step {path.name[0]}: .+\.\n", header), path
        assert ("The idea: " in header or path.name[0] == "1") and "Launch: " in header, path
        assert "Bound: " in header, path


def test_steps_are_in_order_and_end_in_use() -> None:
    for ladder in LADDERS.values():
        for steps in (ladder.cuda, ladder.cpu):
            numbered = [int(step.name[0]) for step in steps if step.name[0].isdigit()]
            assert numbered == list(range(1, len(numbered) + 1))
            assert steps[-1].in_use
            assert all((ROOT / step.source).exists() for step in steps)


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    ladder = dataclasses.replace(adam.LADDER, counted_size=2)
    monkeypatch.setattr(gpu, "measure", lambda *arguments: None)
    result = run.measure_cuda(ladder)
    table = run.cuda_table(ladder, result)
    assert all(len(row) == len(table.columns) for row in table.rows)
    text = table.markdown()
    assert "| [2 fused](study/adam/2_fused.cu) | 2 | 1,024 |" in text
    assert "| [vectors (in use)](adam.cu) |" in text
    assert "µs" not in text and "PyTorch" not in text
    times = {step.name: 4.0 for step in ladder.cuda}
    timed = {"name": "a GPU", "microseconds": times, "of_peer": dict.fromkeys(times, 0.75)}
    text = run.cuda_table(ladder, result | {"gpu": timed}).markdown()
    assert "| µs | % of PyTorch |" in text
    assert "| 4.0 | 75% |" in text
    timed["of_peer"] = {}
    text = run.cuda_table(ladder, result | {"gpu": timed}).markdown()
    assert "| µs |" in text and "PyTorch" not in text


def test_the_table_of_times() -> None:
    ladder = dataclasses.replace(adam.LADDER, timed_size=2)
    machine = {"processor": "a processor", "cores": 2, "load_average": 0.1}
    measured = run.measure_cpu(ladder, rounds=3, pause=0)
    in_use = measured["steps"]["4 all cores"]
    assert in_use["times_in_use"] == 1 and len(in_use["rounds_ms"]) == 3
    table = run.cpu_table(
        ladder, measured | {"machine": machine, "date": "2026-01-02T", "commit": None}
    )
    assert table.columns == ["step", "ms", "fastest", "GB/s", "× the time in use"]
    own = 7 * 4 * (4 * 4 * 64 + 64) / 1e6 / in_use["median_ms"]
    assert float(table.rows[-1][3]) == pytest.approx(own, rel=0.01)
    assert "[3 one pass](../benchmarks/ladder/cpu/adam.py)" in table.markdown()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Catch the sections that the command writes: Adam on two tensors, on an idle machine."""
    found: dict[str, Any] = {}

    def keep(path: Path, name: str, text: str) -> bool:
        found[f"{path.parent.name}/{path.name} {name}"] = text
        return True

    monkeypatch.setattr(report, "rewrite_section", keep)
    monkeypatch.setattr(pages, "write_json", lambda path, values: found.update({path.name: values}))
    monkeypatch.setattr(report, "is_busy", lambda circumstances: False)
    small = dataclasses.replace(adam.LADDER, counted_size=2, timed_size=2)
    monkeypatch.setitem(LADDERS, "adam", small)
    return found


@pytest.mark.parametrize(
    ("device", "page", "results"),
    [
        ("cuda", "kernels/README.md ladder adam", "ladder-adam.json"),
        ("cpu", "docs/performance.md ladder adam", "ladder-adam-cpu.json"),
    ],
)
def test_the_command(written: dict[str, Any], device: str, page: str, results: str) -> None:
    runner = CliRunner()
    answer = runner.invoke(app, ["ladder", "adam", "--device", device, "--no-write"])
    assert answer.exit_code == 0 and not written
    runner.invoke(app, ["ladder", "adam", "--device", device])
    assert set(written) == {page, results}
    assert (
        f"<!-- benchmarks {page.partition(' ')[2]} -->"
        in (ROOT / page.split(maxsplit=1)[0]).read_text()
    )
    assert set(written[results]["steps"]) == {s.name for s in getattr(adam.LADDER, device)}


def test_times_of_a_busy_machine_are_not_written(
    written: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "is_busy", lambda circumstances: True)
    answer = CliRunner().invoke(app, ["ladder", "adam", "--device", "cpu"])
    assert "Not written" in answer.output and not written


@pytest.mark.parametrize("arguments", [["nonsense"], ["adam", "--device", "emulated"]])
def test_what_the_command_does_not_know(arguments: list[str]) -> None:
    answer = CliRunner().invoke(app, ["ladder", *arguments])
    assert answer.exit_code == 2 and f"'{arguments[-1]}' is n" in answer.output


def test_calls_are_timed_in_one_graph() -> None:
    """On the emulated device, which captures as a GPU does; each call of the graph runs."""
    device: Any = mg.get_device("emulated")
    total, one = device.asarray(np.zeros(3, np.float32)), device.asarray(np.ones(3, np.float32))
    assert gpu.seconds_a_call(device, lambda: device.accumulate(total, one)) > 0
    assert total[0] == 1 + gpu.CALLS * gpu.ROUNDS


def test_times_on_a_stand_in_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", make_cupy(Machine()))
    ladder = dataclasses.replace(adam.LADDER, timed_size=2)
    times = gpu.times(CUDA(), ladder, "float32")
    assert list(times) == [step.name for step in ladder.cuda]
    assert all(seconds > 0 for seconds in times.values())


@pytest.mark.parametrize("ladder", LADDERS.values(), ids=LADDERS)
def test_peers_compute_the_same(ladder: Ladder[Any]) -> None:
    torch = pytest.importorskip("torch")
    problem = ladder.problem(2)
    result = ladder.baseline(torch, problem, "float64", "cpu")()
    if ladder is conv2d.LADDER:
        result = result.permute(0, 2, 3, 1)
    result = result if isinstance(result, list) else [result]
    expected = problem.expected()[: len(result)]
    assert relative_error([r.detach().numpy() for r in result], expected) < 1e-12
