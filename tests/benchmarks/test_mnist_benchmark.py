"""What `python -m benchmarks mnist` reads from run directories, and the table that it makes of it."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from benchmarks import mnist
from minigan.errors import RunError
from minigan.infogan.experiments import MNIST
from minigan.infogan.runs import Run

STEPS = 20


def finished_run(directory: Path, seed: int, error: float, step: int = STEPS) -> Path:
    """A run directory as it stands after the evaluation, but for what the benchmark does not read."""
    Run.create(directory, dataclasses.replace(MNIST, seed=seed, iterations=STEPS))
    errors = {"one_to_one_error": error, "majority_vote_error": error / 2}
    code = {"name": "c1", "information": 2.29, "attainable": 2.303}
    evaluation = {"step": step, "codes": [code], "test": errors, "train": errors}
    (directory / "evaluation.json").write_text(json.dumps(evaluation))
    (directory / "samples").mkdir()
    (directory / "samples" / f"step-{step:08d}.png").write_bytes(f"grid of seed {seed}".encode())
    return directory


def test_a_run_that_has_ended_is_read_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def repeated(*arguments: object, **settings: object) -> None:
        raise AssertionError("it was trained again")

    monkeypatch.setattr(mnist.subprocess, "run", repeated)
    result = mnist.run_seed(finished_run(tmp_path / "run", 3, 0.125), 3)
    assert (result.seed, result.steps, result.test_error) == (3, STEPS, 0.125)
    assert result.information == 2.29


@pytest.mark.parametrize("exists", [False, True])
def test_a_run_that_has_not_ended_is_trained_or_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    directory, commands = tmp_path / "run", []
    if exists:
        Run.create(directory, dataclasses.replace(MNIST, seed=3, iterations=STEPS))

    def train(command: list[str], **settings: object) -> None:
        commands.append(command)
        if exists:
            (directory / "experiment.json").unlink()
        finished_run(directory, 3, 0.5)

    monkeypatch.setattr(mnist.subprocess, "run", train)
    assert mnist.run_seed(directory, 3).test_error == 0.5
    (command,) = commands
    expected = (
        ["resume", str(directory)]
        if exists
        else ["train", "mnist", "--seed", "3", "--out", str(directory)]
    )
    assert command == [sys.executable, "-m", "minigan", *expected]


def test_a_run_of_another_seed_or_evaluated_before_its_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="seed 3, not 4"):
        mnist.read(finished_run(tmp_path / "a", 3, 0.1), 4)
    with pytest.raises(RunError, match="at step 10, before its end"):
        mnist.read(finished_run(tmp_path / "b", 3, 0.1, step=10), 3)


def test_the_table_has_a_row_a_seed_and_the_grid_is_of_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = [
        mnist.read(finished_run(tmp_path / str(seed), seed, error), seed)
        for seed, error in ((0, 0.1825), (1, 0.136), (2, 0.2))
    ]
    text = mnist.table(results).markdown()
    assert "| 0 | 2.290 of 2.303 | 18.2 % | 18.2 % | 9.1 % |" in text
    assert "seed 1, the one of the lowest test error" in text
    monkeypatch.setattr(mnist, "GRID", tmp_path / "images" / "mnist.png")
    mnist.keep_grid(mnist.best(results))
    assert mnist.GRID.read_bytes() == b"grid of seed 1"
