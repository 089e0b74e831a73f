"""Who is compared: minigan, and the same work in other libraries, each as its own users would write it for speed.

A library that cannot run says why, and every table lists it with that reason.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HOW_TO_INSTALL = "not installed: pip install 'minigan[bench]'"


@dataclass(frozen=True)
class Baseline:
    """A library, or a way to use it; `package` is what states its version.

    `absent` says why it cannot run on a device ("cpu" or "cuda"); None if it can.
    """

    name: str
    package: str
    absent: Callable[[str], str | None] = lambda device: None


def _torch_absent(device: str) -> str | None:
    if importlib.util.find_spec("torch") is None:
        return HOW_TO_INSTALL
    if device == "cuda" and not _torch_has_gpu():
        return "this PyTorch finds no GPU"
    return None


def _compiled_absent(device: str) -> str | None:
    if reason := _torch_absent(device):
        return reason
    if device == "cpu" and not any(map(shutil.which, ("g++", "c++", "clang++"))):
        return "needs a C++ compiler, g++ for one"
    return None


def _graphs_absent(device: str) -> str | None:
    return _torch_absent(device) or (None if device == "cuda" else "needs a GPU")


def _torch_has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


MINIGAN = Baseline("minigan", "minigan")
TORCH = Baseline("PyTorch", "torch", _torch_absent)
TORCH_COMPILED = Baseline("PyTorch compiled", "torch", _compiled_absent)
TORCH_GRAPHS = Baseline("PyTorch with CUDA graphs", "torch", _graphs_absent)
TORCH_COMPILED_GRAPHS = Baseline("PyTorch compiled with CUDA graphs", "torch", _graphs_absent)


def absences(baselines: Sequence[Baseline], device: str) -> dict[str, str]:
    """Return those that cannot run on the device, and why."""
    reasons = {baseline.name: baseline.absent(device) for baseline in baselines}
    return {name: reason for name, reason in reasons.items() if reason}
