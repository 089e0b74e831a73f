"""`minigan resume`."""

import json
from pathlib import Path

import pytest
from tiny_run import TINY, assert_refused, tree

from minigan import cli
from minigan.experiments.runs import Run

pytestmark = pytest.mark.usefixtures("a_few_digits")


def test_resume_goes_on_to_another_step(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["resume", str(run), "--iterations", "9", "--no-evaluate"]) == 0
    whole = tmp_path / "whole"
    assert cli._run(["train", "mnist", "--out", str(whole), *TINY, "--iterations", "9"]) == 0
    assert tree(run) == tree(whole)
    assert capsys.readouterr().err == ""


def test_resume_with_another_number_of_threads_says_so(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "experiment.json"
    written = json.loads(path.read_text())
    path.write_text(json.dumps(written | {"threads": written["threads"] + 1}))
    assert cli._run(["resume", str(run), "--iterations", "7", "--no-evaluate"]) == 0
    line = (
        f"was started with {written['threads'] + 1} threads and goes on with {written['threads']}"
    )
    assert line in capsys.readouterr().out
    assert json.loads(path.read_text())["threads"] == written["threads"] + 1


def test_a_run_that_another_process_trains(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Run.open(run).lock():
        assert_refused(
            capsys, run, ("resume", run, "--iterations", 9, "--no-evaluate"),
            f"{run} is being trained by another process",
        )  # fmt: skip


def test_resume_to_where_it_has_been(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert_refused(capsys, run, ("resume", run, "--iterations", 5), "already at step 6, past 5")
    assert_refused(capsys, run, ("resume", run, "--iterations", 0), "already at step 6")


def test_resume_without_all_metrics(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "metrics.jsonl").write_text('{"step": 1}\n')
    for arguments in (("resume", run), ("resume", run, "--iterations", 9)):
        assert_refused(capsys, run, arguments, "has 1 lines", "of step 6")
