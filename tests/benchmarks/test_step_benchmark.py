"""The step benchmark, apart from the times it measures: turns, statistics, agreement, tables and files."""

import dataclasses
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import rich.console
from typer.testing import CliRunner

from benchmarks import (
    agreement,
    batch,
    declaration,
    machine,
    operations,
    peers,
    plots,
    report,
    step,
    timing,
)
from benchmarks.commands import app
from minigan.devices import get_device

OWN, EAGER, COMPILED, GRAPHS, BOTH = (peer.name for peer in step.PEERS)
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
NO_TORCH = dict.fromkeys((EAGER, COMPILED, GRAPHS, BOTH), peers.HOW_TO_INSTALL)
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


def in_terminal(table: report.Table) -> str:
    console = rich.console.Console(file=io.StringIO(), width=300)
    console.print(table.rich())
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


# -- turns ------------------------------------------------------------------------------------------------


def test_contenders_take_turns_after_a_warm_up() -> None:
    calls: list[str] = []
    contenders = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    times = timing.interleave(contenders, rounds=20, calls=2, pause=0, warm_up=1)
    turns = "".join(calls)
    assert turns[:2] == "ab"
    rounds = [turns[i : i + 4] for i in range(2, len(turns), 4)]
    assert len(rounds) == 20 and set(rounds) == {"aabb", "bbaa"}  # neither always comes first
    assert {name: {len(one) for one in own} for name, own in times.items()} == {"a": {2}, "b": {2}}


def test_a_ratio_is_of_rounds_side_by_side() -> None:
    assert timing.round_ratios([[1.0, 3.0], [6.0]], [[2.0, 6.0], [3.0]]) == [0.5, 2.0]


def test_peak_memory_grows_with_what_was_touched() -> None:
    before = timing.peak_resident_mib()
    np.ones(int((before + 64) * 2**20), np.uint8)
    assert timing.peak_resident_mib() >= before + 64


# -- statistics and tables --------------------------------------------------------------------------------


def test_statistics() -> None:
    result = full_result()
    minigan = result["contenders"][OWN]
    assert (minigan["median_ms"], minigan["min_ms"], minigan["max_ms"]) == (205, 190, 220)
    assert minigan["gflop_per_s"] == pytest.approx(36.9 / 0.205, rel=1e-3)
    assert minigan["rounds_ms"] == TIMES[OWN]
    ratio = result["ratios"][EAGER]
    assert (ratio["rounds"], ratio["median"], ratio["of_fastest"]) == ([0.8, 0.5], 0.65, 0.76)


def test_the_goal_is_held_against_the_faster_peer() -> None:
    result = full_result()
    assert result["faster_peer"] == COMPILED  # 305 ms in the median, and eager 337.5
    assert result["goals"]["of_peer"] == [0.7, 0.6452]


def test_the_step_is_held_against_its_flops_at_the_gemm_rate() -> None:
    # 36.9 GFLOP at 100 GFLOP/s are 369 ms; minigan's rounds take 210 and 200 a step.
    assert full_result()["goals"]["of_gemm"] == [
        pytest.approx(210 / 369, abs=1e-4),
        pytest.approx(200 / 369, abs=1e-4),
    ]


@pytest.mark.parametrize(
    ("values", "verdict"), [([1.1, 1.2, 1.1], "reached"), ([1.3], "not reached")]
)
def test_a_goal_says_whether_it_is_reached(values: list[float], verdict: str) -> None:
    assert step.OF_GEMM.sentence(values).endswith(f"at most 1.15: {verdict}.")


def test_the_table_shows_every_peer_and_the_ratios() -> None:
    table = step.table(full_result())
    for text in (in_terminal(table), table.markdown()):
        for expected in (
            "minigan", "PyTorch compiled", "205", "338", "305", "0.650", "0.760", "threads of each: 2",
            "PyTorch with CUDA graphs (needs a GPU)", "0.673 (0.645 – 0.700); the goal is at most 0.909: reached",
            "GEMM of 2,048×2,048 float32 matrices 100 GFLOP/s",
        ):  # fmt: skip
            assert expected in text
    lines = table.markdown().splitlines()
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_an_absent_peer_is_listed_with_how_to_install_it() -> None:
    result = result_without_torch()
    assert result["ratios"] == {}
    assert set(result["goals"]) == {"of_gemm"}
    table = step.table(result)
    for text in (in_terminal(table), table.markdown()):
        for name in (EAGER, COMPILED, GRAPHS, BOTH):
            assert f"{name} (not installed: pip install 'minigan[bench]')" in text
        assert "205" in text


