"""`minigan trace`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_run import TINY, assert_refused, few_digits

from minigan import cli

SMALL = (*TINY[: TINY.index("--batch-size")], "--batch-size", "4", "--device", "cpu")


@pytest.fixture(autouse=True)
def digits() -> Iterator[None]:
    with few_digits():
        yield


def test_an_experiment(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    assert cli._run(["trace", "mnist", *SMALL, "--perfetto", str(path)]) == 0
    output = capsys.readouterr().out
    assert "conv2d ←" in output and "mnist, step 3 on cpu" in output and f"wrote {path}" in output
    assert json.loads(path.read_text(encoding="utf-8"))["traceEvents"]


@pytest.mark.parametrize("kept", ["checkpoint", "networks"])
def test_a_run(kept: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert cli._run(["train", "mnist", *TINY, "--out", str(run)]) == 0
    if kept == "networks":
        for path in (run / "checkpoints").iterdir():
            path.unlink()
    assert cli._run(["trace", str(run)]) == 0
    assert "step 9 on cpu" in capsys.readouterr().out  # six steps, two to warm up, and this one


FUNCTION = """
import minigan as mg

def step():
    x = mg.tensor([[1.0, 2.0]], requires_grad=True)
    (x * x).sum().backward()

def broken():
    return mg.tensor([1.0, 2.0]) + mg.tensor([1.0, 2.0, 3.0])

def idle():
    pass
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own.py"
    path.write_text(FUNCTION, encoding="utf-8")
    return path


def test_a_function(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["trace", f"{file}:step"]) == 0
    output = capsys.readouterr().out
    assert "multiply ←" in output and "2 operations" in output


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("broken", ("own.py:9", "broken raised ValueError", "shapes")),
        ("missing", ("no function 'missing'",)),
        ("idle", ("nothing to trace",)),
    ],
)
def test_a_function_that_cannot_be_traced(
    function: str, words: tuple[str, ...], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(capsys, file.parent, ("trace", f"{file}:{function}"), *words)


def test_a_file_that_cannot_be_run(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("def step(:\n", encoding="utf-8")
    assert_refused(capsys, file.parent, ("trace", f"{file}:step"), "own.py:1", "SyntaxError")
    absent = file.with_name("absent.py")
    assert_refused(capsys, file.parent, ("trace", f"{absent}:step"), "absent.py", "No such file")


def test_targets_and_options_that_do_not_go_together(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_refused(capsys, file.parent, ("trace", "nothing"), "no experiment 'nothing'")
    assert_refused(capsys, file.parent, ("trace", file.parent), "holds no run")
    refused = ("trace", f"{file}:step", "--batch-size", "4")
    assert_refused(capsys, file.parent, refused, "--batch-size and --set go with an experiment")
    refused = ("trace", file.parent, "--device", "cpu")
    assert_refused(capsys, file.parent, refused, "leave --device out")
