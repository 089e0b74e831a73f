"""The needs of the CUDA device that may be missing: each error is one sentence with advice."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from fake_cupy import Machine, installed

from minigan.devices import nvidia
from minigan.devices.cuda import CUDA
from minigan.errors import DeviceError


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """A pretended GPU, and a CuPy that is imported anew, its cache in a home of the test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CUPY_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(nvidia, "has_gpu", lambda: True)
    pretended = Machine()
    installed(monkeypatch, pretended)
    return pretended


def refusal() -> str:
    with pytest.raises(DeviceError) as error:
        CUDA()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_cupys_own_folder_is_kept_where_it_can_be_written(machine: Machine, tmp_path: Path) -> None:
    CUDA()
    assert (tmp_path / ".cupy" / "kernel_cache").is_dir()
    assert "CUPY_CACHE_DIR" not in os.environ


@pytest.mark.parametrize("named", [False, True])
def test_a_home_that_cannot_be_written(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    """The folder of the temporary files serves instead."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    if named:
        monkeypatch.setenv("CUPY_CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    CUDA()
    folder = Path(os.environ["CUPY_CACHE_DIR"])
    assert folder.is_dir() and tmp_path in folder.parents


def test_no_folder_that_can_be_written(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setattr(nvidia, "cache_folder", lambda name: None)
    assert "set CUPY_CACHE_DIR to a folder that can be written" in refusal()


@pytest.mark.skipif(find_spec("cupy") is None, reason="CuPy is not installed")
def test_the_real_cupy_is_imported_with_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    code = "from minigan.devices.nvidia import import_cupy; print(import_cupy().__name__)"
    environment = {"PATH": os.defpath, "HOME": os.devnull, "TMPDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert run.stdout == "cupy\n", run.stderr


def without_cupy(monkeypatch: pytest.MonkeyPatch, has_gpu: bool) -> str:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setattr(nvidia, "has_gpu", lambda: has_gpu)
    return refusal()


def test_cupy_is_asked_for_only_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "CuPy is not installed; pip install 'minigan[cuda13]'" in without_cupy(monkeypatch, True)
    assert without_cupy(monkeypatch, False) == "this machine has no NVIDIA GPU"


def test_a_driver_is_asked_for_only_where_there_is_a_gpu(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.device_count_error, machine.driver_version = 35, 0
    assert "no NVIDIA driver is installed; install one" in refusal()
    monkeypatch.setattr(nvidia, "has_gpu", lambda: False)
    assert refusal() == "this machine has no NVIDIA GPU"


@pytest.mark.parametrize("error", [OSError("libcuda.so.1"), RuntimeError("CUDA"), ImportError("x")])
def test_a_cupy_that_cannot_be_imported(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    machine.import_error = error
    assert refusal().startswith(f"CuPy cannot be imported: {error}; pip install")
