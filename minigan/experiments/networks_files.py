"""The trained networks of a run, apart from the rest of its state: a safetensors file for G, D and Q each.

They are what `sample`, `figures` and `evaluate` load. Optimizers' moments, which only `resume` needs, are in the checkpoint.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from minigan.errors import RunError
from minigan.experiments.checkpoints import (
    Checkpoint,
    load_checkpoint,
    read_step,
    save_checkpoint,
)
from minigan.infogan.networks import Networks
from minigan.infogan.settings import Settings

_NAMES = ("generator", "discriminator", "recognition")


def save_networks(
    folder: Path,
    networks: Networks,
    settings: Settings,
    step: int,
    dtype: DTypeLike | None = None,
) -> None:
    """Write each network after `step` steps to a file in the folder, its numbers as `dtype` if that is given."""
    tensors = {
        name: value.numpy().astype(dtype or value.dtype) for name, value in networks.named_tensors()
    }
    for network in _NAMES:
        own = {name: value for name, value in tensors.items() if name.startswith(f"{network}.")}
        save_checkpoint(_path(folder, network), Checkpoint(step, settings, own))


def networks_step(folder: Path) -> int:
    """Return the step of the networks in the folder; 0 if they are not all there, or of different steps."""
    paths = [_path(folder, network) for network in _NAMES]
    if not all(path.exists() for path in paths):
        return 0
    steps = {read_step(path) for path in paths}
    return steps.pop() if len(steps) == 1 else 0


def load_networks(folder: Path) -> Checkpoint:
    """Return the tensors of all three networks, with their step and settings.

    Raises:
        RunError: A file is damaged, or of another run than the others.
    """
    tensors: dict[str, np.ndarray] = {}
    parts = []
    for network in _NAMES:
        path = _path(folder, network)
        parts.append(load_checkpoint(path, remedy=f"delete {folder}, and resume the run"))
        tensors |= parts[-1].tensors
    if len({(part.step, part.settings) for part in parts}) > 1:
        raise RunError(f"the networks in {folder} are of different runs; delete the folder")
    return Checkpoint(parts[0].step, parts[0].settings, tensors)


def _path(folder: Path, network: str) -> Path:
    return folder / f"{network}.safetensors"
