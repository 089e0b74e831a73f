"""The step benchmark, apart from the times it measures: turns, statistics, agreement, tables and files."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
import rich.console
from typer.testing import CliRunner

from benchmarks import report, step, timing
from benchmarks.__main__ import app

PLAN = step.Plan(batch_size=128, threads=2, rounds=2, steps=2)
TIMES = {
    step.MINIGAN: [[200.0, 220.0], [190.0, 210.0]],
    step.TORCH: [[250.0, 275.0], [400.0, 400.0]],
}
MEMORY = {step.MINIGAN: 300.4, step.TORCH: 500.0}
FOUND = {"generator_loss": 1e-7, "generator.layers.0.weight": 2e-6}
AGREEMENT = {"float64": {"generator_loss": 1e-15}, "float32": FOUND}


def full_result() -> dict[str, Any]:
    return {**report.circumstances(), **step.summarize(TIMES, MEMORY, AGREEMENT, PLAN)}


def result_without_torch() -> dict[str, Any]:
    times = {step.MINIGAN: TIMES[step.MINIGAN]}
    return {**report.circumstances(), **step.summarize(times, MEMORY, {}, PLAN)}


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
    times = timing.interleave(contenders, rounds=2, calls=2, pause=0, warm_up=1)
    assert "".join(calls) == "ab" + "aabb" * 2
    assert {name: [len(one) for one in rounds] for name, rounds in times.items()} == {
        "a": [2, 2],
        "b": [2, 2],
    }


def test_a_ratio_is_of_rounds_side_by_side() -> None:
    assert timing.round_ratios([[1.0, 3.0], [6.0]], [[2.0, 6.0], [3.0]]) == [0.5, 2.0]


def test_peak_memory_grows_with_what_was_touched() -> None:
    before = timing.peak_resident_mib()
    np.ones(int((before + 64) * 2**20), np.uint8)
    assert timing.peak_resident_mib() >= before + 64


# -- statistics and tables --------------------------------------------------------------------------------


def test_statistics() -> None:
    result = step.summarize(TIMES, MEMORY, AGREEMENT, PLAN)
    minigan = result["contenders"][step.MINIGAN]
    assert (minigan["median_ms"], minigan["min_ms"], minigan["max_ms"]) == (205, 190, 220)
    assert minigan["gflop_per_s"] == pytest.approx(36.9 / 0.205, rel=1e-3)
    assert minigan["rounds_ms"] == TIMES[step.MINIGAN]
    assert result["ratio"]["rounds"] == [0.8, 0.5]
    assert result["ratio"]["median"] == 0.65
    assert result["ratio"]["of_fastest_steps"] == 0.76


def test_the_table_shows_both_libraries_and_the_ratio() -> None:
    table = step.table(full_result())
    for text in (in_terminal(table), table.markdown()):
        for expected in (
            "minigan",
            "PyTorch",
            "205",
            "338",
            "0.650",
            "0.760",
            "Threads of each: 2",
        ):
            assert expected in text
    lines = table.markdown().splitlines()
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_an_absent_peer_is_listed_with_how_to_install_it() -> None:
    result = result_without_torch()
    assert "ratio" not in result
    table = step.table(result)
    for text in (in_terminal(table), table.markdown()):
        assert "PyTorch (not installed: pip install 'minigan[bench]')" in text
        assert "205" in text


# -- agreement --------------------------------------------------------------------------------------------


def test_rounding_is_agreement() -> None:
    step.require_agreement(FOUND, "float32")


@pytest.mark.parametrize("difference", [0.1, float("nan")])
def test_a_wrong_gradient_is_named(difference: float) -> None:
    found = {**FOUND, "discriminator.head.0.bias": difference}
    with pytest.raises(step.DisagreementError, match=r"gradient of discriminator\.head\.0\.bias"):
        step.require_agreement(found, "float32")


def test_losses_and_float64_are_held_to_more() -> None:
    with pytest.raises(step.DisagreementError, match=r"generator_loss differs by 1\.0e-03"):
        step.require_agreement({**FOUND, "generator_loss": 1e-3}, "float32")
    with pytest.raises(step.DisagreementError, match=r"float64 explains"):
        step.require_agreement(FOUND, "float64")


@pytest.fixture
def own_threads() -> Iterator[None]:
    """The trainers set the number of threads for the whole process: put it back for other tests."""
    before = numba.get_num_threads()
    yield
    numba.set_num_threads(before)


@pytest.mark.usefixtures("own_threads")
@pytest.mark.parametrize("dtype", list(step.TOLERANCE))
def test_both_libraries_take_the_same_step(dtype: str) -> None:
    pytest.importorskip("torch")
    plan = step.Plan(batch_size=16)
    trainer, peer = step.minigan_trainer(plan, dtype), step.torch_trainer(plan, dtype)
    found = step.differences(trainer, peer)
    step.require_agreement(found, dtype)
    parameters = [*peer.generator_parameters, *peer.discriminator_parameters]
    assert len(found) == len(step.LOSSES) + len(parameters)
    # Nothing was trained by that: the peer still has minigan's weights.
    own, weight = trainer.generator.parameters()[0], peer.generator_parameters[0]
    np.testing.assert_array_equal(peer.as_minigan(weight, weight.detach()), own.numpy())


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
    monkeypatch.setattr(step, "measure", lambda plan: full_result())
    return tmp_path


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
    monkeypatch.setattr(step, "measure", lambda plan: result_without_torch())
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
