"""The recipes of docs/how_to run as they are written: the Python, then the commands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tour import run, snippets

RECIPES = sorted((Path(__file__).parents[1] / "docs" / "how_to").glob("*.md"))
MOST_LINES = 80
_COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

pytestmark = pytest.mark.process


def commands(page: str) -> list[list[str]]:
    """Return the commands of a page, each as the list of its words."""
    return [shlex.split(line) for block in _COMMANDS.findall(page) for line in block.splitlines()]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_runs_as_it_is_written(recipe: Path, tmp_path: Path) -> None:
    page = recipe.read_text(encoding="utf-8")
    assert run(page, tmp_path) == [snippet.output for snippet in snippets(page)]
    for program, *words in commands(page):
        assert program == "minigan"
        done = subprocess.run(
            [sys.executable, "-m", "minigan", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_a_short_recipe_for_each_part_that_users_add() -> None:
    names = {path.stem for path in RECIPES}
    assert names == {"data_set", "device", "experiment", "kernel", "operation"}
    for path in RECIPES:
        page = path.read_text(encoding="utf-8")
        assert len(page.splitlines()) <= MOST_LINES
        assert snippets(page) or commands(page)
