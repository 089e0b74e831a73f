"""A small copy of a trained run: its settings and networks in float16, as the run that comes with minigan."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from minigan.errors import RunError
from minigan.experiments.networks_files import save_networks
from minigan.experiments.runs import Run


def pack(directory: Path, out: Path) -> int:
    """Write a copy of a run that every command can read, and return its size in bytes.

    Args:
        directory: the run's.
        out: a new directory.

    Raises:
        RunError: There is no trained run, it has weights that float16 cannot hold, or `out` is not empty.
    """
    run = Run.open(directory)
    networks, step = run.networks()
    largest = max(float(np.abs(value.numpy()).max()) for _, value in networks.named_tensors())
    if not largest <= float(np.finfo(np.float16).max):
        raise RunError(f"{directory} has weights that float16 cannot hold")
    packed = Run.create(out, dataclasses.replace(run.settings, device="cpu"))
    packed.networks_folder.mkdir()
    save_networks(packed.networks_folder, networks, packed.settings, step, np.float16)
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
