"""The benchmark of the first minutes runs the README's lines, and sees each event."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import first_minutes


def test_the_commands_are_the_readmes() -> None:
    *install, train = first_minutes.commands()
    assert any("pip install" in command for command in install)
    assert "minigan train mnist" in train
    assert "\n" not in train


def events(script: str, folder: Path) -> list[str]:
    return list(first_minutes._events(script, folder, {"PATH": "/usr/bin:/bin"}))


def test_events_are_seen_in_their_order(tmp_path: Path) -> None:
    """The grids before step 750 do not count: they are noise, and blots."""
    script = (
        "sh -c 'mkdir -p runs/a/samples; touch runs/a/samples/step-00000001.png; sleep 0.5; "
        "echo step 1/2; sleep 0.5; touch runs/a/samples/step-00000750.png; sleep 0.5'"
    )
    assert events(script, tmp_path) == ["first_step", "digits", "trained"]


def test_a_training_that_fails_is_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="failed:\nno such thing"):
        events("sh -c 'echo no such thing; exit 2'", tmp_path)


def test_the_table_names_the_error() -> None:
    result: dict[str, Any] = {
        "seconds": {"installed": 61.0, "digits": 99.6},
        "evaluation": {"train": 0.013, "test": 0.0141},
        "machine": {"processor": "P", "cores": 2, "load_average": 0.1},
        "commit": "0123456789",
    }
    text = first_minutes.table(result).markdown()
    assert "| 61 |" in text and "| 100 |" in text and "1.4 %" in text and "0123456" in text
