"""Which parts are measured, in which order, within how many minutes; and the state of each part."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report
from benchmarks.gpu import pages, results
from benchmarks.gpu.piece import Part, Piece
from benchmarks.gpu.results import ABSENT, DONE, FAILED, STARTED, Results, Values
from benchmarks.gpu.worker import OUT_OF_TIME

_TO_STOP = 10  # seconds that a worker gets after its time, before it is killed


@dataclass(frozen=True)
class Session:
    """One call of the command: its pieces, its end, and where its results go."""

    pieces: Sequence[Piece]
    now: Values  # the circumstances
    work: Path
    small: bool
    end: float  # of `time.monotonic`
    again: bool = False  # measure finished parts too
    say: Callable[[str], object] = print

    @property
    def folder(self) -> Path:
        return results.folder_for(self.now["device"], self.work, self.small)

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.end - time.monotonic()

    def run(self) -> bool:
        """Measure the open parts; those that were never measured first. Return whether all is done that can be."""
        tried: set[tuple[str, str]] = set()
        for fresh in (True, False):
            for piece in self.pieces:
                self._run_piece(piece, fresh, tried)
        return not any(self._is_left(piece) for piece in self.pieces)

    def _is_left(self, piece: Piece) -> bool:
        """Return whether a later call could measure more; absent parts do not count."""
        known = Results(self.folder, piece.name).read()
        parts = [known.get(part.name) for part in piece.parts]
        return any(
            results.is_open(part, self.now) and (part is None or part["state"] != ABSENT)
            for part in parts
        )

    def open_parts(self, piece: Piece, tried: set[tuple[str, str]]) -> list[Part]:
        """Return the parts that are still to be measured, but for those that this call has tried."""
        known = Results(self.folder, piece.name).read()
        return [
            part
            for part in piece.parts
            if (piece.name, part.name) not in tried
            and (self.again or results.is_open(known.get(part.name), self.now))
        ]

    def _run_piece(self, piece: Piece, fresh: bool, tried: set[tuple[str, str]]) -> None:
        known = Results(self.folder, piece.name).read()
        measured = False
        while parts := [
            part
            for part in self.open_parts(piece, tried)
            if part.seconds <= self.left() and (not fresh or _is_fresh(known.get(part.name)))
        ]:
            before = {part.name for part in parts}
            reached = self._start_worker(piece, parts)
            measured = True
            tried |= {(piece.name, name) for name in reached & before}
            if not reached:  # the worker began none of them
                break
        if measured:
            self._show(piece)

    def _start_worker(self, piece: Piece, parts: Sequence[Part]) -> set[str]:
        """Measure parts in a process; return the names of those that it began."""
        file = Results(self.folder, piece.name)
        before = file.read()
        seconds = max(1.0, self.left())
        command = [
            sys.executable, "-m", "benchmarks", "gpu", "--worker", piece.name, "--seconds", f"{seconds:.1f}",
            "--work", str(self.work), *(["--small"] if self.small else []),
            "--parts", *(part.name for part in parts),
        ]  # fmt: skip
        process = subprocess.Popen(command, cwd=report.ROOT, env=_environment(self.work))
        try:
            code = process.wait(seconds + _TO_STOP)
        except subprocess.TimeoutExpired:
            code = OUT_OF_TIME
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code != OUT_OF_TIME:
            file.fail_started(f"its process ended with code {code}")
        after = file.read()
        return {name for name, values in after.items() if before.get(name) != values}

    def _show(self, piece: Piece) -> None:
        """Print the table of a piece; write the pages where a GPU measured it."""
        found = results.done_parts(Results(self.folder, piece.name).read())
        if found and (table := piece.table(found)):
            self.say(f"\n{table.plain()}\n")
        if self.folder == results.RESULTS:
            pages.write()


def _is_fresh(part: Values | None) -> bool:
    """Return whether a part has never had a result, by any code."""
    return part is None or part["state"] in (STARTED, FAILED)


def _environment(work: Path) -> dict[str, str]:
    """Return the environment of a worker: the GPU's memory is shared, and compiled code is kept."""
    return {
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TORCHINDUCTOR_CACHE_DIR": str(work / "inductor"),
        "TRITON_CACHE_DIR": str(work / "triton"),
        "PYTHONUNBUFFERED": "1",
        **os.environ,
    }


def listing(pieces: Sequence[Piece], folder: Path, now: Values | None) -> list[str]:
    """Return a line for each part: its state."""
    lines = []
    for piece in pieces:
        known = Results(folder, piece.name).read()
        lines.append(f"{piece.name}: {piece.question}")
        lines += [f"    {part.name:28} {_state(known.get(part.name), now)}" for part in piece.parts]
    return lines


def _state(part: Values | None, now: Values | None) -> str:
    if part is None:
        return "open"
    same = now is None or results.is_same_code(part, now)
    other = "" if same else ", by other code or on another device"
    if part["state"] == STARTED:
        return f"begun, not ended{other}"
    if part["state"] == DONE:
        return f"done in {part['seconds']:.0f} s{other}"
    return f"{part['state']}{other}: {part['values']['reason']}"
