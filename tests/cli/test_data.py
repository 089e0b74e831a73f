"""`minigan data` lists every data set, as text and as JSON."""

import json

import pytest

from minigan import cli
from minigan.datasets.catalogue import CATALOGUE


def test_json_has_the_same_sets_as_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["data"]) == 0
    text = capsys.readouterr().out
    assert cli._run(["data", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in entries] == list(CATALOGUE)
    for entry in entries:
        for name in ("name", "what", "source", "licence", "size", "place"):
            assert entry[name] in text
