"""The files that the step benchmark writes, and its command."""

import json
from pathlib import Path

import pytest
from step_results import full_result, measured_as, result_without_torch
from typer.testing import CliRunner

from benchmarks import (
    report,
)
from benchmarks.commands import app
from minigan.experiments import pages


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The command with a README in a separate folder, a quiet machine and no measuring."""
    readme = tmp_path / "README.md"
    readme.write_text("<!-- benchmarks step -->\nbefore\n<!-- /benchmarks step -->")
    monkeypatch.setattr(report, "README", readme)
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    measured_as(monkeypatch, full_result())
    return tmp_path


def test_json_is_read_back_and_keeps_rounds_on_a_line(tmp_path: Path) -> None:
    path = tmp_path / "results" / "step.json"
    result = full_result()
    pages.write_json(path, result)
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
