"""`--device`: auto, and a GPU that is pretended."""

import functools
import json
import re
import sys
from pathlib import Path

import pytest
from fake_cupy import Machine, make_cupy
from tiny_run import TINY, assert_refused

from minigan import cli, devices
from minigan.devices.cuda import CUDA
from minigan.devices.device import KERNELS

pytestmark = pytest.mark.usefixtures("a_few_digits")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A GPU that is pretended: kernels run as on the emulated device."""
    machine = Machine()
    machine.free_bytes = 2**30
    monkeypatch.setattr("minigan.inspect.self_test_results.cache_folder", lambda name: None)
    monkeypatch.setitem(sys.modules, "cupy", make_cupy(machine))
    others, opened = devices._open, functools.cache(CUDA)
    monkeypatch.setattr(devices, "_open", lambda name: opened() if name == "cuda" else others(name))
    return machine


AUTO = ("--device", "auto", "--iterations", "2", "--batch-size", "2")


def device_of(directory: Path) -> str:
    device: str = json.loads((directory / "experiment.json").read_text())["settings"]["device"]
    return device


def test_auto_takes_the_gpu_and_says_so(
    gpu: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run keeps the device's own name, and is resumed there; or not at all, where there is none."""
    directory = tmp_path / "run"
    assert cli._run(["train", "mnist", "--out", str(directory), *TINY, *AUTO]) == 0
    output = capsys.readouterr().out
    assert "cuda: self-test passed in" in output and "2 steps of 2 images on cuda, in" in output
    assert device_of(directory) == "cuda" and gpu.launched
    assert cli._run(["info"]) == 0
    output = capsys.readouterr().out
    assert "auto is cuda here" in output
    assert re.search(rf"device cuda.*: {len(KERNELS)} of", output)
    gpu.launched.clear()
    resume = ["resume", str(directory), "--iterations", "3", "--no-evaluate"]
    assert cli._run(resume) == 0
    assert gpu.launched


def test_auto_takes_the_cpu_where_there_is_no_gpu(
    gpu: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu.gpus = 0
    directory = tmp_path / "run"
    assert cli._run(["train", "mnist", "--out", str(directory), *TINY, *AUTO]) == 0
    assert "2 steps of 2 images on cpu, in" in capsys.readouterr().out
    assert device_of(directory) == "cpu"
    assert cli._run(["info"]) == 0
    output = capsys.readouterr().out
    assert "auto is cpu here" in output
    assert re.search(
        r"^device cuda \(experimental: no run on a GPU is recorded yet\): not here: there is no NVIDIA GPU",
        output,
        re.MULTILINE,
    )


def test_a_gpu_that_is_not_there_is_one_line(
    gpu: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu.gpus = 0
    train = ("train", "mnist", "--out", tmp_path / "run", *TINY, "--device", "cuda")
    assert_refused(capsys, tmp_path, train, "no NVIDIA GPU")


def test_too_little_memory_on_the_gpu_is_one_line(
    gpu: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu.free_bytes = 1000
    train = ("train", "mnist", "--out", tmp_path / "run", *TINY, "--device", "cuda")
    assert_refused(capsys, tmp_path, train, "GPU has too little memory", "MiB were asked for")
