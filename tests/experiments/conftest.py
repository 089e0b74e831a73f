"""Runs that several files of tests start from."""

from pathlib import Path

import pytest
from tiny_training import TINY, Tree, at, interrupt, train, tree

from minigan.experiments.runs import Run
from minigan.experiments.training import Interrupted


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Return the files of a run that never stopped."""
    directory = tmp_path_factory.mktemp("unbroken") / "run"
    train(Run.create(directory, TINY))
    return tree(directory)


@pytest.fixture
def stopped(tmp_path: Path) -> Run:
    """Return a run that was stopped at step 5."""
    run = Run.create(tmp_path / "run", TINY)
    with pytest.raises(Interrupted):
        train(run, at(5, interrupt))
    return run
