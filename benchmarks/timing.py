"""Time taken in turns, and peak memory."""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

Rounds = list[list[float]]  # milliseconds of each call, a list a round


def interleave(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    calls: int,
    pause: float = 0.3,
    warm_up: int = 3,
) -> dict[str, Rounds]:
    """Time the contenders in turns: in each round every one makes some calls, after a pause.

    A machine's speed drifts, by heat and by what else it does; the ratio within a round is what stays. The
    pause is for threads that spin after their work, waiting for more: they would slow the next contender.
    """
    for call in contenders.values():
        for _ in range(warm_up):
            call()
    times: dict[str, Rounds] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            time.sleep(pause)
            times[name].append([milliseconds(call) for _ in range(calls)])
    return times


def milliseconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def round_ratios(own: Rounds, other: Rounds) -> list[float]:
    """The time of each round over that of the other's round beside it."""
    return [sum(a) / sum(b) for a, b in zip(own, other, strict=True)]


def peak_resident_mib() -> float:
    """The most memory that this process ever had resident."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux ru_maxrss begins with the peak of the process that started this one.
        peak = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        if peak:
            return int(peak[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
