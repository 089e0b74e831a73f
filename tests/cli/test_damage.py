"""Damaged runs, damaged data, and full disks: one line on stderr, and nothing lost."""

import gzip
import shutil
from pathlib import Path

import pytest
from full_disk import limited_file_size
from tiny_run import REAL_LOAD, TINY, assert_refused, tiny, tree

from minigan import cli
from minigan.datasets import mnist

pytestmark = pytest.mark.usefixtures("a_few_digits")


@pytest.mark.parametrize("command", ["resume", "evaluate", "sample", "figures"])
def test_a_directory_without_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert_refused(capsys, tmp_path, (command,), "Missing argument 'DIR")
    assert_refused(capsys, tmp_path, (command, tmp_path), f"{tmp_path} holds no run")
    absent = tmp_path / "absent"
    assert_refused(capsys, tmp_path, (command, absent), f"{absent} holds no run")


@pytest.mark.parametrize("command", ["resume", "evaluate", "sample", "figures"])
def test_a_damaged_run(run: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    shutil.rmtree(run / "networks")
    newest = run / "checkpoints/step-00000006.safetensors"
    content = newest.read_bytes()
    for damage in (content[:1000], b"garbage" + content[7:], content[:-1] + b"\x99"):
        newest.write_bytes(damage)
        assert_refused(capsys, run, (command, run), f"{newest} is damaged", "delete it")
    (run / "experiment.json").write_text('{"settings": {}}')
    assert_refused(capsys, run, (command, run), "experiment.json is damaged")
    (run / "experiment.json").write_text('{"versions": {}}')
    assert_refused(capsys, run, (command, run), "experiment.json is damaged: it has no 'settings'")


@pytest.mark.parametrize("command", ["evaluate", "sample", "figures"])
def test_damaged_networks(run: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    path = run / "networks/generator.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert_refused(capsys, run, (command, run), f"{path} is damaged", f"delete {run / 'networks'}")
    path.write_bytes(content[:1000])  # it says no step: the checkpoint has the networks too
    assert (
        cli._run(
            [command, str(run)]
            if command != "sample"
            else [command, str(run), "--out", str(run / "a.png")]
        )
        == 0
    )


@pytest.mark.parametrize("command", ["resume", "evaluate", "sample", "figures"])
def test_a_checkpoint_of_another_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    other = tmp_path / "other"
    assert cli._run(["train", "mnist", "--out", str(other), *TINY, "--set", "noise=5"]) == 0
    newest = "checkpoints/step-00000006.safetensors"
    shutil.copy(other / newest, run / newest)
    shutil.rmtree(run / "networks")
    assert_refused(capsys, run, (command, run), f"{run / newest} is of another run")


@pytest.mark.parametrize("command", ["evaluate", "sample", "figures"])
def test_no_checkpoint_yet(run: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    shutil.rmtree(run / "checkpoints")
    shutil.rmtree(run / "networks")
    assert_refused(capsys, run, (command, run), "no checkpoint yet", f"minigan resume {run}")


@pytest.mark.parametrize("command", ["train", "resume", "evaluate"])
def test_damaged_data(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name in ("SHA256SUMS", "train-labels-idx1-ubyte.gz"):
        shutil.copy(mnist._PACKAGED / name, data)
    images = data / "train-images-idx3-ubyte.gz"
    images.write_bytes(gzip.compress(b"\0\0\x08\x03 and no more"))
    monkeypatch.setattr(mnist, "load", REAL_LOAD)
    monkeypatch.setattr(mnist, "_PACKAGED", data)
    arguments = {
        "train": ("train", "mnist", *TINY, "--out", tmp_path / "new"),
        "resume": ("resume", run, "--iterations", 9),
        "evaluate": ("evaluate", run),
    }[command]
    assert_refused(capsys, tmp_path, arguments, str(images), "SHA-256", "reinstall")
    images.unlink()
    assert_refused(capsys, tmp_path, arguments, str(images), "No such file")


@pytest.mark.parametrize(
    ("size", "place"),
    [
        (500, "experiment.json: "),
        (1350, "samples/step-00000001.png: "),
        (2500, ""),  # metrics.jsonl: its lines are not files
        (50_000, "checkpoints/step-00000002.safetensors: "),
    ],
)
def test_a_limited_file_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], finished: Path, size: int, place: str
) -> None:
    """The run that goes on with a free disk ends as one that was never stopped."""
    directory = tmp_path / "run"
    train = ["train", "mnist", "--out", str(directory), *TINY]
    if not place:  # long before there is anything else to write
        rare = tiny(checkpoint_every=20, sample_every=20)
        train = [*train[:4], *rare, "--iterations", "20"]
    with limited_file_size(size):
        assert cli._run(train) == 2
    expected = f"minigan: {directory / place if place else ''}File too large\n"
    assert capsys.readouterr().err == expected.replace(":File", ": File")
    if size == 500:
        assert tree(tmp_path) == {"run": None}
        assert cli._run(train) == 0
    else:
        assert cli._run(["resume", str(directory), "--no-evaluate"]) == 0
    whole = tmp_path / "whole"
    assert cli._run([*train, "--out", str(whole)]) == 0
    assert tree(directory) == tree(whole)
    if place:
        assert tree(directory) == tree(finished)


@pytest.mark.parametrize("command", ["evaluate", "sample"])
def test_a_full_disk_leaves_what_there_was(
    run: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    target = run / ("evaluation.json" if command == "evaluate" else "grid.png")
    arguments = (command, str(run), *(["--out", str(target)] if command == "sample" else []))
    assert cli._run(list(arguments)) == 0  # kernels are compiled and kept
    target.write_bytes(b"old")
    with limited_file_size(100):
        assert_refused(capsys, run, arguments, f"{target}: File too large")
