"""Runs that several files of tests start from."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_sweep import declare, tiny_plan
from tiny_training import TINY, Tree, at, interrupt, train, tree

from minigan.experiments.runs import Run
from minigan.experiments.sweeps.directory import Sweep
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


@pytest.fixture(scope="module")
def no_waiting_for_the_disk() -> Iterator[None]:
    """No power cut is tested here, and a hundred runs would wait for seconds each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return declare(tmp_path / "declared").parent


@pytest.fixture
def sweep(tmp_path: Path, folder: Path) -> Sweep:
    """A sweep of two seeds and ten steps that has not begun."""
    made = Sweep.create(tmp_path / "s", tiny_plan(folder, 0, 1, iterations=10, checkpoint_every=4))
    made.create_runs()
    return made
