"""Runs that the commands look at."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_run import TINY, few_digits

from minigan import cli


@pytest.fixture(scope="module")
def a_few_digits() -> Iterator[None]:
    with few_digits():
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps; not to be changed."""
    directory = tmp_path_factory.mktemp("finished") / "run"
    with few_digits():
        assert cli._run(["train", "mnist", "--out", str(directory), *TINY]) == 0
    return directory


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of that run."""
    return Path(shutil.copytree(finished, tmp_path / "run"))
