"""Is the GPU right? The self-test, the tests that are marked `gpu`, and NVIDIA's compute-sanitizer."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.gpu.piece import (
    AbsentError,
    Context,
    FailedError,
    OutOfTimeError,
    Part,
    Piece,
    Values,
    need,
)
from benchmarks.gpu.table import measured_by
from minigan.experiments.pages import Table

# -- the self-test ----------------------------------------------------------------------------------


def run_self_test(context: Context, full: bool) -> Values:
    """Compare each kernel, and steps of training, with the CPU: in float32, or in all precisions."""
    from minigan.inspect import self_test

    found = self_test.run_self_test("cuda", full=full and not context.small)
    context.say(found.line())
    checks = [
        {
            "name": check.name,
            "passed": check.passed,
            "detail": check.detail,
            "seconds": check.seconds,
        }
        for check in found.checks
    ]
    if not found.passed:
        raise FailedError(found.line())
    return {"seconds": found.seconds, "checks": checks}


def self_test_table(parts: Mapping[str, Values]) -> Table | None:
    """Return a row for each extent of the self-test."""
    rows = [
        [name, str(len(part["values"]["checks"])), f"{part['values']['seconds']:.1f}"]
        for name, part in parts.items()
    ]
    return Table("The self-test on a GPU", ("", "checks passed", "s"), rows, [measured_by(parts)])


SELF_TEST = Piece(
    "self-test",
    "Does each kernel compute what the CPU computes?",
    [Part("float32", functools.partial(run_self_test, full=False), 20, limit=500)],
    self_test_table,
)
FULL_SELF_TEST = Piece(
    "self-test-full",
    "And in TF32 and float64?",
    [Part("all precisions", functools.partial(run_self_test, full=True), 60, limit=500)],
    self_test_table,
)

# -- the tests --------------------------------------------------------------------------------------


def gpu_test_files() -> list[Path]:
    """Return the test files that have tests for a GPU: they, or their folder's conftest.py, name its mark or devices."""
    marks = re.compile(r"^from device_list import .*\b(KERNEL_DEVICES|DEVICES|gpu)\b", re.MULTILINE)

    def names_gpu(path: Path) -> bool:
        return path.exists() and marks.search(path.read_text(encoding="utf-8")) is not None

    files = sorted((report.ROOT / "tests").rglob("test_*.py"))
    return [path for path in files if names_gpu(path) or names_gpu(path.parent / "conftest.py")]


def run_tests(context: Context, path: Path) -> Values:
    """Run a file's tests that are marked `gpu`."""
    need("pytest")
    need("hypothesis")
    command = [
        sys.executable, "-m", "pytest", "-m", "gpu", "-q", "--tb=short", "-p", "no:cacheprovider", str(path),
    ]  # fmt: skip
    code, output = run(command, context)
    counts = {
        name: int(count)
        for count, name in re.findall(r"(\d+) (passed|failed|errors?|skipped)", output[-300:])
    }
    if code not in (0, 5):  # 5: none was chosen
        lines = [line for line in output.splitlines() if re.match(r"(FAILED|ERROR|E  )", line)]
        raise FailedError(f"{counts.get('failed', 0)} failed: {' / '.join(lines[-4:])[:600]}")
    return counts


def tests_table(parts: Mapping[str, Values]) -> Table | None:
    """Return a row for each file."""
    rows = [
        [name, str(part["values"].get("passed", 0)), str(part["values"].get("skipped", 0))]
        for name, part in parts.items()
    ]
    return Table("Tests on a GPU", ("file", "passed", "skipped"), rows, [measured_by(parts)])


def _test_parts() -> list[Part]:
    return [
        Part(path.relative_to(report.ROOT).as_posix(), functools.partial(run_tests, path=path), 40)
        for path in gpu_test_files()
    ]


TESTS = Piece("tests", "Do the tests that need a GPU pass?", _test_parts(), tests_table)

# -- compute-sanitizer ------------------------------------------------------------------------------

TOOLS = ("memcheck", "racecheck")


def sanitize(context: Context, tool: str) -> Values:
    """Run training steps under a tool of compute-sanitizer."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        raise AbsentError("compute-sanitizer is not installed; it is part of the CUDA toolkit")
    command = [program, "--tool", tool, *workload(context)]
    code, output = run(command, context)
    found = summary_of_sanitizer(output)
    if code or found is None or found:
        lines = [line for line in output.splitlines() if line.startswith("=========")]
        raise FailedError(
            f"{tool} found {found if found is not None else 'no summary'}, exit code {code}: "
            f"{' '.join(lines[:6])[:600] or output[-300:]}"
        )
    return {"errors": found}


def summary_of_sanitizer(output: str) -> int | None:
    """Return how many errors or hazards compute-sanitizer reports; None if it gives no summary."""
    found = re.findall(r"(?:ERROR SUMMARY|RACECHECK SUMMARY): (\d+) (?:errors?|hazards?)", output)
    return max(map(int, found)) if found else None


def sanitizer_table(parts: Mapping[str, Values]) -> Table | None:
    """Return a row for each tool."""
    rows = [[name, str(part["values"]["errors"])] for name, part in parts.items()]
    columns = ("tool", "errors in plain and captured training steps")
    return Table("compute-sanitizer", columns, rows, [measured_by(parts)])


SANITIZER = Piece(
    "sanitizer",
    "Does NVIDIA's compute-sanitizer find a wrong access or a race?",
    [Part(tool, functools.partial(sanitize, tool=tool), 90) for tool in TOOLS],
    sanitizer_table,
)

# -- other programs ---------------------------------------------------------------------------------


def workload(context: Context, kind: str = "steps") -> list[str]:
    """Return the command that takes training steps, for a tool of NVIDIA's to watch."""
    small = ["--small"] if context.small else []
    return [sys.executable, "-m", "benchmarks.gpu.workload", kind, *small]


def run(command: Sequence[str], context: Context) -> tuple[int, str]:
    """Run a program in the checkout, and return its exit code and its output."""
    limit = min(context.left(), 3600.0)
    try:
        done = subprocess.run(
            command, cwd=report.ROOT, text=True, errors="replace", timeout=limit, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        name = Path(command[0]).name
        raise OutOfTimeError(f"{name} was stopped after {limit:.0f} s") from None
    return done.returncode, done.stdout
