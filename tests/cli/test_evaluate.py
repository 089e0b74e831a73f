"""`minigan evaluate`."""

import json
from pathlib import Path

import pytest

from minigan import cli

pytestmark = pytest.mark.usefixtures("a_few_digits")


def test_json_is_the_file_and_nothing_else(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli._run(["evaluate", str(run), "--json"]) == 0
    output = capsys.readouterr()
    assert output.out == (run / "evaluation.json").read_text()
    assert json.loads(output.out)["step"] == 6
    assert "evaluate images" in output.err  # progress is apart
