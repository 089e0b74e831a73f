"""Kernels compile once for each real type, and say so."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from minigan.devices.cpu import prepare
from minigan.devices.cpu.compile import KERNELS, observing, tell_observers
from minigan.devices.cpu.elementwise import sigmoid_values


def test_arguments_say_the_real_type() -> None:
    for dtype in (np.float32, np.float64):
        _, _, x, y = sigmoid_values.signature(dtype)
        assert str(x) == str(y) == f"array({np.dtype(dtype).name}, 1d, C)"


def test_names_are_the_kernels_own() -> None:
    """The helping process finds a kernel by its name."""
    assert len({kernel.name for kernel in KERNELS}) == len(KERNELS)


def test_observers_are_told_while_they_look() -> None:
    told: list[tuple[int, int]] = []
    with observing(lambda done, total: told.append((done, total))):
        tell_observers(1, 3)
    tell_observers(2, 3)
    assert told == [(1, 3)]


class _Kernel:
    """A kernel that needs no compiler."""

    def __init__(self, compiled: Callable[[], object]) -> None:
        self.compile = lambda dtype: compiled()


@pytest.mark.parametrize("stops", [False, True])
def test_what_an_observer_raises_ends_preparation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stops: bool
) -> None:
    """It is not recorded as complete then; after a whole one nothing is compiled any more."""
    compiled: list[int] = []
    kernels = {str(i): _Kernel(lambda: compiled.append(1)) for i in range(3)}
    monkeypatch.setattr(prepare, "_own_kernels", lambda: kernels)
    monkeypatch.setattr(prepare, "kernel_folder", lambda: tmp_path)
    monkeypatch.setattr(prepare, "_cores", lambda: 1)

    def observer(done: int, total: int, name: str) -> None:
        assert total == 3
        if stops:
            raise KeyboardInterrupt

    if stops:
        with pytest.raises(KeyboardInterrupt):
            prepare.prepare("float32", observer)
        assert len(compiled) == 1 and not list(tmp_path.iterdir())
        return
    prepare.prepare("float32", observer)
    before = len(compiled)
    prepare.prepare("float32", observer)
    assert len(compiled) == before and before >= 3


@pytest.mark.process
@pytest.mark.parametrize("quiet", ["", "1"])
def test_a_line_is_printed_when_it_takes_long(tmp_path: Path, quiet: str) -> None:
    code = (
        "import time, minigan.devices.cpu.compile as c\n"
        "c._MESSAGE_AFTER = 0.1\n"
        "with c.announcing(): time.sleep(0.4)\n"
        "with c.announcing(): time.sleep(0.4)\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "MINIGAN_QUIET": quiet}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    lines = run.stderr.splitlines()
    assert len(lines) == (0 if quiet else 1)
    assert quiet or lines[0].startswith("minigan: compiling kernels, once")
