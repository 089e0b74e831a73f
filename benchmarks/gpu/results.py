"""The findings of a piece so far, in ``gpu-NAME.json``: each part, who measured it, and where."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.gpu import device
from minigan.errors import SettingsError
from minigan.experiments import pages

DONE, FAILED, ABSENT, STARTED = "done", "failed", "absent", "started"
STATES = (DONE, FAILED, ABSENT, STARTED)
MOST_ATTEMPTS = 2  # of a part that never came to an end
RESULTS = report.RESULTS

Values = dict[str, Any]


class Results:
    """The result file of a piece in a folder. Every change is written at once."""

    def __init__(self, folder: Path, piece: str) -> None:
        self.path, self.piece = folder / f"gpu-{piece}.json", piece

    def read(self) -> Values:
        """Return the parts by name; empty if there is no file yet."""
        if not self.path.exists():
            return {}
        parts: Values = json.loads(self.path.read_text(encoding="utf-8"))["parts"]
        return parts

    def write(self, part: str, **values: Any) -> None:
        """Set all that is known of a part."""
        parts = {**self.read(), part: values}
        pages.write_json(self.path, {"benchmark": f"gpu {self.piece}", "parts": parts})

    def start(self, part: str, circumstances: Values) -> None:
        """Note that a part begins: if nothing else is noted later, it did not end."""
        before = self.read().get(part, {})
        same = before.get("state") == STARTED and is_same_code(before, circumstances)
        attempts = before.get("attempts", 0) + 1 if same else 1
        self.write(part, state=STARTED, attempts=attempts, measured=circumstances)

    def end(self, part: str, state: str, values: Values, seconds: float) -> None:
        """Note what came out of a part that was started."""
        started = self.read()[part]
        self.write(
            part,
            state=state,
            seconds=round(seconds, 2),
            measured=started["measured"],
            values=values,
        )

    def go_on_later(self, part: str) -> None:
        """Note that a part stopped for lack of time, in good order: this counts as no attempt."""
        self.write(part, **{**self.read()[part], "attempts": 0})

    def fail_started(self, reason: str) -> str | None:
        """Note why the process of the part that is under way died; return the part's name."""
        for part, values in self.read().items():
            if values["state"] == STARTED and values["attempts"]:
                self.end(part, FAILED, {"reason": reason}, 0)
                return part
        return None


def circumstances(small: bool = False) -> Values:
    """Return when and where a part is measured: device, driver, versions, commit, and a hash of the code."""
    common = report.circumstances()
    common["versions"] |= report.versions_of(("cupy-cuda13x", "cupy-cuda12x", "jax", "jaxlib"))
    return {**common, "device": device.describe(), "code": code(), "small": small}


@functools.cache
def code() -> str:
    """Return a hash of the files that decide a measurement: also without git."""
    digest = hashlib.sha256()
    for folder, pattern in (
        ("minigan", "**/*.py"),
        ("kernels", "*.cu*"),
        ("benchmarks", "**/*.py"),
    ):
        for path in sorted((report.ROOT / folder).glob(pattern)):
            digest.update(path.relative_to(report.ROOT).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def is_same_code(part: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether a part was measured by this code, on this device."""
    then = part["measured"]
    return bool(then["code"] == now["code"] and then["device"]["name"] == now["device"]["name"])


def is_open(part: Mapping[str, Any] | None, now: Mapping[str, Any]) -> bool:
    """Return whether a part is still to be measured by this code on this device."""
    if part is None or not is_same_code(part, now):
        return True
    began: bool = part["state"] == STARTED and part["attempts"] < MOST_ATTEMPTS
    return began or part["state"] == ABSENT  # which may have been brought meanwhile


def done_parts(parts: Mapping[str, Any]) -> Values:
    """Return the parts that are done, by name."""
    return {name: part for name, part in parts.items() if part["state"] == DONE}


# -- what counts as measured on a GPU ---------------------------------------------------------------


def refusal(part: Mapping[str, Any]) -> str | None:
    """Return why a part is no measurement of a GPU; None if it is one."""
    if part.get("state") != DONE:
        return "it is not done"
    measured = part.get("measured", {})
    found = measured.get("device")
    if not isinstance(found, dict) or "stand_in" not in found:
        return "it names no device"
    if found["stand_in"] is not None:
        return f"a stand-in made it: {found['stand_in']}"
    if missing := [key for key in ("name", "driver", "cuda_driver") if not found.get(key)]:
        return f"its device has no {missing[0]}"
    if measured.get("small"):
        return "it was made with small sizes"
    return None


def measured_parts(piece: str, folder: Path = RESULTS) -> Values:
    """Return the parts of a piece that a GPU measured, by name."""
    parts = Results(folder, piece).read()
    return {name: part for name, part in parts.items() if refusal(part) is None}


def folder_for(found: Mapping[str, Any], work: Path, small: bool) -> Path:
    """Return where results go: those of a stand-in, or of small sizes, never beside those of a GPU."""
    if found["stand_in"] is not None or small:
        return work / "stand-in-results"
    return RESULTS


def check_writable(folder: Path) -> None:
    """Raise SettingsError unless results can be written to a folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{folder} cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise SettingsError(f"{folder} cannot be written; run from a checkout of your own")
