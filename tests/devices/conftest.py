"""A GPU that is pretended, for any test that asks for it by name."""

import sys

import pytest
from fake_cupy import Machine, Memory, make_cupy

from minigan import devices
from minigan.devices import nvidia
from minigan.devices.cuda import CUDA


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    pretended = Machine()
    monkeypatch.setitem(sys.modules, "cupy", make_cupy(pretended))
    monkeypatch.setattr(Memory, "_kept", [])
    return pretended


@pytest.fixture
def a_gpu_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the system shows: minigan asks it before it advises to install CuPy."""
    monkeypatch.setattr(nvidia, "has_gpu", lambda: True)


@pytest.fixture
def device(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> CUDA:
    """The CUDA device; "cuda" stands for it."""
    made, others = CUDA(), devices._open
    monkeypatch.setattr(devices, "_open", lambda name: made if name == "cuda" else others(name))
    return made
