"""``python -m benchmarks gpu`` from end to end, on the stand-in for CuPy: whole, without each optional package, killed and resumed."""

import importlib.util
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.gpu import checks, counters
from benchmarks.gpu.piece import AbsentError, Context, FailedError
from benchmarks.gpu.pieces import PIECES

pytestmark = pytest.mark.slow

STAND_IN = Path(__file__).parent / "stand_in"
OPTIONAL = "typer rich safetensors scipy torch jax sklearn matplotlib PIL hypothesis"


def command(work: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks", "gpu", "--small", "--work", str(work), *arguments]


def environment(absent: str = "", path: Path | None = None) -> dict[str, str]:
    programs = os.environ["PATH"] if path is None else f"{path}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ, "PYTHONPATH": str(STAND_IN), "ABSENT_MODULES": absent, "PATH": programs,
    }  # fmt: skip


def run(work: Path, *arguments: str, absent: str = "", path: Path | None = None) -> Any:
    return subprocess.run(
        command(work, *arguments), cwd=report.ROOT, env=environment(absent, path), text=True, capture_output=True,
        check=False,
    )  # fmt: skip


def parts(work: Path, piece: str) -> dict[str, Any]:
    path = work / "stand-in-results" / f"gpu-{piece}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["parts"]
    return found


@pytest.fixture(autouse=True)
def results_are_left_alone() -> Iterator[None]:
    """No stand-in writes to benchmarks/results, docs/gpu.md or the README."""

    def written() -> dict[Path, bytes]:
        files = [*report.RESULTS.glob("gpu-*.json"), report.README, report.ROOT / "docs" / "gpu.md"]
        return {path: path.read_bytes() for path in files}

    before = written()
    yield
    assert written() == before


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A whole call without any optional package, and its output."""
    work = tmp_path_factory.mktemp("gpu")
    done = run(work, absent=OPTIONAL)
    assert done.returncode == 0, done.stdout + done.stderr
    return work, done.stdout


def test_the_whole_command_runs_without_any_optional_package(whole: tuple[Path, str]) -> None:
    work, printed = whole
    assert "Nothing is left to measure." in printed
    assert "This is no GPU (the operating system has no NVIDIA driver)" in printed
    states = {
        f"{piece.name}: {name}": part["state"]
        for piece in PIECES
        for name, part in parts(work, piece.name).items()
    }
    assert len(states) == sum(len(piece.parts) for piece in PIECES)
    assert set(states.values()) == {"done", "absent"}, states
    for piece in ("self-test", "self-test-full", "kernels", "runs", "cost-model"):
        assert {part["state"] for part in parts(work, piece).values()} == {"done"}


def test_what_is_missing_is_named(whole: tuple[Path, str]) -> None:
    work, printed = whole
    step = parts(work, "step")
    assert "bring the wheel of torch" in step["float32, PyTorch"]["values"]["reason"]
    assert "bring the wheel of jax" in step["TF32, JAX"]["values"]["reason"]
    tests = parts(work, "tests").values()
    assert all("bring the wheel of hypothesis" in part["values"]["reason"] for part in tests)
    sanitizer = parts(work, "sanitizer")["memcheck"]["values"]["reason"]
    assert sanitizer == "compute-sanitizer is not installed; it is part of the CUDA toolkit"
    assert parts(work, "counters")["Nsight Compute"]["state"] == "absent"
    assert parts(work, "runs")["mnist"]["values"]["reason"] == "scipy is missing; bring the wheel of scipy"  # fmt: skip
    assert "mnist: scipy is missing; bring the wheel of scipy." in printed


def test_every_part_says_that_a_stand_in_made_it(whole: tuple[Path, str]) -> None:
    for piece in PIECES:
        for part in parts(whole[0], piece.name).values():
            measured = part["measured"]
            assert measured["device"]["stand_in"] and measured["small"]
            assert measured["device"]["name"] == "NVIDIA Old One" and measured["versions"]["numpy"]


def test_a_call_after_the_last_one_measures_nothing_again(whole: tuple[Path, str]) -> None:
    work, _ = whole
    before = {piece.name: parts(work, piece.name) for piece in PIECES}
    done = run(work, "--only", "runs", "--only", "self-test", absent=OPTIONAL)
    assert done.returncode == 0 and "Nothing is left to measure." in done.stdout
    assert {piece.name: parts(work, piece.name) for piece in PIECES} == before
    listed = run(work, "--list", absent=OPTIONAL).stdout
    assert re.search(r"^    mnist, plain GAN +done in \d+ s$", listed, re.MULTILINE)


@pytest.mark.parametrize("package", ["scipy", "safetensors"])
def test_a_run_goes_on_without_a_package(package: str, tmp_path: Path) -> None:
    done = run(tmp_path, "--only", "runs", absent=package)
    assert done.returncode == 0, done.stdout + done.stderr
    for part in parts(tmp_path, "runs").values():
        assert part["state"] == "done"
        assert (part["values"]["evaluation"] is None) == (package == "scipy")


@pytest.mark.parametrize("package", ["torch", "rich", "typer"])
def test_the_step_is_timed_without_a_package(package: str, tmp_path: Path) -> None:
    done = run(tmp_path, "--only", "step", absent=package)
    assert done.returncode == 0, done.stdout + done.stderr
    found = parts(tmp_path, "step")
    assert found["float32, minigan"]["state"] == found["TF32, minigan"]["state"] == "done"
    reason = found["float32, PyTorch"]["values"]["reason"]
    absent = package == "torch" or importlib.util.find_spec("torch") is None
    assert ("bring the wheel of torch" in reason) == absent


def test_a_killed_command_goes_on_where_it_stopped(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path, "--only", "runs"), cwd=report.ROOT, env=environment(), start_new_session=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(
            "runs: mnist, plain GAN"
        ):  # the first part is done, the second has begun
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = parts(tmp_path, "runs")
    assert before["mnist"]["state"] == "done" and before["mnist, plain GAN"]["state"] == "started"
    done = run(tmp_path, "--only", "runs")
    assert done.returncode == 0, done.stdout + done.stderr
    after = parts(tmp_path, "runs")
    assert after["mnist"] == before["mnist"]
    assert {part["state"] for part in after.values()} == {"done"}


def test_the_command_stops_when_its_minutes_are_over(tmp_path: Path) -> None:
    start = time.monotonic()
    done = run(tmp_path, "--minutes", "0.05", "--only", "runs")
    assert done.returncode == 1 and "call the same command again" in done.stdout
    assert time.monotonic() - start < 60
    assert not (tmp_path / "stand-in-results" / "gpu-runs.json").exists()


def program(folder: Path, name: str, text: str) -> Path:
    """A program on the path, in place of NVIDIA's."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


