"""Every command's help fits a screen, and says what each option does."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from minigan import cli

MOST_LINES = 45


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each command that is not hidden, with the words that call it."""
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        if not child.hidden:
            yield from commands(child, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(cli.app)))


def test_there_are_all_commands() -> None:
    assert {path[0] for path in COMMANDS if path} >= {
        "train", "resume", "sweep", "settings", "data", "evaluate", "figures", "sample", "explore",
        "info", "doctor", "cache", "profile", "trace", "kernel",
    }  # fmt: skip
    assert ("sweep", "run") in COMMANDS and ("sweep", "work") not in COMMANDS


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_fits_a_screen(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert cli._run([*path, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(["Usage: minigan", *path]) in lines[1]
    assert len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 80


def test_a_short_option_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    for path in ((), ("train",), ("sweep",), ("sweep", "run")):
        assert cli._run([*path, "--help"]) == 0
        shown = capsys.readouterr().out
        assert cli._run([*path, "-h"]) == 0
        assert capsys.readouterr().out == shown


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_option_has_its_sentence(path: tuple[str, ...]) -> None:
    for parameter in COMMANDS[path].params:
        assert parameter.help and parameter.help.endswith("."), parameter.name
    assert COMMANDS[path].get_short_help_str(limit=200).endswith(".")


def test_train_has_few_options() -> None:
    shown = {option for p in COMMANDS[("train",)].params if not p.hidden for option in p.opts}
    assert shown == {
        "experiment", "--preset", "--data", "--seed", "--iterations", "--batch-size", "--set",
        "--device", "--threads", "--evaluate", "--tensorboard", "--out", "--cache",
    }  # fmt: skip
