"""Times taken in turns, their summary, and peak memory."""

from __future__ import annotations

import random
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Rounds = list[list[float]]  # milliseconds of each call, a list a round


def interleave(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    calls: int,
    pause: float = 0.3,
    warm_up: int = 3,
    progress: Callable[[str], object] = lambda line: None,
) -> dict[str, Rounds]:
    """Time the contenders in turns: in each round every one makes some calls, after a pause.

    A machine's speed drifts, by heat and by what else it does; the ratio within a round is what stays. The
    pause is for threads that spin after their work, waiting for more: they would slow the next contender. The order is
    drawn anew in each round, so that none always follows the same other, and finds the caches as that one leaves them.
    """
    for name, call in contenders.items():
        progress(f"warming up: {name}")
        for _ in range(warm_up):
            call()
    times: dict[str, Rounds] = {name: [] for name in contenders}
    names, order = list(contenders), random.Random(0)
    for i in range(rounds):
        progress(f"round {i + 1} of {rounds}")
        for name in order.sample(names, len(names)):
            time.sleep(pause)
            times[name].append([milliseconds(contenders[name]) for _ in range(calls)])
    return times


def milliseconds(call: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def finished(call: Callable[[], object], synchronize: Callable[[], object]) -> Callable[[], object]:
    """Return the call, followed by the wait until the device has done its work."""

    def run() -> None:
        call()
        synchronize()

    return run


# -- summaries of times ------------------------------------------------------------------------


def summary(rounds: Rounds) -> dict[str, Any]:
    """Median, least, most and every time, as a result holds them."""
    times = [time for one in rounds for time in one]
    return {
        "median_ms": significant(statistics.median(times)),
        "min_ms": significant(min(times)),
        "max_ms": significant(max(times)),
        "rounds_ms": [[significant(time) for time in one] for one in rounds],
    }


def ratio_summary(own: Rounds, other: Rounds) -> dict[str, Any]:
    """Summarize own / other: the median of the rounds' ratios, their spread, and the ratio of the fastest calls."""
    ratios = round_ratios(own, other)
    return {
        "median": round(statistics.median(ratios), 4),
        "min": round(min(ratios), 4),
        "max": round(max(ratios), 4),
        "of_fastest": round(min(map(min, own)) / min(map(min, other)), 4),
        "rounds": [round(ratio, 4) for ratio in ratios],
    }


def round_ratios(own: Rounds, other: Rounds) -> list[float]:
    """Return the time of each round over that of the other's round beside it."""
    return [sum(a) / sum(b) for a, b in zip(own, other, strict=True)]


def scaled(rounds: Rounds, factor: float) -> Rounds:
    """Return every time multiplied."""
    return [[time * factor for time in one] for one in rounds]


def significant(value: float, digits: int = 6) -> float:
    """Return the value to so many digits: a clock knows no more."""
    return float(f"{value:.{digits}g}")


# -- memory ---------------------------------------------------------------------------------------


def peak_resident_mib() -> float:
    """Return the most memory that this process ever had resident."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux ru_maxrss begins with the peak of the process that started this one.
        peak = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        if peak:
            return int(peak[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
