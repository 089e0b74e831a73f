"""A newcomer's wait: the README's own lines in a fresh clone, with an empty home, from nothing to
sorted digits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import report
from minigan.experiments import pages
from minigan.experiments.pages import Table

RESULT = report.RESULTS / "first-minutes.json"
EVENTS = {
    "installed": "`pip install .` has ended",
    "first_step": "the first line of training is printed",
    "digits": "the sample grid of step 750: digits, a category each",
    "trained": "training and evaluation have ended",
}
_POLL = 0.2  # seconds


def commands() -> list[str]:
    """Return the README's lines that install and train, one by one."""
    text = report.README.read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    training = next(block for block in blocks if "minigan train mnist" in block)
    return [part.strip() for part in training.replace("\\\n", " ").split("&&")]


def measure(quick: bool) -> dict[str, Any]:
    """Run the README's lines; with `quick`, only to the grid of digits. Return the seconds from the start to each event."""
    with tempfile.TemporaryDirectory() as folder:
        clone, home = Path(folder) / "minigan", Path(folder) / "home"
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", str(report.ROOT), str(clone)], check=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MINIGAN", "XDG"))}
        environment["HOME"] = str(home)
        start, seconds = time.perf_counter(), {}
        *install, train = commands()
        for command in install:
            subprocess.run(command, shell=True, cwd=clone, env=environment, check=True)
        seconds["installed"] = time.perf_counter() - start
        for event in _events(train, clone, environment):
            seconds[event] = time.perf_counter() - start
            if quick and event == "digits":
                break
        return {"seconds": seconds, "evaluation": _evaluation(clone)}


def _events(train: str, clone: Path, environment: dict[str, str]) -> Iterator[str]:
    """Start the training, and yield each event when it is seen; a training that is not needed on is stopped."""
    log = clone / "train.log"
    seen = {
        "first_step": lambda: "step " in log.read_text(encoding="utf-8"),
        "digits": lambda: any(clone.glob("runs/*/samples/step-00000750.png")),
    }
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            f"exec {train}", shell=True, cwd=clone, env=environment, stdout=output, stderr=output
        )
    try:
        while process.poll() is None or seen:
            for event in [name for name, happened in seen.items() if happened()]:
                del seen[event]
                yield event
            if process.poll() is not None:
                break
            time.sleep(_POLL)
        if process.returncode:
            raise RuntimeError(f"{train} failed:\n{log.read_text(encoding='utf-8')[-2000:]}")
        yield "trained"
    finally:
        process.terminate()
        process.wait()


def _evaluation(clone: Path) -> dict[str, float] | None:
    """Return the errors that the run's evaluation found; None of a training that was stopped."""
    found = next(clone.glob("runs/*/evaluation.json"), None)
    if found is None:
        return None
    evaluation = json.loads(found.read_text(encoding="utf-8"))
    return {split: evaluation[split]["one_to_one_error"] for split in ("train", "test")}


def run(quick: bool, write: bool, say: Callable[[str], object]) -> None:
    """Measure, say each time, and keep the result; a quick one is not kept."""
    result = {**report.circumstances(), "commands": commands(), **measure(quick)}
    say(table(result).plain())
    if write and not quick:
        pages.write_json(RESULT, result)
        report.rewrite_section(report.PERFORMANCE, "first-minutes", table(result).markdown())


def table(result: dict[str, Any]) -> Table:
    """Return a row for each event."""
    machine, errors = result["machine"], result["evaluation"]
    rows = [[EVENTS[name], f"{seconds:.0f}"] for name, seconds in result["seconds"].items()]
    notes = [
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_average']} before; commit "
        f"{(result['commit'] or 'unknown')[:7]}."
    ]
    if errors:
        notes.append(f"Its error on the test images is {100 * errors['test']:.1f} %.")
    return Table("From a fresh clone, with an empty home", ("until", "s"), rows, notes)
