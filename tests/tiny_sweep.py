"""A sweep small enough for tests: 8×8 images in MNIST's files, an experiment on them, and who trains a run."""

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minigan.experiments.declarations import get_experiment
from minigan.experiments.sweeps.plan import Plan
from minigan.infogan.settings import Settings

DECLARATION = """
base = "mnist"
data = "data"
image_shape = [8, 8, 1]
trunk = "conv 4 | fc 8 bn"
generator = "fc 4x4x4 bn | up 1 sigmoid"
noise = 3
codes = "Cat(3) + Uniform"
batch_size = 4
iterations = 200
checkpoint_every = 20
sample_every = 200
"""
STEPS = 200
CHECKPOINTS = list(range(20, STEPS + 1, 20))

Tree = dict[str, bytes]


def declare(folder: Path) -> Path:
    """The experiment's file in a folder, and its images beside it."""
    random = np.random.default_rng(0)
    (folder / "data").mkdir(parents=True)
    for split, count in (("train", 40), ("t10k", 20)):
        images = random.integers(0, 256, (count, 8, 8), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 3
        for name, values in (("images-idx3", images), ("labels-idx1", labels)):
            (folder / "data" / f"{split}-{name}-ubyte").write_bytes(idx(values))
    path = folder / "tiny.toml"
    path.write_text(DECLARATION)
    return path


def idx(values: np.ndarray) -> bytes:
    """An array of uint8 in an IDX file."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


def tiny(folder: Path, **changes: object) -> Settings:
    """The settings of that experiment."""
    return replace(get_experiment(str(folder / "tiny.toml")), **changes)


def tiny_plan(folder: Path, *seeds: int, **changes: object) -> Plan:
    """A plan without a grid."""
    return Plan(tiny(folder, **changes), seeds)


def tree(directory: Path) -> Tree:
    """Every file but timing.jsonl, the only one that may differ between two sweeps of one plan."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.name != "timing.jsonl"
    }


def times(directory: Path) -> dict[str, int]:
    """When each file was last written, in ns."""
    return {str(path): path.stat().st_mtime_ns for path in directory.rglob("*")}


def trained_stretches(run: Path) -> list[int]:
    """The step at the end of each stretch that was trained and kept: one twice would have been run twice."""
    return [json.loads(line)["step"] for line in (run / "timing.jsonl").read_text().splitlines()]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "minigan", "sweep", *map(str, arguments)]


def trainer_of(run: Path) -> int | None:
    """The process that holds the run, from Linux's list of who has which file open."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("only Linux tells who has a file open")
    held = (run / "timing.jsonl").resolve()
    if not held.exists():
        return None
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if descriptor.readlink() == held:
                return int(descriptor.parts[2])
        except OSError:  # it is gone, or another's
            continue
    return None


def wait_until(true: Callable[[], object], seconds: float = 120) -> None:
    """Until `true()`; the compilation of kernels, and other work on the machine, may come before."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)


def is_gone(process: int) -> bool:
    """Whether a process has ended; a zombie, which no parent has waited for, has."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def environment_in_a_pipe() -> dict[str, str]:
    """That of this process, without what asks for colours in a pipe."""
    return {k: v for k, v in os.environ.items() if k not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
