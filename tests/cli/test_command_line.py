"""The version, Ctrl-C, and names of new runs."""

import dataclasses
from pathlib import Path

import pytest

import minigan
from minigan.cli import main
from minigan.experiments.declarations import MNIST
from minigan.experiments.runs import free_directory


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    code = ended.value.code
    assert isinstance(code, int)
    return code


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"minigan {minigan.__version__}\n"


def test_ctrl_c_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("minigan.experiments.runs.Run.open", interrupt)
    assert run("evaluate", str(tmp_path)) == 130
    assert capsys.readouterr().err == "minigan: interrupted\n"


def test_runs_of_one_seed_do_not_collide(tmp_path: Path) -> None:
    settings = dataclasses.replace(MNIST, seed=3)
    for expected in ("mnist-seed3", "mnist-seed3-2", "mnist-seed3-3"):
        directory = free_directory(tmp_path, settings)
        assert directory == tmp_path / expected
        directory.mkdir()
    plain = dataclasses.replace(settings, objective="gan")
    assert free_directory(tmp_path, plain).name == "mnist-gan-seed3"
