"""How long the first results take: a new process, with no kernels compiled yet, then with them.

What counts is processor seconds, of the process and of the one that helps it compile: other work on the machine hardly changes them.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from minigan.experiments import pages
from minigan.files import write_json

RESULT = Path(__file__).parent / "results" / "startup.json"

FIRST_STEP = """
import numpy as np
from minigan.experiments.declarations import MNIST
from minigan.experiments.trainer import Trainer
images = np.random.default_rng(0).integers(0, 256, (512, 28, 28, 1), np.uint8)
Trainer(MNIST, images).step()
"""
CHECK = """
import numpy as np
import minigan as mg
rng = np.random.default_rng(0)
x, w = (mg.tensor(rng.normal(size=s), requires_grad=True) for s in ((2, 6, 6, 3), (4, 4, 3, 2)))
mg.check_gradients(lambda x, w: mg.conv2d(x, w, stride=2, padding=1), x, w)
"""


@dataclass(frozen=True)
class Startup:
    """One process, from its start to its end."""

    processor_seconds: float
    seconds: float


_REPEATS = 5

SCRIPTS = {"first_step": FIRST_STEP, "first_check": CHECK}
TITLES = {
    "first_step": "first training step of mnist, no kernels compiled",
    "first_step_again": "the same, kernels compiled before",
    "first_check": "first float64 check_gradients of a convolution, no kernels compiled",
}


def measure(name: str) -> dict[str, Startup]:
    """Measure a script in a separate cache. Where the table has it again too: the medians of some processes after it."""
    script, again = SCRIPTS[name], f"{name}_again"
    with tempfile.TemporaryDirectory() as cache:
        found = {name: _run(script, cache)}
        if again in TITLES:
            runs = [_run(script, cache) for _ in range(_REPEATS)]
            found[again] = Startup(
                statistics.median(run.processor_seconds for run in runs),
                statistics.median(run.seconds for run in runs),
            )
    return found


def _run(script: str, cache: str) -> Startup:
    environment = {**os.environ, "XDG_CACHE_HOME": cache, "HOME": cache, "MINIGAN_QUIET": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users keep bytecode; without it, 0.4 s more
    before, started = _processor_seconds(), time.perf_counter()
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
    return Startup(_processor_seconds() - before, time.perf_counter() - started)


def _processor_seconds() -> float:
    """Return the processor seconds of all processes that this one started and that have ended, and of those that they started."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(write: bool, say: Callable[[str], object]) -> dict[str, Any]:
    """Measure all cases; with `write`, keep the result."""
    cases = {}
    for script in SCRIPTS:
        for name, found in measure(script).items():
            cases[name] = asdict(found)
            took = f"{found.processor_seconds:.1f} processor seconds, {found.seconds:.1f} s"
            say(f"{TITLES[name]}: {took}")
    result = {"cases": cases, "circumstances": report.circumstances()}
    if write:
        write_json(RESULT, result)
        report.rewrite_section(report.PERFORMANCE, "startup", table(result).markdown())
    return result


def table(result: dict[str, Any]) -> pages.Table:
    """Return a row for each case."""
    about = result["circumstances"]
    machine = about["machine"]
    note = (
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_average']} before; commit "
        f"{about['commit'][:7]}. Processor seconds count, since other work hardly changes them."
    )
    rows = [
        (TITLES[name], f"{case['processor_seconds']:.1f}", f"{case['seconds']:.1f}")
        for name, case in result["cases"].items()
    ]
    columns = ("first in a new process", "processor seconds", "seconds")
    return pages.Table("The first results of a new process", columns, rows, [note])


def kept() -> dict[str, Startup]:
    """Return the cases that the last written run measured."""
    cases = json.loads(RESULT.read_text(encoding="utf-8"))["cases"]
    return {name: Startup(**case) for name, case in cases.items()}
