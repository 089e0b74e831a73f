"""Text pictures: which elements are wrong, and which thread touched what."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from minigan.inspect.profile import KernelProfile
from minigan.learn.diagnosis import is_wrong
from minigan.learn.exercise import Array

_THREAD = re.compile(r"thread \((\d+),(\d+),(\d+)\) of block \((\d+),(\d+),(\d+)\)")
_ACCESS = re.compile(r"\b(reads|read|writes|wrote|waits|ended)\b")
_MOST_ROWS, _MOST_COLUMNS = 16, 64


def picture_of_result(found: Array, expected: Array, tolerance: float) -> str:
    """Return a map of the elements: `·` is right, `x` wrong, `?` not written."""
    wrong = is_wrong(found, expected, tolerance)
    marks = np.where(np.isnan(found), "?", np.where(wrong, "x", "·"))
    if marks.ndim < 2:
        width = min(32, max(1, marks.size))
        rows = ["".join(marks.ravel()[i : i + width]) for i in range(0, marks.size, width)]
    else:
        rows = ["".join(row[:_MOST_COLUMNS]) for row in marks.reshape(-1, marks.shape[-1])]
    more = [f"and {len(rows) - _MOST_ROWS} more rows"] if len(rows) > _MOST_ROWS else []
    key = "· right, x wrong, ? not written"
    return "\n".join([*(f"  {row}" for row in rows[:_MOST_ROWS]), *more, key])


def picture_of_threads(message: str) -> str:
    """Return one line for each thread that an emulator's message names: its place in its warp and its access."""
    lines = []
    threads = list(_THREAD.finditer(message))
    ends = [*(thread.start() for thread in threads[1:]), len(message)]
    for match, end in zip(threads, ends, strict=True):
        x, y, z, *block = map(int, match.groups())
        access = _ACCESS.search(message, match.end(), end)
        lane = "·" * (x % 32) + "#" + "·" * (31 - x % 32)
        verb = access.group(1) if access else "is here"
        lines.append(f"  {lane}  thread ({x},{y},{z}), block {tuple(block)}: {verb}")
    return "\n".join(lines)


def picture_of_traffic(profile: KernelProfile, file: Path) -> str:
    """Return the lines that touch global memory: a `#` for each sector of 32 bytes that a warp moves."""
    source = file.read_text(encoding="utf-8").splitlines()
    lines = []
    for number, counts in sorted(profile.lines.get(file, {}).items()):
        if not counts.sectors:
            continue
        each, least = (n / counts.global_requests for n in (counts.sectors, counts.least_sectors))
        bar = "#" * round(each)
        lines.append(f"  {bar:32}  {each:.3g} sectors an access, {least:.3g} would do")
        lines.append(f"  line {number}: {source[number - 1].strip()}")
    return "\n".join(lines)
