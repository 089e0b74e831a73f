"""The step benchmark, apart from the times it measures: turns, statistics, agreement, tables and files."""

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import rich.console
from step_results import (
    BOTH,
    COMPILED,
    EAGER,
    FOUND,
    GRAPHS,
    NO_GRAPHS,
    OWN,
    TIMES,
    full_result,
    result_without_torch,
)

from benchmarks import (
    agreement,
    baselines,
    batch,
    operations,
    plots,
    report,
    step,
    timing,
)
from minigan.devices import get_device
from minigan.experiments import pages


def in_terminal(table: pages.Table) -> str:
    console = rich.console.Console(file=io.StringIO(), width=300)
    console.print(table.rich())
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


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
    assert set(baselines.absences(step.BASELINES, "cpu").values()) == {baselines.HOW_TO_INSTALL}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert baselines.absences(step.BASELINES, "cpu") == {
        COMPILED: "needs a C++ compiler, g++ for one",
        **NO_GRAPHS,
    }


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
    result = batch_result({EAGER: baselines.HOW_TO_INSTALL})
    assert result["ratios"] == {}
    assert f"PyTorch: {baselines.HOW_TO_INSTALL}." in batch.table(result).notes


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
    trainer, baseline = step.minigan_trainer(plan, dtype), step.torch_trainer(plan, dtype)
    found = agreement.differences(trainer, baseline)
    agreement.require_agreement(found, dtype)
    parameters = [*baseline.generator_parameters, *baseline.discriminator_parameters]
    assert len(found) == len(agreement.LOSSES) + len(parameters)
    # Nothing was trained by that: the baseline still has minigan's weights.
    own, weight = trainer.generator.parameters()[0], baseline.generator_parameters[0]
    np.testing.assert_array_equal(baseline.as_minigan(weight, weight.detach()), own.numpy())


@pytest.mark.usefixtures("own_threads")
def test_gradients_on_a_gpu_are_brought_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch refuses `numpy()` of a tensor on a GPU; here of every gradient that was not copied first."""
    torch = pytest.importorskip("torch")
    plan = step.Plan(batch_size=4)
    trainer, baseline = step.minigan_trainer(plan), step.torch_trainer(plan)
    plain = torch.Tensor.numpy

    def refuse(tensor: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    class OnGPU(torch.Tensor):  # type: ignore[misc, name-defined]
        numpy = refuse

        def cpu(self) -> Any:
            return self.as_subclass(torch.Tensor)

    monkeypatch.setattr(
        type(baseline), "as_minigan", lambda self, parameter, values: values.permute(self._axes.get(parameter, (0,))).as_subclass(OnGPU)
    )  # fmt: skip
    agreement.require_agreement(agreement.differences(trainer, baseline), "float32")
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
    from benchmarks.baselines.jax_infogan import Trainer

    plan = step.Plan(batch_size=16)
    trainer = step.minigan_trainer(plan)
    baseline = Trainer(np.zeros((4, 28, 28, 1), np.uint8), 16)
    found = agreement.differences(trainer, baseline)
    agreement.require_agreement(found, "float32", "JAX")
    assert all(np.isfinite(baseline.step()))


def test_turns_on_a_gpu_are_long() -> None:
    assert step.GPU_PLAN.steps >= 200 and step.GPU_PLAN.pause == 0
