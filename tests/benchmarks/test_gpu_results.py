"""The results that count as a GPU's, their text on the pages, and the results that a session leaves, resumes and gives up."""

import copy
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.gpu import device, pages, results, session, worker
from benchmarks.gpu.piece import AbsentError, Context, FailedError, OutOfTimeError, Part, Piece
from benchmarks.gpu.pieces import PIECES
from benchmarks.gpu.results import ABSENT, DONE, FAILED, STARTED, Results
from minigan.devices import device_note

GPU = {
    "name": "NVIDIA H200", "driver": "NVRM version: 580.1", "cuda_driver": "13.0", "cupy": "14.2.0",
    "stand_in": None,
}  # fmt: skip
MEASURED = {
    "date": "2026-11-27T10:00:00+00:00", "commit": "0123456789abcdef", "modified": False, "versions": {"torch": "2.13.0"},
    "device": GPU, "code": "c0de", "small": False,
}  # fmt: skip
ERRORS = {"state": DONE, "seconds": 1.0, "values": {"errors": 0}, "measured": MEASURED}


def changed(*path: str, to: Any) -> dict[str, Any]:
    """A part as a GPU measured it, but for one value."""
    part: dict[str, Any] = copy.deepcopy(ERRORS)
    place = part
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return part


def test_a_part_that_a_gpu_measured_is_accepted() -> None:
    assert results.refusal(ERRORS) is None


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (changed("measured", "device", "stand_in", to="no driver"), "a stand-in made it: no driver"),
        (changed("measured", "device", to={"name": "NVIDIA H200"}), "it names no device"),
        (changed("measured", "device", to=None), "it names no device"),
        (changed("measured", "device", "driver", to=None), "its device has no driver"),
        (changed("measured", "small", to=True), "it was made with small sizes"),
        (changed("state", to=FAILED), "it is not done"),
        (changed("state", to=STARTED), "it is not done"),
    ],
)  # fmt: skip
def test_what_no_gpu_measured_is_refused(part: dict[str, Any], reason: str, tmp_path: Path) -> None:
    assert results.refusal(part) == reason
    Results(tmp_path, "sanitizer").write("memcheck", **part)
    assert results.measured_parts("sanitizer", tmp_path) == {}
    sanitizer = next(piece for piece in PIECES if piece.name == "sanitizer")
    assert pages.section(sanitizer, tmp_path) == pages.NOT_MEASURED
    assert pages.status(tmp_path) == pages.EXPERIMENTAL


def test_results_of_a_stand_in_never_lie_beside_those_of_a_gpu(tmp_path: Path) -> None:
    stand_in = {**GPU, "stand_in": "no driver"}
    assert results.folder_for(GPU, tmp_path, small=False) == report.RESULTS
    assert results.folder_for(stand_in, tmp_path, small=False) == tmp_path / "stand-in-results"
    assert results.folder_for(GPU, tmp_path, small=True) == tmp_path / "stand-in-results"


@pytest.mark.parametrize(
    ("driver", "names", "reason"),
    [
        ("NVRM", ["NVIDIA H200"], None),
        (None, ["NVIDIA H200"], "the operating system has no NVIDIA driver"),
        ("NVRM", [], "CUDA's driver library has no GPU, and CuPy 'NVIDIA H200'"),
        ("NVRM", ["Other"], "CUDA's driver library has Other, and CuPy 'NVIDIA H200'"),
    ],
)
def test_a_gpu_is_one_that_driver_and_operating_system_know(
    driver: str | None, names: list[str], reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "kernel_driver", lambda: driver)
    monkeypatch.setattr(device, "driver_names", lambda: names)
    assert device.why_no_gpu("NVIDIA H200") == reason


# -- the pages --------------------------------------------------------------------------------------


def test_the_pages_show_what_is_in_the_results() -> None:
    page = pages.PAGE.read_text(encoding="utf-8")
    for piece in PIECES:
        marked = re.search(
            rf"<!-- benchmarks gpu-{piece.name} -->\n\n(.*?)\n\n<!-- /benchmarks", page, re.S
        )
        assert marked is not None, piece.name
        assert marked[1] == pages.section(piece), (
            f"{piece.name}: python -m benchmarks gpu writes it"
        )


def test_the_cuda_device_is_experimental_until_a_gpu_has_measured_it() -> None:
    readme = report.README.read_text(encoding="utf-8")
    assert f"<!-- benchmarks gpu-status -->\n\n{pages.status()}\n" in readme
    experimental = pages.status() == pages.EXPERIMENTAL
    assert bool(device_note("cuda")) == experimental, (
        "minigan.devices notes that it is experimental"
    )