def test_compute_sanitizer_watches_training_steps(tmp_path: Path) -> None:
    path = program(
        tmp_path / "bin", "compute-sanitizer",
        'tool=$2; shift 2; "$@" || exit 1\n'
        '[ $tool = memcheck ] && echo "========= ERROR SUMMARY: 0 errors" && exit 0\n'
        'echo "========= RACECHECK SUMMARY: 2 hazards displayed (2 errors, 0 warnings)"',
    )  # fmt: skip
    done = run(tmp_path, "--only", "sanitizer", path=path)
    found = parts(tmp_path, "sanitizer")
    assert found["memcheck"]["values"] == {"errors": 0}, done.stdout
    assert found["racecheck"]["state"] == "failed"
    assert "racecheck found 2" in found["racecheck"]["values"]["reason"]


@pytest.mark.parametrize(
    ("output", "count"),
    [
        ("========= ERROR SUMMARY: 0 errors", 0),
        ("========= ERROR SUMMARY: 1 error", 1),
        ("========= RACECHECK SUMMARY: 3 hazards displayed (1 error, 2 warnings)", 3),
        ("a crash", None),
    ],
)
def test_the_summary_of_compute_sanitizer_is_read(output: str, count: int | None) -> None:
    assert checks.summary_of_sanitizer(output) == count


NCU = """==PROF== Connected to process 7
"ID","Kernel Name","l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum","l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum","l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum"
"","","sector","sector",""
"0","gemm_nn(const float *, float *)","1,200","34","5"
"1","gemm_nn(const float *, float *)","800","6","0"
"2","fill","0","10","0"
"""


def test_the_counts_of_nsight_compute_are_added_up_by_kernel() -> None:
    assert counters.read_csv(NCU) == {
        "gemm_nn": {counters.SECTORS: 2040, counters.CONFLICTS: 5},
        "fill": {counters.SECTORS: 10, counters.CONFLICTS: 0},
    }


def nsight(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the part's report where a program in place of ncu prints a text."""
    path = program(folder / "bin", "ncu", text)
    monkeypatch.setenv("PATH", f"{path}{os.pathsep}{os.environ['PATH']}")
    return counters.count_on_gpu(Context(folder, small=True))


def test_nsight_compute_counts_where_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = nsight(f"cat <<'END'\n{NCU}END", tmp_path, monkeypatch)
    assert set(found["kernels"]) == {"gemm_nn", "fill"}


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        ('echo "==ERROR== ERR_NVGPUCTRPERM"; exit 1', AbsentError, "may not read the GPU's counters"),
        ('echo "==ERROR== something else"; exit 1', FailedError, "something else"),
    ],
)  # fmt: skip
def test_nsight_compute_says_why_it_may_not(
    text: str, error: type[Exception], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(error, match=reason):
        nsight(text, tmp_path, monkeypatch)
