"""A tiny run of MNIST on the command line, for tests of the commands."""

import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from minigan import cli
from minigan.datasets import LabeledImages, mnist

_NETWORKS = {
    "trunk": "conv 4 | conv 8 bn | fc 16 bn",
    "generator": "fc 16 bn | fc 7x7x8 bn | up 4 bn | up 1 sigmoid",
    "checkpoint_every": 2,
    "sample_every": 3,
}


def tiny(**others: object) -> tuple[str, ...]:
    """Return the options of a run of six small steps, with other values for some settings."""
    values = _NETWORKS | others
    assignments = [text for name in values for text in ("--set", f"{name}={values[name]}")]
    sizes = ("--batch-size", "4", "--iterations", "6", "--device", "cpu")
    return (*assignments, *sizes, "--no-evaluate")


TINY = tiny()
DIGITS = LabeledImages(
    np.random.default_rng(0).integers(0, 256, (300, 28, 28, 1), np.uint8),
    np.arange(300, dtype=np.uint8) % 10,
)
REAL_LOAD = mnist.load

Tree = dict[str, bytes | None]


@contextmanager
def few_digits() -> Iterator[None]:
    """Have 300 digits in place of 70,000, no wait for the disk, and no colours in a pipe."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist, "load", lambda split: DIGITS)
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.delenv("FORCE_COLOR", raising=False)
        patch.delenv("TTY_COMPATIBLE", raising=False)
        yield


def minigan(*arguments: object) -> list[str]:
    """Return the command of a process."""
    return [sys.executable, "-m", "minigan", *map(str, arguments)]


def tree(directory: Path) -> Tree:
    """Return every file with its content and every folder, hidden ones included."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in directory.rglob("*")
        if path.name != "timing.jsonl"
    }


def assert_refused(
    capsys: pytest.CaptureFixture[str], untouched: Path, arguments: tuple[object, ...], *words: str
) -> None:
    """Check for one line on stderr with those words, exit code 2, and no changed file."""
    before = tree(untouched)
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert cli._run([str(argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"minigan: [^\n]+\n", error)
    for word in words:
        assert word in error
    assert tree(untouched) == before