def test_a_measurement_ends_the_experiment(tmp_path: Path) -> None:
    page, readme = tmp_path / "gpu.md", tmp_path / "README.md"
    page.write_text(pages.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    readme.write_text("<!-- benchmarks gpu-status -->\n<!-- /benchmarks gpu-status -->\n")
    Results(tmp_path, "sanitizer").write("memcheck", **ERRORS)
    pages.write(page, readme, tmp_path)
    assert "The CUDA device has been measured on NVIDIA H200" in readme.read_text(encoding="utf-8")
    written = page.read_text(encoding="utf-8")
    assert "| memcheck | 0 |" in written and "Not measured yet: racecheck." in written
    assert "NVIDIA H200 (driver of CUDA 13.0, CuPy 14.2.0, torch 2.13.0), 2026-11-27, commit 0123456789ab." in written  # fmt: skip


# -- a worker and a session -------------------------------------------------------------------------


def raising(error: Exception) -> Part:
    def measure(context: Context) -> dict[str, Any]:
        raise error

    return Part("second", measure)


def piece_with(second: Part) -> Piece:
    good = [Part(name, lambda context: {"value": 1}, 0) for name in ("first", "third")]
    return Piece("trial", "?", [good[0], second, good[1]], lambda parts: None)


@pytest.fixture(autouse=True)
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The circumstances of a GPU, as the worker would find them."""
    monkeypatch.setattr(worker, "circumstances", lambda small: MEASURED)
    return MEASURED


@pytest.mark.parametrize(
    ("error", "code", "state", "reason"),
    [
        (AbsentError("jax is missing"), worker.ENDED, ABSENT, "jax is missing"),
        (FailedError("2 errors"), worker.FAILED_CODE, FAILED, "2 errors"),
        (ValueError("no\nway"), worker.FAILED_CODE, FAILED, "ValueError: no"),
    ],
)
def test_what_a_part_raises_is_kept(
    error: Exception, code: int, state: str, reason: str, tmp_path: Path
) -> None:
    file = Results(tmp_path, "trial")
    piece = piece_with(raising(error))
    assert worker.work(piece, ["first", "second", "third"], Context(tmp_path), file) == code
    found = file.read()
    assert found["second"]["state"] == state and found["second"]["values"]["reason"] == reason
    # after a failure the GPU cannot be trusted, and another process goes on
    assert found["first"]["state"] == DONE and ("third" in found) == (code == worker.ENDED)


def test_a_part_that_keeps_its_state_may_go_on_any_number_of_times(tmp_path: Path) -> None:
    file, piece = Results(tmp_path, "trial"), piece_with(raising(OutOfTimeError("step 5", kept=True)))  # fmt: skip
    for _ in range(5):
        assert worker.work(piece, ["second"], Context(tmp_path), file) == worker.OUT_OF_TIME
        assert results.is_open(file.read()["second"], MEASURED)


def test_a_part_that_never_ends_is_given_up_after_two_attempts(tmp_path: Path) -> None:
    file, piece = Results(tmp_path, "trial"), piece_with(raising(OutOfTimeError("too long")))
    worker.work(piece, ["second"], Context(tmp_path), file)
    assert results.is_open(file.read()["second"], MEASURED)
    worker.work(piece, ["second"], Context(tmp_path), file)
    assert not results.is_open(file.read()["second"], MEASURED)
    assert results.is_open(file.read()["second"], {**MEASURED, "code": "mended"})


def test_a_part_is_not_begun_with_too_little_time(tmp_path: Path) -> None:
    file = Results(tmp_path, "trial")
    long = Part("second", lambda context: {"value": 1}, seconds=100)
    context = Context(tmp_path).within(50)
    assert worker.work(piece_with(long), ["second", "third"], context, file) == worker.ENDED
    assert set(file.read()) == {"third"}


def test_a_session_measures_what_is_new_before_what_other_code_measured(tmp_path: Path) -> None:
    piece = piece_with(Part("second", lambda context: {}, 0))
    now = {**MEASURED, "device": {**GPU, "stand_in": "a test"}}
    run = session.Session([piece], now, tmp_path, False, time.monotonic() + 60)
    file = Results(run.folder, "trial")
    file.write("first", **changed("measured", "code", to="older"))
    file.write("second", **ERRORS)
    assert [part.name for part in run.open_parts(piece, set())] == ["first", "third"]
    begun: list[list[str]] = []

    def start(piece: Piece, parts: list[Part]) -> set[str]:
        begun.append([part.name for part in parts])
        for part in parts:
            file.write(part.name, **ERRORS)
        return {part.name for part in parts}

    object.__setattr__(run, "_start_worker", start)
    assert run.run()
    assert begun == [["third"], ["first"]]


def test_the_listing_says_what_is_known(tmp_path: Path) -> None:
    piece = piece_with(Part("second", lambda context: {}, 0))
    file = Results(tmp_path, "trial")
    file.write("first", **ERRORS)
    file.write("second", **{**ERRORS, "state": ABSENT, "values": {"reason": "bring it"}})
    lines = [line.split(maxsplit=1) for line in session.listing([piece], tmp_path, MEASURED)]
    assert [line[1] for line in lines] == ["?", "done in 1 s", "absent: bring it", "open"]


def test_a_result_file_is_json_that_says_what_it_is(tmp_path: Path) -> None:
    Results(tmp_path, "trial").write("first", **ERRORS)
    written = json.loads((tmp_path / "gpu-trial.json").read_text(encoding="utf-8"))
    assert written["benchmark"] == "gpu trial" and set(written["parts"]) == {"first"}