def test_why_a_peer_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert set(peers.absences(step.PEERS, "cpu").values()) == {peers.HOW_TO_INSTALL}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert peers.absences(step.PEERS, "cpu") == {
        COMPILED: "needs a C++ compiler, g++ for one",
        **NO_GRAPHS,
    }


# -- time by operation ------------------------------------------------------------------------------------


def test_shares_are_of_the_measured_rates() -> None:
    (conv, elsewhere) = step.operations_table(full_result()).rows
    # 5 GFLOP and 0.25 GB in 0.1 s, at 100 GFLOP/s and 10 GB/s; of 125 ms.
    assert conv == ("`conv2d`", "4", "100.00", "80.0%", "5.000", "250.0", "50%", "25%")
    assert elsewhere == ("elsewhere", "–", "25.00", "20.0%", "0.000", "0.0", "–", "–")


def test_a_steps_time_is_divided_among_its_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that every look moves on by one second: a call lasts one, and so does all that lies between two."""
    device = get_device("cpu")
    x = np.ones((2, 3), np.float32)

    def work() -> None:
        device.leaky_relu(x, 0.1)
        device.multiply(device.leaky_relu(x, 0.1), x)

    seconds = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(seconds)))
    found = operations.measure(work, device, steps=3)
    assert {name: (v["calls"], v["median_ms"]) for name, v in found.items()} == {
        "leaky_relu": (2, 2000.0),
        "multiply": (1, 1000.0),
        operations.ELSEWHERE: (0, 4000.0),
    }
    assert next(iter(found)) == operations.ELSEWHERE  # the longest first
    assert found["multiply"]["mbytes"] == round(3 * 24 / 1e6, 4)
    assert "leaky_relu" not in vars(device)  # nothing is watched any more


# -- against the batch size -------------------------------------------------------------------------------


def test_the_line_is_found_through_points_on_it() -> None:
    sizes = [32, 128, 1024]
    fit = batch.affine_fit(sizes, [5 + 2 * n for n in sizes])
    assert (fit["fixed_ms"], fit["ms_an_image"]) == pytest.approx((5, 2))
    assert fit["residuals"] == [0, 0, 0]


def test_the_line_weighs_small_batches_as_much_as_large_ones() -> None:
    # One percent off at each end: with unweighted residuals the small one would miss by far more than that.
    sizes = [32, 64, 1024]
    times = [n * factor for n, factor in zip(sizes, (1.01, 1.0, 0.99), strict=True)]
    fit = batch.affine_fit(sizes, times)
    assert max(map(abs, fit["residuals"])) < 0.01
    n, t = np.array(sizes), np.array(times)

    def loss(a: float, b: float) -> float:
        return float((((a + b * n - t) / t) ** 2).sum())

    best = loss(fit["fixed_ms"], fit["ms_an_image"])
    assert all(
        best <= loss(fit["fixed_ms"] + da, fit["ms_an_image"] + db)
        for da, db in ((1e-3, 0), (-1e-3, 0), (0, 1e-4), (0, -1e-4))
    )


def batch_result(absent: dict[str, str]) -> dict[str, Any]:
    plan = batch.Plan(batch_sizes=(32, 128, 1024), rounds=2)
    times = {
        (OWN, 32): [[70.0], [72.0]], (OWN, 128): [[256.0], [250.0]], (OWN, 1024): [[1536.0], [2100.0]],
        (EAGER, 32): [[100.0], [100.0]], (EAGER, 128): [[300.0], [300.0]], (EAGER, 1024): [[2000.0], [2000.0]],
    }  # fmt: skip
    return {**report.circumstances(), **batch.summarize(times, plan, absent)}


def test_an_image_at_1024_is_compared_with_one_at_128(tmp_path: Path) -> None:
    result = batch_result({})
    assert result["goals"]["an_image"] == [0.75, 1.05]
    table = batch.table(result)
    assert [row[0] for row in table.rows] == ["32", "128", "1,024"]
    assert table.rows[0][-1] == "0.710"
    (figure,) = batch.present(result).plots.values()
    plots.save(figure, tmp_path / "batch.png")
    assert (tmp_path / "batch.png").stat().st_size > 10_000


def test_the_batch_sizes_are_measured_without_the_peer() -> None:
    result = batch_result({EAGER: peers.HOW_TO_INSTALL})
    assert result["ratios"] == {}
    assert f"PyTorch: {peers.HOW_TO_INSTALL}." in batch.table(result).notes


# -- agreement --------------------------------------------------------------------------------------------


def test_rounding_is_agreement() -> None:
    agreement.require_agreement(FOUND, "float32")


@pytest.mark.parametrize("difference", [0.1, float("nan")])
def test_a_wrong_gradient_is_named(difference: float) -> None:
    found = {**FOUND, "discriminator.head.0.bias": difference}
    with pytest.raises(
        agreement.DisagreementError, match=r"gradient of discriminator\.head\.0\.bias"
    ):
        agreement.require_agreement(found, "float32")


def test_losses_and_float64_are_held_to_more() -> None:
    with pytest.raises(agreement.DisagreementError, match=r"generator_loss differs by 1\.0e-03"):
        agreement.require_agreement({**FOUND, "generator_loss": 1e-3}, "float32")
    with pytest.raises(agreement.DisagreementError, match=r"float64 explains"):
        agreement.require_agreement(FOUND, "float64")


@pytest.fixture
def own_threads() -> Iterator[None]:
    """The trainers set the number of threads for the whole process: put it back for other tests."""
    before = numba.get_num_threads()
    yield
    numba.set_num_threads(before)


@pytest.mark.usefixtures("own_threads")
@pytest.mark.parametrize("dtype", agreement.DTYPES)
def test_both_libraries_take_the_same_step(dtype: str) -> None:
    pytest.importorskip("torch")
    plan = step.Plan(batch_size=16)
    trainer, peer = step.minigan_trainer(plan, dtype), step.torch_trainer(plan, dtype)
    found = agreement.differences(trainer, peer)
    agreement.require_agreement(found, dtype)
    parameters = [*peer.generator_parameters, *peer.discriminator_parameters]
    assert len(found) == len(agreement.LOSSES) + len(parameters)
    # Nothing was trained by that: the peer still has minigan's weights.
    own, weight = trainer.generator.parameters()[0], peer.generator_parameters[0]
    np.testing.assert_array_equal(peer.as_minigan(weight, weight.detach()), own.numpy())


@pytest.mark.usefixtures("own_threads")
def test_gradients_on_a_gpu_are_brought_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch refuses `numpy()` of a tensor on a GPU; here of every gradient that was not copied first."""
    torch = pytest.importorskip("torch")
    plan = step.Plan(batch_size=4)
    trainer, peer = step.minigan_trainer(plan), step.torch_trainer(plan)
    plain = torch.Tensor.numpy

    def refuse(tensor: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    class OnGPU(torch.Tensor):  # type: ignore[misc, name-defined]
        numpy = refuse

        def cpu(self) -> Any:
            return self.as_subclass(torch.Tensor)

    monkeypatch.setattr(
        type(peer), "as_minigan", lambda self, parameter, values: values.permute(self._axes.get(parameter, (0,))).as_subclass(OnGPU)
    )  # fmt: skip
    agreement.require_agreement(agreement.differences(trainer, peer), "float32")
    assert torch.Tensor.numpy is plain


@pytest.mark.parametrize(("precision", "tf32"), [("ieee", False), ("tf32", True), ("ieee", False)])
def test_pytorchs_convolutions_and_products_have_one_precision(precision: str, tf32: bool) -> None:
    """cuDNN's own default is TF32, and cuBLAS's is not."""
    torch = pytest.importorskip("torch")
    step.torch_trainer(step.Plan(batch_size=4, precision=precision))
    assert torch.backends.cudnn.allow_tf32 == tf32
    assert torch.backends.cuda.matmul.allow_tf32 == tf32


def test_jax_takes_the_same_step() -> None:
    pytest.importorskip("jax")
    from benchmarks.peers.jax_infogan import Trainer

    plan = step.Plan(batch_size=16)
    trainer = step.minigan_trainer(plan)
    peer = Trainer(np.zeros((4, 28, 28, 1), np.uint8), 16)
    found = agreement.differences(trainer, peer)
    agreement.require_agreement(found, "float32", "JAX")
    assert all(np.isfinite(peer.step()))


def test_turns_on_a_gpu_are_long() -> None:
    assert step.GPU_PLAN.steps >= 200 and step.GPU_PLAN.pause == 0


# -- files ------------------------------------------------------------------------------------------------


def test_json_is_read_back_and_keeps_rounds_on_a_line(tmp_path: Path) -> None:
    path = tmp_path / "results" / "step.json"
    result = full_result()
    report.write_json(path, result)
    assert json.loads(path.read_text(encoding="utf-8")) == result
    assert "[ 200.0, 220.0 ]" in path.read_text(encoding="utf-8")
    assert [file.name for file in path.parent.iterdir()] == ["step.json"]


def test_json_says_where_and_on_what_it_was_measured() -> None:
    result = full_result()
    assert result["machine"]["cores"] >= 1
    assert set(result["versions"]) >= {"python", "minigan", "numpy", "numba", "scipy", "torch"}
    assert result["plan"]["batch_size"] == 128
    assert "commit" in result


def test_only_the_section_between_the_markers_is_rewritten(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    before, after = "# Title\n\n<!-- benchmarks mnist -->\nkept\n", "\n\nThe end.\n"
    page.write_text(f"{before}<!-- benchmarks step -->\nold\n<!-- /benchmarks step -->{after}")
    for text in ("first", "second"):
        assert report.rewrite_section(page, "step", text)
    assert page.read_text() == (
        f"{before}<!-- benchmarks step -->\n\nsecond\n\n<!-- /benchmarks step -->{after}"
    )


@pytest.mark.parametrize(
    "content",
    ["no markers", "<!-- benchmarks step -->", "<!-- /benchmarks step --><!-- benchmarks step -->"],
)
def test_a_page_without_both_markers_is_left_alone(tmp_path: Path, content: str) -> None:
    page = tmp_path / "README.md"
    assert not report.rewrite_section(page, "step", "new")
    assert not page.exists()
    page.write_text(content)
    assert not report.rewrite_section(page, "step", "new")
    assert page.read_text() == content


# -- the command ------------------------------------------------------------------------------------------


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The command with a README in a folder of its own, a quiet machine and no measuring."""
    readme = tmp_path / "README.md"
    readme.write_text("<!-- benchmarks step -->\nbefore\n<!-- /benchmarks step -->")
    monkeypatch.setattr(report, "README", readme)
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    measured_as(monkeypatch, full_result())
    return tmp_path


def measured_as(monkeypatch: pytest.MonkeyPatch, result: dict[str, Any]) -> None:
    def present(found: declaration.Result) -> declaration.Presentation:
        presentation = step.present(found)
        sections = [dataclasses.replace(s, page=report.README) for s in presentation.sections]
        return dataclasses.replace(presentation, sections=sections, plots={})

    benchmark = dataclasses.replace(
        step.BENCHMARK, measure=lambda plan, say: result, present=present
    )
    monkeypatch.setattr(step, "BENCHMARK", benchmark)


def run_step(*arguments: str) -> None:
    result = CliRunner().invoke(app, ["step", *arguments])
    assert result.exit_code == 0, result.output


def test_the_command_writes_json_and_the_readme(written: Path) -> None:
    run_step()
    assert "0.650" in (written / "README.md").read_text()
    assert json.loads((written / "results" / "step.json").read_text())["benchmark"] == "step"


def test_without_the_peer_the_readme_keeps_its_comparison(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured_as(monkeypatch, result_without_torch())
    run_step()
    assert "before" in (written / "README.md").read_text()
    assert (written / "results" / "step.json").exists()


@pytest.mark.parametrize(("load", "arguments"), [(64.0 * 1024, []), (0.0, ["--no-write"])])
def test_nothing_is_written_on_a_busy_machine_or_on_request(
    written: Path, monkeypatch: pytest.MonkeyPatch, load: float, arguments: list[str]
) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0))
    run_step(*arguments)
    assert "before" in (written / "README.md").read_text()
    assert not (written / "results").exists()
