"""A sweep's plan and its directory."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_sweep import times, tiny, tree

from minigan.datasets.cache import Preparation
from minigan.errors import RunError, SettingsError
from minigan.experiments.declarations import MNIST
from minigan.experiments.sweeps.directory import Sweep, sweeps_in
from minigan.experiments.sweeps.plan import Plan, parse_grid, parse_seeds
from minigan.experiments.sweeps.work import check_runs
from minigan.experiments.training import images_of

pytestmark = pytest.mark.usefixtures("no_waiting_for_the_disk")
HOW = Preparation()


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
