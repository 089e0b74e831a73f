"""`minigan train`: its output, and the run directory."""

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numba
import pytest
from tiny_run import TINY, assert_refused, tiny, tree

from minigan import cli
from minigan.experiments.checkpoints import load_checkpoint
from minigan.experiments.runs import Run
from minigan.experiments.trainer import Trainer

pytestmark = pytest.mark.usefixtures("a_few_digits")


def test_train_leaves_a_run(finished: Path) -> None:
    assert set(tree(finished)) == {
        "experiment.json", "metrics.jsonl", "samples", "checkpoints", "networks",
        *(f"samples/step-0000000{step}.png" for step in (1, 3, 6)),
        "checkpoints/step-00000006.safetensors",
        *(f"networks/{name}.safetensors" for name in ("generator", "discriminator", "recognition")),
    }  # fmt: skip
    lines = (finished / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert set(json.loads(lines[0])["information"]) == {"c1", "c2", "c3"}


def test_every_option_reaches_experiment_json(tmp_path: Path) -> None:
    options = {"device": "cpu", "seed": 7, "iterations": 1, "batch_size": 3}
    assigned = {
        "dtype": "float64", "float32_precision": "tf32", "objective": "gan",
        "codes": "Cat(4) + Uniform", "noise": 5, "trunk": "fc 4",
        "generator": "fc 28x28x1 sigmoid", "lambda_categorical": 0.5, "lambda_continuous": 0.25,
        "checkpoint_every": 9, "sample_every": 8,
        "learning_rate_discriminator": 1e-3, "learning_rate_generator": 1e-2,
    }  # fmt: skip
    arguments = ["--out", str(tmp_path / "run"), "--no-evaluate"]
    for name, value in options.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    for name, value in assigned.items():
        arguments += ["--set", f"{name}={value}"]
    assert cli._run(["train", "mnist", *arguments]) == 0
    written = json.loads((tmp_path / "run/experiment.json").read_text())["settings"]
    expected: dict[str, object] = {**options, **assigned}
    assert {name: written[name] for name in expected} == expected


def test_any_setting_is_set_by_name(tmp_path: Path) -> None:
    arguments = [
        "--set",
        "lr-generator=0.5",
        "--set",
        "noise=5",
        "--set",
        "consistency.weight=0.75",
        "--set",
        "image-low=0",
    ]
    small = ["--set", "trunk=fc 4", "--set", "generator=fc 28x28x1 sigmoid", "--iterations", "1"]
    out = ["--out", str(tmp_path / "run"), "--no-evaluate", "--batch-size", "3"]
    assert cli._run(["train", "mnist", *small, *arguments, *out]) == 0
    written = json.loads((tmp_path / "run/experiment.json").read_text())["settings"]
    assert (written["noise"], written["learning_rate_generator"]) == (5, 0.5)
    assert written["extensions"]["consistency"]["weight"] == 0.75


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("noise", "--set is NAME=VALUE, like --set noise=62; not 'noise'"),
        ("noize=3", "there is no setting noize; did you mean noise?"),
        ("weight=3", "there is no setting weight; did you mean consistency.weight?"),
        ("colour=3", "there is no setting colour; 'minigan settings' lists all of them"),
        ("experiment=a/b", "experiment is a name of letters, digits, '.', '-' and '_', not 'a/b'"),
        ("noise=many", "noise is 'many', and not of type int"),
    ],
)
def test_a_setting_that_is_not_understood(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    out = tmp_path / "run"
    command = ["train", "mnist", "--data", "nowhere", "--set", text]
    assert cli._run([*command, "--out", str(out)]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_without_out_a_run_has_a_place_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli._run(["train", "mnist", *TINY, "--iterations", "1", "--seed", "3"]) == 0
    assert (tmp_path / "runs/mnist-seed3/experiment.json").exists()


def test_train_writes_plain_lines_to_a_pipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["train", "mnist", "--out", str(tmp_path / "run"), *TINY]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    heading, legend, *steps = output.out.partition("Samples of")[0].splitlines()
    assert heading == (
        f"mnist: Cat(10) + 2*Uniform, seed 0, 6 steps of 4 images on cpu, in {tmp_path / 'run'}"
    )
    assert legend.startswith("D and G are the losses")
    assert [line.split()[:2] for line in steps] == [["step", "1/6"], ["step", "6/6"]]


def test_train_ends_with_the_papers_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "run"
    arguments = ["train", "mnist", "--out", str(directory), *TINY[:-1], "--iterations", "2"]
    assert cli._run(arguments) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", output.out)  # no bar, no colour
    numbers = json.loads((directory / "evaluation.json").read_text())
    assert numbers["step"] == 2
    assert numbers["test"]["images"] == 300
    for words in (
        "mnist, seed 0, step 2", "one-to-one", "5 % (paper)", f"{numbers['information']:.3f}",
        f"{100 * numbers['unsupervised_error']:.2f} %", f"{numbers['codes'][1]['rmse']:.3f}",
    ):  # fmt: skip
        assert words in output.out
    # and `evaluate` says the same of the checkpoint
    before = (directory / "evaluation.json").read_bytes()
    (directory / "evaluation.json").unlink()
    table = output.out[output.out.index("mnist, seed") : output.out.index("Samples of")]
    assert cli._run(["evaluate", str(directory)]) == 0
    assert table in capsys.readouterr().out
    assert (directory / "evaluation.json").read_bytes() == before


@pytest.mark.parametrize(("options", "capture"), [([], True), (["--no-capture"], False)])
def test_capture_reaches_the_trainer(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], capture: bool
) -> None:
    seen = []

    class Spy(Trainer):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            seen.append(self.capture)

    monkeypatch.setattr("minigan.experiments.training.Trainer", Spy)
    new = ["train", "mnist", "--out", str(tmp_path / "new"), *TINY, "--iterations", "1"]
    for command in (new, ["resume", str(run), "--no-evaluate"]):
        assert cli._run([*command, *options]) == 0
    assert seen == [capture, capture]


def test_train_where_something_is(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = ("train", "mnist", *TINY, "--out")
    assert_refused(capsys, run, (*train, run), "already holds a run", f"minigan resume {run}")
    assert_refused(capsys, run, (*train, run / "samples"), "not an empty directory")
    assert_refused(capsys, run, (*train, run / "metrics.jsonl"), "not an empty directory")
    below = run / "metrics.jsonl" / "new"
    assert_refused(capsys, run, (*train, below), f"{below}: Not a directory")


def test_divergence_keeps_the_last_good_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = tmp_path / "run"
    wild = ("--set", "learning_rate_generator=1e30")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train = ["train", "mnist", *tiny(checkpoint_every=1), *wild]
        assert cli._run([*train, "--out", str(directory)]) == 2
    error = capsys.readouterr().err
    kept = directory / "checkpoints/step-00000001.safetensors"
    assert re.fullmatch(
        r"minigan: training diverged at step 2: discriminator_loss is nan, and '[\w.]+' holds values "
        rf"that are not finite; the last good checkpoint is {kept}\n",
        error,
    )
    assert load_checkpoint(kept).step == 1
    other = ("--out", str(tmp_path / "other"))
    assert cli._run(["train", "mnist", *TINY, *wild, *other]) == 2
    assert "no checkpoint was written yet" in capsys.readouterr().err


@pytest.fixture
def most_threads() -> Iterator[int]:
    before = numba.get_num_threads()
    yield int(numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(before)


def test_threads_are_kept_with_the_run(tmp_path: Path, most_threads: int) -> None:
    directory = tmp_path / "run"
    assert cli._run(["train", "mnist", *TINY, "--threads", "1", "--out", str(directory)]) == 0
    assert json.loads((directory / "experiment.json").read_text())["threads"] == 1
    numba.set_num_threads(most_threads)
    if most_threads > 1:
        assert "--threads 1 keeps them" in Run.open(directory).about_threads()
    command = ["resume", str(directory), "--iterations", "7", "--no-evaluate", "--threads", "1"]
    assert cli._run(command) == 0
    assert numba.get_num_threads() == 1


def test_more_threads_than_cores_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], most_threads: int
) -> None:
    train = ("train", "mnist", *TINY, "--out", tmp_path / "new", "--threads", most_threads + 1)
    assert_refused(capsys, tmp_path, train, f"threads must be 1 to {most_threads}")
