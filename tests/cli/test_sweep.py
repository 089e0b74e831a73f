"""`minigan sweep` as a person meets it; killed sweeps are in tests/experiments/test_executors.py."""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_sweep import declare, tiny, tree

from minigan import cli, get_device
from minigan.cli.sweep_report import progress_note
from minigan.datasets.cache import Preparation
from minigan.experiments.executors.processes import ProcessExecutor
from minigan.experiments.sweeps.directory import Sweep
from minigan.experiments.sweeps.plan import Plan, parse_grid
from minigan.experiments.sweeps.work import run_to_completion


@pytest.fixture(scope="module", autouse=True)
def in_a_pipe() -> Iterator[None]:
    """With no wait for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return declare(tmp_path / "declared")


@pytest.fixture
def sweep(tmp_path: Path, experiment: Path) -> Sweep:
    """A sweep: three of its four runs have ended, one because it diverged."""
    settings = tiny(experiment.parent, iterations=6, checkpoint_every=3)
    plan = Plan(settings, (0, 1), parse_grid(["lr_generator=0.001,1e30"]))
    made = Sweep.create(tmp_path / "runs" / "tried", plan)
    made.create_runs()
    for name in list(made.settings)[:3]:
        run_to_completion(made.directory, name, Preparation())
    return made


def run(*arguments: object) -> int:
    return cli._run(["sweep", *map(str, arguments)])


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split("[│┃]", line)[1:-1]]


def test_a_sweep_ends_with_its_table(
    tmp_path: Path, experiment: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    command = (
        experiment,
        "--seeds",
        "1",
        "--iterations",
        4,
        "--grid",
        "lambda=0.5",
        "--device",
        "cpu",
    )
    assert run(*command) == 0
    output = capsys.readouterr()
    directory = Path("runs/tiny-infogan-sweep")
    title = "tiny on data: 1 run of 1 seed, lambda 0.5"
    assert output.out.startswith(f"{title}, in {directory}\n")
    assert output.err == ""
    settings = Sweep.open(directory).run("lambda=0.5-seed0").settings
    assert settings == replace(tiny(experiment.parent), iterations=4, lambda_categorical=0.5)
    heading, *lines = output.out.splitlines(keepends=True)
    told = [line for line in lines if line.startswith("steps ")]
    assert told[-1].startswith("steps 4/4  1 of 1 runs have ended")
    table = "".join(lines[len(told) :])
    assert run("show") == 0
    assert capsys.readouterr().out == table
    before = tree(tmp_path)
    assert run(*command) == 0
    assert capsys.readouterr().out == heading + table
    assert tree(tmp_path) == before


def test_the_line_of_a_sweep_says_what_runs_still_do() -> None:
    of = {"seed0": 20, "seed1": 20, "seed2": 20}
    training = progress_note(0, {"seed0": 2, "seed1": 20, "seed2": 0}, of)
    assert training == "0 of 3 runs have ended  seed0 2/20  1 being evaluated"
    assert progress_note(3, of, of) == "3 of 3 runs have ended"


def test_kernels_are_compiled_once_before_the_runs_start(
    tmp_path: Path, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every process would compile them else, side by side with the others."""
    events: list[str] = []
    cpu = type(get_device("cpu"))
    start = ProcessExecutor.start
    monkeypatch.setattr(cpu, "compile_kernels", lambda *arguments: events.append("compile"))
    monkeypatch.setattr(
        ProcessExecutor, "start", lambda *arguments: (events.append("start"), start(*arguments))
    )
    assert run(experiment, "--seeds", 2, "--iterations", 2, "--out", tmp_path / "sweep") == 0
    assert events == ["compile", "start", "start"]


def test_show_prints_every_run_and_the_best_median_and_worst(
    sweep: Sweep, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sweep.directory.parent.parent)
    assert run("show", sweep.directory) == 0
    output = capsys.readouterr()
    assert output.err == ""
    lines = [cells(line) for line in output.out.splitlines() if line.startswith(("│", "┃"))]
    lines = [line for line in lines if line[1]]  # without the lines of a long reason
    head, *four, second_head = lines[:6]
    assert head[:5] == ["lr_generator", "seed", "state", "step", "time"]
    assert [line[:2] for line in four] == [
        ["0.001", "0"], ["0.001", "1"], ["1e+30", "0"], ["1e+30", "1"],
    ]  # fmt: skip
    done, _, diverged, waiting = four
    assert done[2:4] == ["done", "6/6"]
    assert re.fullmatch(r"\d+:\d\d", done[4])
    assert re.fullmatch(r"\d+\.\d\d %", done[6])
    assert done[7] == "–"
    assert waiting[2:8] == ["waiting", "0/6", "0:00", "–", "–", "–"]
    assert diverged[2].startswith("failed: training diverged")
    assert second_head[:4] == ["lr_generator", "done", "", "seed"]
    assert [line[1:3] for line in lines[6:]] == [
        ["2 of 2", "best"], ["2 of 2", "median"], ["2 of 2", "worst"],
        ["0 of 2", "best"], ["0 of 2", "median"], ["0 of 2", "worst"],
    ]  # fmt: skip
    table = output.out
    assert run("show") == 0  # all sweeps in runs/
    assert capsys.readouterr().out == table


