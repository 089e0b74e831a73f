"""The trained networks apart from the state: which of the two is read, and what each is good for."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny_training import IMAGES, TINY, at, interrupt, train

from minigan.errors import RunError
from minigan.experiments.networks_files import load_networks, networks_step
from minigan.experiments.runs import Run
from minigan.experiments.trainer import Trainer
from minigan.experiments.training import Interrupted
from minigan.infogan.networks import Networks


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def ended(tmp_path: Path) -> Run:
    """Return a run that was trained to its end, at step 7."""
    run = Run.create(tmp_path / "run", TINY)
    train(run)
    return run


def values(networks: Networks) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in networks.named_tensors()}


def test_a_file_each_holds_all_tensors_of_a_network_and_no_more(ended: Run) -> None:
    found: dict[str, np.ndarray] = {}
    for name in ("generator", "discriminator", "recognition"):
        tensors = load_file(ended.networks_folder / f"{name}.safetensors")
        assert tensors
        assert all(tensor.startswith(f"{name}.") for tensor in tensors)
        found |= tensors
    networks, _ = ended.networks()
    assert {name: value.tobytes() for name, value in found.items()} == values(networks)


def test_they_are_those_of_the_checkpoint(ended: Run) -> None:
    networks, step = ended.networks()
    shutil.rmtree(ended.networks_folder)
    again, step_again = ended.networks()
    assert step == step_again == 7
    assert values(networks) == values(again)


def test_a_run_of_an_earlier_version_is_read_and_goes_on(ended: Run) -> None:
    """It has two checkpoints and no networks apart."""
    shutil.rmtree(ended.networks_folder)
    folder = ended.directory / "checkpoints"
    shutil.copy(folder / "step-00000007.safetensors", folder / "step-00000006.safetensors")
    assert ended.networks()[1] == 7
    assert ended.newest_step() == 7
    ended.extend(9, 7)
    train(ended)
    assert [path.name for path in folder.iterdir()] == ["step-00000009.safetensors"]
    assert networks_step(ended.networks_folder) == 9


def test_a_newer_checkpoint_comes_before_them(ended: Run) -> None:
    before = values(ended.networks()[0])
    ended.extend(10, 7)
    with pytest.raises(Interrupted):
        train(ended, at(9, interrupt))
    networks, step = ended.networks()
    assert step == ended.newest_step() == 9
    assert values(networks) != before
    train(ended)
    assert ended.networks()[1] == networks_step(ended.networks_folder) == 10


def test_without_a_checkpoint_a_run_is_looked_at_and_not_trained(ended: Run) -> None:
    before = values(ended.networks()[0])
    ended.drop_checkpoints()
    assert not ended.checkpoints()
    assert values(ended.networks()[0]) == before
    assert ended.is_trained()
    with pytest.raises(RunError, match="without a checkpoint, so it cannot go on"):
        ended.restore(Trainer(TINY, IMAGES))


def test_a_checkpoint_that_is_newer_than_the_networks_is_not_dropped(ended: Run) -> None:
    ended.extend(10, 7)
    with pytest.raises(Interrupted):
        train(ended, at(9, interrupt))
    ended.drop_checkpoints()
    assert [path.name for path in ended.checkpoints()] == ["step-00000009.safetensors"]


def test_networks_that_are_not_all_there_are_none(ended: Run) -> None:
    """A kill between two files leaves some of one step and some of another, or of none."""
    path = ended.networks_folder / "recognition.safetensors"
    whole = path.read_bytes()
    path.unlink()
    assert networks_step(ended.networks_folder) == 0
    path.write_bytes(whole[:100])
    assert networks_step(ended.networks_folder) == 0
    assert ended.networks()[1] == 7  # the checkpoint's
    train(ended)  # nothing is left to do but to write them
    assert path.read_bytes() == whole


def test_networks_of_other_runs_are_refused(ended: Run, tmp_path: Path) -> None:
    other = Run.create(tmp_path / "other", replace(TINY, seed=1))
    train(other)
    name = "generator.safetensors"
    shutil.copy(other.networks_folder / name, ended.networks_folder / name)
    with pytest.raises(RunError, match="are of different runs"):
        load_networks(ended.networks_folder)
    shutil.rmtree(ended.networks_folder)
    shutil.copytree(other.networks_folder, ended.networks_folder)
    with pytest.raises(RunError, match="is of another run"):
        ended.networks()
