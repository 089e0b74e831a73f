"""`minigan figures`."""

import json
import warnings
from pathlib import Path

import pytest
from tiny_run import TINY, assert_refused, tree

from minigan import cli

pytestmark = pytest.mark.usefixtures("a_few_digits")


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain GAN's run; not to be changed."""
    directory = tmp_path_factory.mktemp("baseline") / "gan"
    train = ["train", "mnist", "--out", str(directory), *TINY, "--set", "objective=gan"]
    assert cli._run(train) == 0
    return directory


@pytest.fixture(scope="module")
def other_codes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain GAN's run without a continuous code; not to be changed."""
    directory = tmp_path_factory.mktemp("other") / "other"
    options = ("--set", "objective=gan", "--set", "codes=Cat(3)")
    assert cli._run(["train", "mnist", "--out", str(directory), *TINY, *options]) == 0
    return directory


def figure_files(*names: str) -> set[str]:
    return {f"{name}.{kind}" for name in names for kind in ("png", "pdf")}


def test_figures_of_a_run(run: Path, baseline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = tree(run)
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cli._run(["figures", str(run), "--baseline", str(baseline)]) == 0
    expected = figure_files("fig1-information", "losses", "fig2-codes", "interpolation") | {
        "training.gif"
    }
    assert {path.name for path in (run / "figures").iterdir()} == expected
    *written, hint = capsys.readouterr().out.splitlines()
    assert {Path(line.removeprefix("wrote ")).name for line in written} == expected
    assert hint == f"for the figures of its evaluation, first: minigan evaluate {run}"
    first = tree(run)
    assert {name: first[name] for name in before} == before

    # with an evaluation there are its figures, and the others are the same to the bit
    assert cli._run(["evaluate", str(run)]) == 0
    capsys.readouterr()
    assert cli._run(["figures", str(run), "--baseline", str(baseline)]) == 0
    assert "first:" not in capsys.readouterr().out
    second = tree(run)
    assert set(second) - set(first) == {
        "evaluation.json", *(f"figures/{name}" for name in figure_files("categories"))
    }  # fmt: skip
    assert {name: second[name] for name in first} == first

    # known factors, had it had them
    evaluation = json.loads((run / "evaluation.json").read_text())
    evaluation["disentanglement"] = {
        "shares": [[0.1, 0.9], [0.5, 0.2], [0.0, 0.0]], "codes": ["c1", "c2", "c3"],
        "factors": ["azimuth", "width"], "mig": 0.4, "factor_vae": 0.8,
    }  # fmt: skip
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    assert cli._run(["figures", str(run)]) == 0
    assert set(tree(run)) - set(second) == {f"figures/{name}" for name in figure_files("factors")}

    # an evaluation of another step is none
    (run / "evaluation.json").write_text(json.dumps({**evaluation, "step": 5}))
    capsys.readouterr()
    assert cli._run(["figures", str(run), "--out", str(run / "other")]) == 0
    assert "first: minigan evaluate" in capsys.readouterr().out
    assert {path.name for path in (run / "other").iterdir()} == expected


def test_figures_of_several_runs_stand_apart(
    run: Path, baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--code", "c2", "--rows", "2", "--columns", "3", "--limit", "1", "--step", "4")
    assert cli._run(["figures", str(run), str(baseline), *options]) == 0
    own = figure_files("losses", "fig2-codes", "interpolation") | {"training.gif"}
    assert set(tree(tmp_path / "figures")) == {
        "run", "gan", *figure_files("fig1-information"),
        *(f"{name}/{file}" for name in ("run", "gan") for file in own),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--code c4", ["no code 'c4'", "c1, c2, c3"]),
        ("--code c1 --limit 1", ["a limit is for continuous codes", "Cat(10) + 2*Uniform"]),
        ("--limit nan", ["--limit"]),
        ("--rows 0", ["--rows"]),
        ("--columns 0", ["--columns"]),
        ("--step -1", ["--step"]),
        ("--baseline RUN", ["is an InfoGAN's run", "--set objective=gan"]),
        ("--baseline absent", ["absent holds no run"]),
        ("RUN", ["two runs are called run"]),
        ("OTHER", ["with codes Cat(10) + 2*Uniform", "draw those of one kind together"]),
        ("--baseline OTHER", ["with codes Cat(3)", "draw those of one kind together"]),
        ("--out RUN/metrics.jsonl", ["metrics.jsonl: File exists"]),
    ],
)
def test_a_wrong_option_draws_no_figure(
    run: Path,
    other_codes: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    words: list[str],
) -> None:
    places = {"RUN": str(run), "OTHER": str(other_codes)}
    given = [places.get(a, a.replace("RUN/", f"{run}/")) for a in arguments.split()]
    assert_refused(capsys, run, ("figures", run, *given), *words)


def test_figures_without_a_continuous_code(
    other_codes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run(["figures", str(other_codes), "--out", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new/fig2-codes.png").exists()
    arguments = ("figures", other_codes, "--limit", "2")
    assert_refused(capsys, tmp_path, arguments, "a limit is for continuous codes", "are Cat(3)")


def test_figures_of_damaged_files(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "evaluation.json").write_text("{")
    assert_refused(capsys, run, ("figures", run), "evaluation.json is damaged", "minigan evaluate")
    (run / "evaluation.json").unlink()
    (run / "metrics.jsonl").unlink()
    assert_refused(capsys, run, ("figures", run), "has no metrics.jsonl")
