"""A packed run: a run like others, in half the bytes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from minigan.errors import RunError
from minigan.experiments.networks_files import save_networks
from minigan.experiments.runs import Run
from minigan.explore.explorer import Explorer
from minigan.explore.packing import pack
from minigan.infogan.settings import Settings


@pytest.fixture
def run(explorer: Explorer, settings: Settings, tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "run", dataclasses.replace(settings, iterations=3))
    run.networks_folder.mkdir()
    save_networks(run.networks_folder, explorer.networks, run.settings, 3)
    return run


def test_a_packed_run_is_the_run_in_float16(run: Run, tmp_path: Path) -> None:
    size = pack(run.directory, tmp_path / "packed")
    files = [p for p in (tmp_path / "packed").rglob("*") if p.is_file()]
    assert size == sum(p.stat().st_size for p in files)
    before, _ = run.networks()
    after, step = Run.open(tmp_path / "packed").networks()
    assert step == 3
    for (name, old), (same, new) in zip(before.named_tensors(), after.named_tensors(), strict=True):
        assert name == same and new.dtype == np.float32
        assert_array_equal(new.numpy(), old.numpy().astype(np.float16).astype(np.float32))


def test_a_packed_run_replaces_nothing(run: Run) -> None:
    with pytest.raises(RunError, match="already holds a run"):
        pack(run.directory, run.directory)


def test_what_is_no_trained_run_is_not_packed(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run"):
        pack(tmp_path, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


def test_weights_beyond_float16_are_refused(run: Run, explorer: Explorer, tmp_path: Path) -> None:
    networks, step = run.networks()
    networks.generator.parameters()[0].copy_(np.float32(1e5))
    save_networks(run.networks_folder, networks, run.settings, step)
    with pytest.raises(RunError, match="float16 cannot hold"):
        pack(run.directory, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()