def test_show_reads_test_labels_when_asked(
    sweep: Sweep, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(sweep.directory)
    assert run("show", sweep.directory, "--csv") == 0
    assert tree(sweep.directory) == before
    head, first, *_ = capsys.readouterr().out.splitlines()
    at = head.split(",").index("test_error")
    assert first.split(",")[at] == ""
    assert run("show", sweep.directory, "--csv", "--test") == 0
    first = capsys.readouterr().out.splitlines()[1]
    assert 0 <= float(first.split(",")[at]) <= 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--seeds", "0"), "--seeds 0 must name"),
        (("--seeds", "x"), "--seeds is how many, like 10, or a list, like 3,5,10-19; not 'x'"),
        (("--seed", "3"), "No such option"),
        (("--grid", "lambda"), "--grid is NAME=VALUE,VALUE"),
        (("--grid", "lambda=-1"), "lambda_categorical must be at least 0, not -1.0"),
        (("--grid", "trunk=conv 4,fc"), "'fc' is not a layer"),
        (("--set", "trunk=fc"), "'fc' is not a layer"),
        (("--batch-size", "64"), "more than the 40 images"),
        (("--data", "nowhere"), "nowhere"),
        (("--executor", "slurm"), "there is no executor 'slurm'; there is processes, ray"),
        (("--device", "abacus"), "there is no device 'abacus'"),
        (("--jobs", "0"), "'--jobs'"),
        (("--threads", "0"), "'--threads'"),
    ],
)
def test_a_wrong_option_makes_no_sweep(
    tmp_path: Path, experiment: Path, capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...], words: str,
) -> None:  # fmt: skip
    before = tree(tmp_path)
    assert run(experiment, "--out", tmp_path / "sweep", "--device", "cpu", *options) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"minigan: [^\n]+\n", error)
    assert words in error
    assert tree(tmp_path) == before


def test_a_sweep_directory_of_other_settings(
    sweep: Sweep, experiment: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(sweep.directory)
    options = ("--iterations", 6, "--set", "checkpoint_every=3", "--device", "cpu", "--seeds", 2)
    assert run(experiment, *options, "--grid", "lambda=1,2", "--out", sweep.directory) == 2
    assert capsys.readouterr().err == (
        f"minigan: {sweep.directory} holds a sweep of other settings: grid of lr_generator 0.001,1e+30 and not none; "
        "grid of lambda none and not 1,2; give those, or another --out\n"
    )
    assert tree(sweep.directory) == before


def test_no_sweep_to_show(
    tmp_path: Path, sweep: Sweep, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path / "declared")
    assert run("show") == 2
    assert capsys.readouterr().err == "minigan: there is no sweep in runs; name its directory\n"
    assert run("show", sweep.directory / next(iter(sweep.settings))) == 2
    assert "holds no sweep: it has no sweep.json" in capsys.readouterr().err


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert "show" in capsys.readouterr().out
    assert run("run", "--help") == 0
    output = capsys.readouterr().out
    for option in ("--seeds", "--grid", "--executor", "--iterations", "--set"):
        assert option in output
    assert "--seed " not in output


def test_show_prints_json(sweep: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", sweep.directory, "--csv") == 0
    head, *lines = csv.reader(capsys.readouterr().out.splitlines())
    assert run("show", sweep.directory, sweep.directory, "--json") == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first == second
    assert first["directory"] == str(sweep.directory) and first["title"] == sweep.title
    assert [one["state"] for one in first["runs"]] == [line[head.index("state")] for line in lines]
    assert [one["name"] for one in first["runs"]] == list(sweep.settings)
    done = [one["measures"]["information"] for one in first["runs"] if one["state"] == "done"]
    tried, diverged = first["settings"]
    assert tried["point"] == {"learning_rate_generator": 0.001}
    assert (tried["done"], tried["runs"], diverged["done"]) == (2, 2, 0)
    assert [tried[which]["information"] for which in ("best", "worst")] == [max(done), min(done)]
    assert tried["median"]["seed"] is None and diverged["best"]["information"] is None
