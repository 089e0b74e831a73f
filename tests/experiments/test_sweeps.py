"""A sweep's plan, its directory, and the table that is read from it."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_sweep import declare, idx, times, tiny, tiny_plan, tree

from minigan.datasets.cache import Preparation
from minigan.errors import RunError, SettingsError
from minigan.experiments.declarations import MNIST
from minigan.experiments.runs import Run
from minigan.experiments.sweeps.directory import Sweep, sweeps_in
from minigan.experiments.sweeps.plan import Plan, parse_grid, parse_seeds
from minigan.experiments.sweeps.table import Measures, Row, rows, summaries, to_csv
from minigan.experiments.sweeps.work import add_test_errors, check_runs, run_to_completion
from minigan.experiments.training import images_of

HOW = Preparation()


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return declare(tmp_path / "declared").parent


@pytest.fixture
def sweep(tmp_path: Path, folder: Path) -> Sweep:
    """A sweep of two seeds and ten steps, of which nothing has been run."""
    made = Sweep.create(tmp_path / "s", tiny_plan(folder, 0, 1, iterations=10, checkpoint_every=4))
    made.create_runs()
    return made


# -- the plan -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("1", (0,)), ("3", (0, 1, 2)), ("3,5,8", (3, 5, 8)), ("7-7", (7,)), ("4,", None),
        ("2,10-12", (2, 10, 11, 12)), (" 1 , 3 ", (1, 3)), ("0", None), ("", None), ("-1", None),
        ("5-3", None), ("1,2,1", None), ("1-3,2", None), ("a", None), ("1.5", None), ("99999999", None),
        ("0-99999999999", None),
    ],
)  # fmt: skip
def test_seeds(text: str, seeds: tuple[int, ...] | None) -> None:
    if seeds is not None:
        assert parse_seeds(text) == seeds
        return
    with pytest.raises(SettingsError, match="--seeds"):
        parse_seeds(text)


def test_a_grid_has_values_of_the_settings_types() -> None:
    grid = parse_grid(
        ["lambda=0.5,1, 2", "batch-size=32,64", "objective=infogan,gan", "lr_generator=1e-3"]
    )
    assert grid == (
        ("lambda_categorical", (0.5, 1.0, 2.0)),
        ("batch_size", (32, 64)),
        ("objective", ("infogan", "gan")),
        ("learning_rate_generator", (1e-3,)),
    )
    assert [type(value) for value in grid[0][1] + grid[1][1]] == [float] * 3 + [int] * 2


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["lambda"], "--grid is NAME=VALUE,VALUE, like lambda=0.5,1,2; not 'lambda'"),
        (["lambda_categorica=1"], "did you mean lambda_categorical?"),
        (["lambda=one"], "lambda_categorical is 'one', and not of type float"),
        (["lambda="], "lambda_categorical is '', and not of type float"),
        (["batch_size=1.5"], "batch_size is '1.5', and not of type int"),
        (["lambda=1,1.0"], "--grid lambda=1,1.0 has a value twice"),
        (["lambda=1", "lambda_categorical=2"], "--grid lambda_categorical is given twice"),
        (["seed=1,2"], "and not seed, which has an option of its own"),
        (["device=cpu"], "and not device"),
    ],
)
def test_a_wrong_grid(texts: list[str], words: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(words)):
        parse_grid(texts)


def test_a_plan_has_a_run_for_each_seed_and_combination() -> None:
    grid = parse_grid(["lambda=0.5,1", "batch_size=32,64"])
    runs = Plan(MNIST, (3, 5), grid).runs()
    assert list(runs) == [
        f"lambda={weight}-batch_size={size}-seed{seed}"
        for weight in ("0.5", "1") for size in (32, 64) for seed in (3, 5)
    ]  # fmt: skip
    assert runs["lambda=0.5-batch_size=64-seed5"] == replace(
        MNIST, lambda_categorical=0.5, batch_size=64, seed=5
    )
    assert list(Plan(MNIST, (3,)).runs()) == ["seed3"]


def test_a_value_that_is_no_word_is_named_by_its_place() -> None:
    plan = Plan(MNIST, (0,), parse_grid(["trunk=conv 4 | fc 8 bn,../../up,short"]))
    assert list(plan.runs()) == ["trunk=no1-seed0", "trunk=no2-seed0", "trunk=short-seed0"]


def test_a_value_out_of_its_range_makes_no_plan() -> None:
    with pytest.raises(SettingsError, match="batch_size must be at least 2, not 1"):
        Plan(MNIST, (0,), parse_grid(["batch_size=8,1"]))
    with pytest.raises(SettingsError, match="1 to 10,000 runs, not 0"):
        Plan(MNIST, ())
    with pytest.raises(SettingsError, match="at least one thread"):
        Plan(MNIST, (0,), threads=0)


def test_networks_that_do_not_fit_are_told_before_anything_runs(folder: Path) -> None:
    settings = tiny(folder)
    images = images_of(settings, HOW)
    check_runs(Plan(settings, (0,), parse_grid(["noise=2,4"])), images)
    with pytest.raises(SettingsError, match="'fc' is not a layer"):
        check_runs(Plan(settings, (0,), parse_grid(["trunk=conv 4,fc"])), images)
    with pytest.raises(SettingsError, match="batch_size 64 is more than the 40 images"):
        check_runs(Plan(settings, (0,), parse_grid(["batch_size=8,64"])), images)


# -- the directory --------------------------------------------------------------------------------


def test_a_plan_comes_back_from_its_file(tmp_path: Path) -> None:
    grid = parse_grid(["objective=infogan,gan", "lambda=0.1,2", "batch_size=8"])
    plan = Plan(MNIST, (2, 0), grid, threads=3)
    Sweep.create(tmp_path / "sweep", plan)
    assert Sweep.open(tmp_path / "sweep").plan == plan
    before = times(tmp_path)
    assert Sweep.create(tmp_path / "sweep", plan).plan == plan
    assert times(tmp_path) == before  # written once


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (Plan(replace(MNIST, iterations=7), (0, 1)), "iterations 5000 and not 7"),
        (Plan(MNIST, (0, 1, 2)), "seeds 0,1 and not 0,1,2"),
        (Plan(MNIST, (0, 1), threads=2), "threads 1 and not 2"),
        (
            Plan(MNIST, (0, 1), parse_grid(["lambda=1,2"])),
            "grid of lambda none and not 1,2",
        ),
    ],
)
def test_a_sweep_of_other_settings(tmp_path: Path, other: Plan, words: str) -> None:
    directory = tmp_path / "sweep"
    Sweep.create(directory, Plan(MNIST, (0, 1))).create_runs()
    before = tree(tmp_path)
    with pytest.raises(RunError) as caught:
        Sweep.create(directory, other)
    assert str(caught.value) == (
        f"{directory} holds a sweep of other settings: {words}; give those, or another --out"
    )
    assert tree(tmp_path) == before


def test_what_is_no_sweep_is_left_alone(tmp_path: Path, sweep: Sweep) -> None:
    with pytest.raises(RunError, match="already holds a run"):
        Sweep.create(sweep.directory / "seed0", sweep.plan)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes").write_text("mine")
    with pytest.raises(RunError, match="not an empty directory"):
        Sweep.create(tmp_path / "other", sweep.plan)
    with pytest.raises(RunError, match="holds no sweep"):
        Sweep.open(tmp_path / "other")
    with pytest.raises(RunError, match="there is no sweep in"):
        sweeps_in(tmp_path / "other")
    assert sweeps_in(tmp_path) == [sweep.directory]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"3", b"\xff", b"{}", b'{"settings": 3, "seeds": [0], "grid": [], "threads": 1}'],
)  # fmt: skip
def test_a_damaged_plan(sweep: Sweep, content: bytes) -> None:
    path = sweep.directory / "sweep.json"
    path.write_bytes(content)
    with pytest.raises(RunError, match=re.escape(f"{path} is damaged: ")):
        Sweep.open(sweep.directory)


def test_a_plan_with_a_damaged_value(sweep: Sweep) -> None:
    path = sweep.directory / "sweep.json"
    good = json.loads(path.read_text())
    for name, value in (
        ("seeds", [0.5]), ("seeds", 3), ("grid", [["lambda_categorical", ["a"]]]), ("grid", [["a", [1]]]),
        ("threads", "many"), ("threads", None), ("seeds", []),
    ):  # fmt: skip
        path.write_text(json.dumps({**good, name: value}))
        with pytest.raises(RunError, match="is damaged"):
            Sweep.open(sweep.directory)


def test_a_run_of_other_settings_in_the_sweep(sweep: Sweep) -> None:
    sweep.run("seed1").extend(20, 0)
    with pytest.raises(RunError, match="seed1 is a run of other settings than its sweep's"):
        sweep.waiting()


def test_a_sweep_belongs_to_one_process_at_a_time(sweep: Sweep) -> None:
    with (
        sweep.lock(),
        pytest.raises(RunError, match="is being swept by another process"),
        sweep.lock(),
    ):
        pass
    with sweep.lock():
        pass


# -- the work -------------------------------------------------------------------------------------


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


# -- the table ------------------------------------------------------------------------------------


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


# -- one run, one process -------------------------------------------------------------------------


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
