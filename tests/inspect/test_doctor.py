"""`minigan doctor`: the report of a device that passes, of one with a broken kernel, and of none."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_cupy import Machine, make_cupy
from tiny_run import assert_refused

from minigan import cli, devices
from minigan.devices.cuda import CUDA
from minigan.inspect import self_test_results
from minigan.inspect.self_test_results import SelfTestCheck, SelfTestReport


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A pretended GPU, opened anew."""
    pretended, others = Machine(), devices._open
    monkeypatch.setitem(sys.modules, "cupy", make_cupy(pretended))
    monkeypatch.setattr(devices, "_open", lambda n: CUDA() if n == "cuda" else others(n))
    monkeypatch.setattr(self_test_results, "cache_folder", lambda name: None)
    return pretended


def run(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    path = tmp_path / "report.json"
    code = cli._run(["doctor", "--out", str(path), *arguments])
    return code, json.loads(path.read_text(encoding="utf-8"))


def test_the_report_of_a_device_that_passes(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In full; test_self_test.py tests which checks are made."""
    asked = []

    def short(device: str, **settings: Any) -> SelfTestReport:
        asked.append(settings["full"])
        check = SelfTestCheck("gemm(2×2, 2×2), float32", True, "gemm.cu: gemm_nn: 0", 0.1)
        return SelfTestReport(device, devices.get_device(device).identity(), True, (check,), 0.5)

    monkeypatch.setattr("minigan.inspect.doctor.run_self_test", short)
    code, report = run(tmp_path)
    assert code == 0 and report["passed"] and asked == [True]
    assert report["identity"]["gpu"] == "NVIDIA Old One" and report["identity"]["CuPy"]
    assert report["checks"][0]["detail"] == "gemm.cu: gemm_nn: 0"
    assert {"minigan", "numpy", "numba", "python"} <= report["versions"].keys()
    assert "cuda: self-test passed in 0.5 s" in capsys.readouterr().out


def test_the_report_of_a_device_that_cannot_launch(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every check is made, fails, and is in the report."""
    machine.launch_error = 719
    home = str(Path.home())
    code, report = run(tmp_path)
    assert code == 1 and not report["passed"] and not report["error"]
    assert len(report["checks"]) > 300 and not any(c["passed"] for c in report["checks"])
    assert home == "/" or home not in json.dumps(report)
    assert (
        "✗ increment(1), float32: elementwise.cu: increment could not be" in capsys.readouterr().out
    )


def test_the_report_of_no_device(machine: Machine, tmp_path: Path) -> None:
    machine.gpus = 0
    code, report = run(tmp_path)
    assert code == 1 and "no NVIDIA GPU" in report["error"] and "checks" not in report


def test_a_device_that_is_not_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.json"
    arguments = ("doctor", "--device", "moose", "--out", report)
    assert_refused(capsys, tmp_path, arguments, "no device 'moose'", "there is cpu")
