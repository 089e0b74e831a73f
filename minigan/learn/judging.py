"""Judge a learner's file. `judge` runs it in a process with a time limit; this module is that process too."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigan.devices import get_device
from minigan.errors import SettingsError
from minigan.learn.catalogue import find
from minigan.learn.diagnosis import is_close, name_mistake
from minigan.learn.exercise import Function, Kernel

_TOLERANCE = 1e-6
FUNCTION_SECONDS = 15.0  # the time limit
KERNEL_SECONDS = 60.0  # that of a kernel: its first compilation takes some ten
_LIMITS = {Function: FUNCTION_SECONDS, Kernel: KERNEL_SECONDS}


@dataclass(frozen=True)
class Verdict:
    """Whether the file passes, a sentence for the learner, and the smallest failing case."""

    passed: bool
    message: str
    case: str = ""


def judge(file: Path, seconds: float | None = None) -> Verdict:
    """Judge the exercise that the file's name tells, in another process.

    It is stopped after `seconds`, by default a limit that fits the exercise.

    Raises SettingsError if there is no such file or exercise, DeviceError without a C++ compiler.
    """
    if not file.is_file():
        raise SettingsError(f"there is no file {file}; 'minigan learn start NAME' writes one")
    exercise = find(file.stem)
    if exercise.file_name != file.name:
        raise SettingsError(f"{file.name} is no answer; the exercise wants {exercise.file_name}")
    seconds = seconds or _LIMITS[type(exercise)]
    if isinstance(exercise, Kernel):
        get_device("emulated")  # an error here, where there is no compiler
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "verdict.json"
        command = [sys.executable, "-m", "minigan.learn.judging", str(file.absolute()), str(result)]
        try:
            run = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Verdict(False, f"stopped after {seconds:g} s: is there a loop without an end?")
        if not result.exists():
            last = (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
            return Verdict(False, f"the process ended before the judge did: {last}")
        return Verdict(**json.loads(result.read_text(encoding="utf-8")))


def judged_here(file: Path) -> Verdict:
    """Judge a file in this process."""
    exercise = find(file.stem)
    if isinstance(exercise, Kernel):
        from minigan.learn.kernel_judging import judge_kernel

        return Verdict(*judge_kernel(exercise, file))
    assert isinstance(exercise, Function)
    try:
        function = runpy.run_path(str(file)).get(exercise.name)
        if not callable(function):
            return Verdict(False, f"{file.name} defines no function {exercise.name}")
        return _judge_function(exercise, function)
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        return Verdict(False, f"{file.name}{line}: syntax error: {error.msg}")
    except NotImplementedError:
        return Verdict(False, f"{exercise.name} is not written yet")
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame.lineno for frame in frames if frame.filename == str(file)]
        line = f", line {own[-1]}" if own else ""
        return Verdict(False, f"{file.name}{line}: {type(error).__name__}: {error}")


def _judge_function(exercise: Function, function: Any) -> Verdict:
    cases = exercise.cases(np.random.default_rng(0))
    for case in cases:
        copies = tuple(np.copy(v) if isinstance(v, np.ndarray) else v for v in case)
        result = function(*copies)
        if result is None:
            return Verdict(False, f"{exercise.name} returns nothing; does a 'return' lack?")
        found, expected = _arrays(result), _arrays(exercise.expected(*case))
        shown = "\n".join(f"  argument {i + 1}: {_text(v)}" for i, v in enumerate(case))
        if len(found) != len(expected):
            message = f"{len(found)} results, and {len(expected)} are right"
            return Verdict(False, message, shown)
        slips = {text: _arrays(wrong(*case)) for text, wrong in exercise.slips.items()}
        for i, (own, right) in enumerate(zip(found, expected, strict=True)):
            if not is_close(own, right, _TOLERANCE):
                wrong = {text: results[i] for text, results in slips.items()}
                mistake = name_mistake(own, right, wrong, _TOLERANCE)
                case_text = f"{shown}\n  found:    {_text(own)}\n  expected: {_text(right)}"
                return Verdict(False, f"Result {i + 1} is wrong. {mistake}".strip(), case_text)
    return Verdict(True, f"right in {len(cases)} cases")


def _arrays(value: Any) -> list[Any]:
    items = value if isinstance(value, tuple) else (value,)
    return [np.asarray(item, dtype=np.float64) for item in items]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return repr(value)
    return np.array2string(np.asarray(value), precision=5, threshold=40).replace("\n", "\n    ")


if __name__ == "__main__":
    verdict = judged_here(Path(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(asdict(verdict)), encoding="utf-8")
