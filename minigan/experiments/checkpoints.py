"""Checkpoints: the whole state of a training run in one safetensors file.

The format's header holds one metadata key, ``minigan``: sorted JSON with the step, the settings and
a digest of the tensors. So a file that was cut or damaged, or belongs to another run, is refused
before it is used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from minigan.errors import RunError, SettingsError
from minigan.experiments.older_settings import read_settings, translated_tensor
from minigan.experiments.settings_by_name import settings_to_json
from minigan.files import replacing
from minigan.infogan.settings import Settings

_FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A state after `step` steps under `settings`."""

    step: int
    settings: Settings
    tensors: dict[str, np.ndarray]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it whole or not at all: to a temporary name, to the disk, then renamed."""
    # contiguous: safetensors would write another array's memory as it lies, in another order
    tensors = {name: np.asarray(values, order="C") for name, values in checkpoint.tensors.items()}
    digest = hashlib.sha256()
    for name, values in sorted(tensors.items()):
        _digest(digest, name, values)
    header = {
        "format": _FORMAT,
        "step": checkpoint.step,
        "settings": settings_to_json(checkpoint.settings),
        "sha256": digest.hexdigest(),
    }
    with replacing(path) as temporary:
        text = json.dumps(header, sort_keys=True, ensure_ascii=False)
        # not save_file: its own temporary file would be left by a kill, and a full disk is no OSError to it
        temporary.write_bytes(save(tensors, metadata={"minigan": text}))


_REMEDY = "delete it, and the run starts over, or goes on from an older one"


def load_checkpoint(
    path: Path, keep: Callable[[str], bool] = lambda name: True, remedy: str = _REMEDY
) -> Checkpoint:
    """Read and verify all of it, and keep the tensors that `keep` accepts by name.

    Raises:
        RunError: The file is damaged, or of another minigan; the message ends with `remedy`.
    """
    tensors, digest = {}, hashlib.sha256()
    try:
        with safe_open(path, framework="numpy") as file:
            header = _header(path, file.metadata())
            for name in sorted(file.keys()):
                values = file.get_tensor(name)
                _digest(digest, name, values)
                if keep(translated_tensor(name)):
                    tensors[translated_tensor(name)] = values
    except FileNotFoundError as error:
        raise RunError(f"there is no checkpoint {path}") from error
    except SafetensorError as error:
        raise RunError(f"checkpoint {path} is damaged ({error}); {remedy}") from error
    if digest.hexdigest() != header["sha256"]:
        raise RunError(f"checkpoint {path} is damaged (its digest does not match); {remedy}")
    try:
        settings = read_settings(header["settings"])
    except (SettingsError, TypeError) as error:
        raise RunError(f"checkpoint {path} was written by another minigan: {error}") from error
    return Checkpoint(int(header["step"]), settings, tensors)


def read_step(path: Path) -> int:
    """Return the step that a checkpoint says it is of; 0 if it is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            return int(_header(path, file.metadata())["step"])
    except (FileNotFoundError, SafetensorError, RunError):
        return 0


def _header(path: Path, metadata: dict[str, str] | None) -> dict[str, Any]:
    try:
        header: dict[str, Any] = json.loads((metadata or {})["minigan"])
        if header["format"] == _FORMAT and {"step", "settings", "sha256"} <= set(header):
            return header
    except (KeyError, TypeError, json.JSONDecodeError):
        pass
    raise RunError(f"{path} is a safetensors file, but not a checkpoint of minigan's")


def _digest(digest: hashlib._Hash, name: str, values: np.ndarray) -> None:
    """Add a tensor, its name and its bytes; tensors come in the order of their names."""
    digest.update(name.encode())
    digest.update(np.ascontiguousarray(values).data)
