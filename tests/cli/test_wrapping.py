"""What the commands print fits a narrow terminal, and its words stay whole."""

import pytest

from minigan import cli
from minigan.cli import wrapping
from minigan.experiments.declarations import get_experiment
from minigan.experiments.settings_page import all_settings

WIDTH = 80


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setattr(wrapping, "_is_terminal", lambda: True)


def test_lines_break_between_words_and_paths_stay_whole() -> None:
    path = "runs/" + 30 * "x"
    text = wrapping.wrapped(f"  one two three four {path}\n\nfive", 24, indent=4)
    assert text == f"  one two three four\n    {path}\n\nfive"


def test_a_file_gets_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    line = "word " * 50 + "end"
    wrapping.say(line, indent=4)
    assert capsys.readouterr().out == line + "\n"


@pytest.mark.parametrize("command", ["learn", "data", "info"])
def test_lists_fit_the_terminal(
    command: str, terminal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli._run([command]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert any(line.startswith("           ") for line in lines) or command == "info"


def test_names_of_settings_are_whole(terminal: None, capsys: pytest.CaptureFixture[str]) -> None:
    """A cut name could not be given to --set."""
    assert cli._run(["settings", "mnist"]) == 0
    output = capsys.readouterr().out
    assert max(map(len, output.splitlines())) <= WIDTH
    for row in all_settings(get_experiment("mnist")):
        assert f" {row.name} " in output
