"""`minigan sample`."""

from pathlib import Path

import pytest
from PIL import Image
from tiny_run import TINY, assert_refused, tree

from minigan import cli

pytestmark = pytest.mark.usefixtures("a_few_digits")


def test_sample_draws_a_grid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def grid(*arguments: object) -> Image.Image:
        out = tmp_path / "grid.png"
        assert cli._run(["sample", str(run), "--out", str(out), *map(str, arguments)]) == 0
        assert capsys.readouterr().out == f"wrote {out}\n"
        with Image.open(out) as picture:
            picture.load()
        return picture

    run = tmp_path / "lively"  # after six steps as they are, an image is grey all over
    assert (
        cli._run(
            ["train", "mnist", "--out", str(run), *TINY, "--set", "learning_rate_generator=0.1"]
        )
        == 0
    )
    capsys.readouterr()
    before = tree(run)
    labels = 18  # pixels, below the images
    assert grid().size == (2 * (10 * 29 - 1), 2 * (10 * 29 - 1) + labels)
    assert grid("--code", "c1", "--rows", 2).size == (2 * (10 * 29 - 1), 2 * (2 * 29 - 1) + labels)
    small = ("--code", "c2", "--rows", 3, "--columns", 4)
    varied = grid(*small)
    assert varied.size == (2 * (4 * 29 - 1), 2 * (3 * 29 - 1) + labels)
    assert varied.tobytes() == grid(*small).tobytes() == grid(*small, "--limit", 2).tobytes()
    for other in (("--code", "c3"), ("--limit", 1), ("--step", 1)):
        assert grid(*small, *other).tobytes() != varied.tobytes()
    assert tree(run) == before


def test_the_grid_of_training_is_that_of_sample(run: Path, tmp_path: Path) -> None:
    assert cli._run(["sample", str(run), "--out", str(tmp_path / "grid.png")]) == 0
    assert (tmp_path / "grid.png").read_bytes() == (run / "samples/step-00000006.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--code c4", ["no code 'c4'", "c1, c2, c3"]),
        ("--rows 0", ["--rows"]),
        ("--columns 0", ["--columns"]),
        ("--limit nan", ["--limit"]),
        ("--limit -1", ["--limit"]),
        ("--step -1", ["--step"]),
        ("--step 99999999999999999999", ["--step"]),
        ("--out absent/grid.txt", ["absent/grid.txt: a picture's name ends in .png"]),
        ("--out samples", ["samples: Is a directory"]),
        ("--out metrics.jsonl/grid.png", ["metrics.jsonl/grid.png: Not a directory"]),
        ("--out .", [".: "]),
    ],
)
def test_a_wrong_option_draws_no_grid(
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    words: list[str],
) -> None:
    monkeypatch.chdir(run)
    assert_refused(capsys, run, ("sample", run, *arguments.split()), *words)
