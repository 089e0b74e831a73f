"""The self-test: on the emulated device and a pretended GPU, whole, and with a kernel broken on purpose."""

import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from fake_cupy import Machine, make_cupy
from fake_cupy.kernels import RawKernel

import minigan as mg
from minigan import devices
from minigan.devices.cuda import CUDA
from minigan.devices.device import KERNELS
from minigan.devices.sources import kernel_sources
from minigan.inspect import self_test, self_test_results
from minigan.inspect.self_test import choose_device, run_self_test
from minigan.inspect.self_test_results import SelfTestCheck


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for the results; and the emulated device as a user has it."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(self_test_results, "cache_folder", lambda name: folder)
    monkeypatch.setattr(mg.get_device("emulated"), "strict", False)
    return folder


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A pretended GPU; "cuda" stands for it, opened anew each time."""
    pretended, others = Machine(), devices._open
    pretended.free_bytes = 2**30
    monkeypatch.setitem(sys.modules, "cupy", make_cupy(pretended))
    opened: dict[str, Any] = {}

    def open_device(name: str) -> Any:
        return opened.setdefault(name, CUDA()) if name == "cuda" else others(name)

    monkeypatch.setattr(devices, "_open", open_device)
    return pretended


def break_kernel(tmp_path: Path, file: str, right: str, wrong: str) -> None:
    """Let "cuda" run kernels/ with one mistake in it."""
    folder = tmp_path / "kernels"
    shutil.copytree(kernel_sources(), folder, ignore=shutil.ignore_patterns("study"))
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(right) == 1
    (folder / file).write_text(text.replace(right, wrong), encoding="utf-8")
    mg.get_device("cuda").sources = folder  # type: ignore[attr-defined]


def test_it_calls_every_kernel_of_the_contract() -> None:
    seen: list[SelfTestCheck] = []
    report = run_self_test("emulated", observe=seen.append)
    assert report.passed and report.checks == tuple(seen)
    called = {check.name.partition("(")[0] for check in seen}
    assert called >= set(KERNELS)
    launched = " ".join(check.detail for check in seen)
    for file in ("adam", "convolution", "elementwise", "gemm", "likelihood", "normalization"):
        assert f"{file}.cu: " in launched


def test_a_full_one_is_in_both_types_and_in_tf32() -> None:
    checks = [check.name for check in run_self_test("emulated", full=True).checks]
    gemms = {name.rpartition(", ")[2] for name in checks if name.startswith("gemm(")}
    assert gemms == {"float32", "float64", "TF32"}
    assert checks[-2:] == ["training step", "captured training steps"]


def test_auto_takes_a_gpu_that_passes_and_does_not_ask_again(machine: Machine) -> None:
    said: list[str] = []
    assert choose_device("auto", said.append) == "cuda"
    assert said[-1].startswith("cuda: self-test passed in ")
    launches = len(machine.launched)
    assert launches > 100
    assert choose_device("auto", said.append) == "cuda"
    assert said[-1].endswith(" s (kept)") and len(machine.launched) == launches
    machine.driver_version += 10
    assert choose_device("auto", said.append) == "cuda"
    assert not said[-1].endswith("(kept)") and len(machine.launched) > launches


def test_a_damaged_result_is_not_believed(machine: Machine, cache: Path) -> None:
    run_self_test("cuda")
    (path,) = cache.iterdir()
    path.write_text("{", encoding="utf-8")
    assert not run_self_test("cuda").kept


@pytest.mark.parametrize("name", ["cpu", "cuda", "emulated", "moose"])
def test_a_device_that_is_named_is_taken_untested(machine: Machine, name: str) -> None:
    said: list[str] = []
    assert choose_device(name, said.append) == name
    assert not said and not machine.launched


def test_auto_is_the_cpu_where_there_is_no_gpu(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_test, "has_gpu", lambda: False)
    machine.gpus = 0
    assert choose_device("auto", pytest.fail) == "cpu"


@pytest.mark.parametrize(
    ("pretended", "words"),
    [
        ({"device_count_error": 35, "driver_version": 12040}, "update the driver"),
        ({"capability": "70"}, "7.5 (Turing, 2018) or newer"),
        ({"context_error": 46}, "see with nvidia-smi"),
        ({"has_nvrtc": False}, "pip install 'minigan[cuda13]'"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_said(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, pretended: dict[str, Any], words: str
) -> None:
    monkeypatch.setattr(self_test, "has_gpu", lambda: True)
    for name, value in pretended.items():
        setattr(machine, name, value)
    said: list[str] = []
    assert choose_device("auto", said.append) == "cpu"
    (line,) = said
    assert line.startswith("cuda: ") and words in line and line.endswith("; the CPU is used")


def test_a_gpu_that_is_full_is_not_taken(machine: Machine) -> None:
    machine.free_bytes = 1000
    said: list[str] = []
    assert choose_device("auto", said.append) == "cpu"
    assert "the GPU has too little memory" in said[-1] and said[-1].endswith("; the CPU is used")


@pytest.mark.parametrize(
    ("file", "right", "wrong", "words"),
    [
        ("random.cu", "= scaled(u, width, low)", "= scaled(u, width, -low)", ["random_uniform", "random.cu: random_uniform", "differs"]),
        ("random.cu", "= scaled(u, width, low)", "= nonsense", ["random.cu does not compile", "nonsense"]),
        ("elementwise.cu", "* scale + low;", "* scale - low;", ["gather_images(", "elementwise.cu: gather_images differs from the CPU by"]),
    ],
)  # fmt: skip
def test_a_broken_kernel_is_named_and_the_cpu_is_taken(
    machine: Machine, tmp_path: Path, file: str, right: str, wrong: str, words: list[str]
) -> None:
    break_kernel(tmp_path, file, right, wrong)
    for _ in range(2):  # a failure is not kept
        said: list[str] = []
        assert choose_device("auto", said.append) == "cpu"
        line = said[-1]
        assert line.startswith("cuda: self-test failed at ") and line.endswith("; the CPU is used")
        assert all(word in line for word in words), line
        assert "\n" not in line


def test_a_launch_that_cuda_refuses_is_named(machine: Machine) -> None:
    machine.launch_error = 719
    report = run_self_test("cuda")
    assert not report.passed
    assert "elementwise.cu: increment could not be launched" in report.line()
    assert "719" in report.line()


def test_a_kernel_that_hangs_is_said_and_the_cpu_is_taken(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()
    monkeypatch.setattr(RawKernel, "__call__", lambda *_, **__: released.wait(60))
    monkeypatch.setattr(self_test, "TIME_LIMIT", 0.5)
    said: list[str] = []
    try:
        assert choose_device("auto", said.append) == "cpu"
    finally:
        released.set()
    assert "it did not end in" in said[-1] and said[-1].endswith("; the CPU is used")


def test_the_launchers_are_part_of_what_a_result_depends_on(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "minigan"
    shutil.copytree(Path(mg.__file__).parent / "devices", package / "devices")
    monkeypatch.setattr(self_test_results.minigan, "__file__", str(package / "__init__.py"))
    before = self_test_results.identity("cuda")
    for file in ("cuda.py", "cuda_plan/products.py"):
        with (package / "devices" / file).open("a", encoding="utf-8") as code:
            code.write("# changed\n")
        after = self_test_results.identity("cuda")
        assert after != before
        before = after
