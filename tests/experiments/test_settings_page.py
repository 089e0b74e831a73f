"""The page of settings is that of the code, and names every setting once."""

import dataclasses
import json
from pathlib import Path

import pytest

from minigan import cli
from minigan.experiments.declarations import MNIST, MNIST_EXTENDED
from minigan.experiments.settings_page import extension_settings, own_settings, settings_page
from minigan.infogan.extensions import EXTENSIONS
from minigan.infogan.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_the_page_in_the_docs_is_what_the_command_writes(tmp_path: Path) -> None:
    assert cli._run(["settings", "--page", str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == settings_page()
    assert PAGE.read_text(encoding="utf-8") == settings_page()


def test_every_setting_is_on_the_page_with_a_meaning() -> None:
    names = {f.name for f in dataclasses.fields(Settings)} - {"extensions"}
    for name, kind in EXTENSIONS.items():
        names |= {f"{name}.{f.name}" for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    rows = [*own_settings(MNIST), *extension_settings(MNIST)]
    assert {row.name for row in rows} == names
    assert all(f"| `{row.name}` |" in settings_page() for row in rows)
    assert all(row.meaning for row in rows)


def test_a_preset_shows_the_values_that_it_gives_an_extension() -> None:
    preset = settings_page().split("### mnist-extended")[1].split("### ")[0]
    assert "| `consistency` | on |\n| `consistency.split_merge_threshold` | `0.2` |" in preset
    assert "| `weight_averaging.window` |" not in preset  # its value is the usual one


def test_the_command_prints_a_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._run(["settings", "mnist", "--preset", "extended", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["iterations"]["default"] == MNIST_EXTENDED.iterations
    assert rows["consistency.weight"]["default"] == 2.0
    assert cli._run(["settings", "faces"]) == 0
    output = capsys.readouterr().out
    assert "consistency.weight" in output
    assert "(off)" in output
    assert "5*Uniform" in output
