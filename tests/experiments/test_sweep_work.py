"""The work of a sweep, and the table that is read from its runs."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_sweep import idx, times, tiny, tiny_plan

from minigan.datasets.cache import Preparation
from minigan.errors import RunError
from minigan.experiments.runs import Run
from minigan.experiments.sweeps.directory import Sweep
from minigan.experiments.sweeps.plan import Plan, parse_grid
from minigan.experiments.sweeps.table import Measures, Row, rows, summaries, to_csv
from minigan.experiments.sweeps.work import add_test_errors, run_to_completion

pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk")
HOW = Preparation()


def test_a_run_is_brought_to_its_end_once(sweep: Sweep) -> None:
    assert sweep.waiting() == ["seed0", "seed1"]
    run_to_completion(sweep.directory, "seed0", HOW)
    assert sweep.waiting() == ["seed1"]
    assert sweep.reached() == {"seed0": 10, "seed1": 0}
    before = times(sweep.directory)
    run_to_completion(sweep.directory, "seed0", HOW)
    assert times(sweep.directory) == before


def test_a_run_that_was_trained_elsewhere_is_not_trained_again(sweep: Sweep) -> None:
    """A kill between training and evaluation: only the second is left to do."""
    run_to_completion(sweep.directory, "seed0", HOW)
    evaluation = sweep.directory / "seed0/evaluation.json"
    expected = evaluation.read_bytes()
    stretches = (sweep.directory / "seed0/timing.jsonl").read_bytes()
    evaluation.unlink()
    run_to_completion(sweep.directory, "seed0", HOW)
    assert evaluation.read_bytes() == expected
    assert (sweep.directory / "seed0/timing.jsonl").read_bytes() == stretches


def test_an_evaluation_before_the_end_is_not_the_end(sweep: Sweep) -> None:
    run_to_completion(sweep.directory, "seed0", HOW)
    path = sweep.directory / "seed0/evaluation.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "step": 8}))
    assert sweep.waiting() == ["seed0", "seed1"]
    path.write_bytes(b"{")
    with pytest.raises(RunError, match=r"evaluation.json is damaged; delete it"):
        sweep.waiting()


def test_the_labels_of_the_test_images_are_read_when_asked_for(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_to_completion(sweep.directory, "seed0", HOW)
    written = json.loads((sweep.directory / "seed0/evaluation.json").read_text())
    assert (written["test"], written["train"]["images"]) == (None, 40)
    assert list(add_test_errors(sweep, HOW)) == ["seed0"]  # seed1 has not ended
    measured = json.loads((sweep.directory / "seed0/evaluation.json").read_text())
    assert measured["test"]["images"] == 20
    assert measured["train"] == written["train"]
    done, waiting = rows(sweep)
    assert done.measures.test_error == measured["test"]["one_to_one_error"]
    assert waiting.measures == Measures()
    assert list(add_test_errors(sweep, HOW)) == []  # once
    assert sweep.waiting() == ["seed1"]


def test_no_other_label_of_theirs_is_read(sweep: Sweep, folder: Path) -> None:
    """With other labels of the test images, everything is the same."""
    run_to_completion(sweep.directory, "seed0", HOW)
    path = sweep.directory / "seed0/evaluation.json"
    before = path.read_bytes()
    path.unlink()
    labels = folder / "data/t10k-labels-idx1-ubyte"
    labels.write_bytes(idx(np.zeros(20, np.uint8)))
    run_to_completion(sweep.directory, "seed0", HOW)
    assert path.read_bytes() == before


def test_divergence_is_a_result(tmp_path: Path, folder: Path) -> None:
    grid = parse_grid(["lr_generator=1e-3,1e30"])
    plan = Plan(tiny(folder, iterations=6, checkpoint_every=1), (0,), grid)
    sweep = Sweep.create(tmp_path / "sweep", plan)
    sweep.create_runs()
    for name in sweep.settings:
        run_to_completion(sweep.directory, name, HOW)
    good, diverged = rows(sweep)
    assert (good.state, diverged.state) == ("done", "failed")
    assert "training diverged at step 2" in diverged.reason
    assert diverged.measures == Measures()
    assert sweep.waiting() == []
    before = times(sweep.directory)
    run_to_completion(sweep.directory, diverged.name, HOW)
    assert times(sweep.directory) == before
    _, summary = summaries(rows(sweep))
    assert (summary.done, summary.runs, summary.best) == (0, 1, None)


def test_the_states_of_runs(tmp_path: Path, folder: Path) -> None:
    plan = tiny_plan(folder, 0, 1, 2, 3, iterations=10, checkpoint_every=4)
    sweep = Sweep.create(tmp_path / "sweep", plan)
    assert [row.state for row in rows(sweep)] == ["waiting"] * 4  # none is made yet
    sweep.create_runs()
    run_to_completion(sweep.directory, "seed0", HOW)
    run_to_completion(sweep.directory, "seed1", HOW)
    (sweep.directory / "seed1/evaluation.json").unlink()  # as if it had been killed before it
    with sweep.run("seed2").lock():
        found = {row.seed: (row.state, row.step, row.steps) for row in rows(sweep)}
    assert found == {
        0: ("done", 10, 10), 1: ("stopped", 10, 10), 2: ("running", 0, 10), 3: ("waiting", 0, 10),
    }  # fmt: skip
    done = rows(sweep)[0]
    evaluation = json.loads((sweep.directory / "seed0/evaluation.json").read_text())
    assert done.measures.information == evaluation["information"] == sum(done.codes)
    assert done.measures.train_error == evaluation["train"]["one_to_one_error"]
    lines = (sweep.directory / "seed0/timing.jsonl").read_text().splitlines()
    assert done.seconds == sum(json.loads(line)["seconds"] for line in lines) > 0


def row(seed: int, information: float | None, error: float | None, weight: float = 1) -> Row:
    state = "stopped" if information is None else "done"
    measures = Measures(information, error, None)
    return Row(f"seed{seed}", {"lambda": weight}, seed, state, 5, 5, 1.0, measures)


def test_best_median_and_worst_are_by_information_and_never_by_a_label() -> None:
    table = [
        row(0, 1.0, 0.3), row(1, 2.0, 0.4), row(2, 1.5, 0.1), row(3, None, None),
        row(0, -0.5, 0.2, weight=2), row(1, -0.25, None, weight=2),
    ]  # fmt: skip
    first, second = summaries(table)
    assert (first.done, first.runs) == (3, 4)
    assert first.lines() == [
        ("best", "1", Measures(2.0, 0.4)),
        ("median", "", Measures(1.5, 0.3)),
        ("worst", "0", Measures(1.0, 0.3)),
    ]
    assert second.lines() == [
        ("best", "1", Measures(-0.25)),
        ("median", "", Measures(-0.375, 0.2)),
        ("worst", "0", Measures(-0.5, 0.2)),
    ]


def test_the_table_for_programs() -> None:
    table = [replace(row(0, 1.5, 0.25), codes=(2.0, -0.5)), row(1, None, None)]
    first, second = csv.DictReader(to_csv(table).splitlines())
    assert first == {
        "lambda": "1", "seed": "0", "state": "done", "step": "5", "steps": "5", "seconds": "1.0",
        "information": "1.5", "train_error": "0.25", "test_error": "", "codes": "2.0 -0.5", "reason": "",
    }  # fmt: skip
    assert (second["state"], second["information"], second["codes"]) == ("stopped", "", "")


def test_a_run_belongs_to_one_process_at_a_time(sweep: Sweep) -> None:
    run: Run = sweep.run("seed0")
    assert not run.is_locked()
    assert not (run.directory / "timing.jsonl").exists()  # asking makes nothing
    with run.lock():
        assert run.is_locked()
        words = "seed0 is being trained by another process"
        with pytest.raises(RunError, match=words), run.lock():
            pass
    assert not run.is_locked()
