"""The report of runs: whole, training, half written, several, and in a real browser's terms small enough."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from written_run import make_run

from minigan.cli import main
from minigan.errors import RunError
from minigan.experiments.declarations import MNIST
from minigan.experiments.report import collect, find_runs, report
from minigan.experiments.report.page import page
from minigan.experiments.runs import Run
from minigan.html_page import MOST_BYTES


def data_of(text: str) -> list[dict[str, Any]]:
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    runs: list[dict[str, Any]] = json.loads(found[1])
    return runs


def test_curves_are_means_and_codes_are_shares(tmp_path: Path) -> None:
    record = collect(make_run(tmp_path, 1300))
    assert len(record.steps) == 434  # three steps a point
    assert record.steps[0] == 2.0 and record.curves["D"][0] == 3.0
    assert record.shares["c1"][0] == pytest.approx(2.302 / 2.302585, abs=1e-4)
    assert record.shares["c2"][0] == pytest.approx(1 + 6 * (-0.3 + 0.22579), abs=1e-3)
    assert record.shares["c3"][0] < 0 and record.state == "step 1,300 of 5,000"


def test_the_page_holds_everything_and_needs_no_network(tmp_path: Path) -> None:
    directory = make_run(tmp_path, 250)
    report([directory], tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    (run,) = data_of(text)
    assert [step for step, _ in run["samples"]] == [0, 100, 200]
    assert run["settings"]["codes"] == MNIST.codes and run["evaluation"] == []
    assert "http://www.w3.org/2000/svg" in text and not re.search(r'(src|href)="?https?:', text)
    assert "refresh" not in text


def test_runs_that_are_new_half_written_or_damaged_have_a_page(tmp_path: Path) -> None:
    empty = Run.create(tmp_path / "empty", MNIST).directory
    cut = make_run(tmp_path, 3, "cut")
    with (cut / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "discr')
    (cut / "evaluation.json").write_text('{"codes": [{"na')
    first, second = data_of(page([collect(empty), collect(cut)]))
    assert first["steps"] == [] and first["state"] == "step 0 of 5,000"
    assert second["steps"] == [1, 2, 3] and second["evaluation"] == []


def test_a_sweep_is_its_runs_side_by_side(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "sweep", 2, f"seed{i}") for i in range(3)]
    assert find_runs([tmp_path / "sweep"]) == runs
    with pytest.raises(RunError, match="holds no run"):
        find_runs([tmp_path])


def test_a_long_run_keeps_the_page_small_and_the_last_grid(tmp_path: Path) -> None:
    directory = make_run(tmp_path, 900)
    noise = Image.effect_noise((700, 700), 100)
    for step in range(0, 900, 100):
        noise.save(directory / f"samples/step-{step:08d}.png")
    text = page([collect(directory)])
    assert len(text) < MOST_BYTES + 100_000
    (run,) = data_of(text)
    assert 1 <= len(run["samples"]) < 9 and run["samples"][-1][0] == 800


def test_text_of_a_user_cannot_leave_the_data(tmp_path: Path) -> None:
    directory = make_run(tmp_path, 1)
    values = json.loads((directory / "experiment.json").read_text())
    values["versions"]["minigan"] = "</script><script>alert(1)</script>"
    (directory / "experiment.json").write_text(json.dumps(values))
    text = page([collect(directory)])
    assert "<script>alert" not in text
    assert data_of(text)[0]["environment"]["minigan"].startswith("</script>")


def test_the_command_writes_a_page_and_refuses_what_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = make_run(tmp_path, 2)
    with pytest.raises(SystemExit) as end:
        main(["report", str(directory)])
    assert not end.value.code and (directory / "report.html").exists()
    (tmp_path / "nothing").mkdir()
    nothing = str(tmp_path / "nothing")
    for arguments in (["report", nothing], ["report", str(directory), "--out", "."]):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2
    errors = capsys.readouterr().err.splitlines()
    assert "holds no run" in errors[0] and "a file in .html, not ." in errors[1]


def test_watching_writes_the_page_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, waits = make_run(tmp_path, 2), []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise KeyboardInterrupt
        (directory / "metrics.jsonl").write_text("")

    monkeypatch.setattr("minigan.experiments.report.time.sleep", wait)
    with pytest.raises(SystemExit) as end:
        main(["report", str(directory), "--watch"])
    assert end.value.code == 130 and len(waits) == 2
    assert "again every 5 seconds, until Ctrl-C" in capsys.readouterr().out
    text = (directory / "report.html").read_text(encoding="utf-8")
    assert data_of(text)[0]["steps"] == [] and 'http-equiv="refresh"' in text
