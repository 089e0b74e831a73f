"""Run optimization steps: check every step, count its operations or time it, and make the table."""

from __future__ import annotations

import dataclasses
import statistics
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.ladder import gpu
from benchmarks.ladder.steps import Ladder, Problem, Step, check
from benchmarks.timing import interleave
from minigan.devices import get_device
from minigan.devices.emulated import Emulated
from minigan.experiments.pages import Table
from minigan.inspect.annotate import short
from minigan.inspect.profile import SECTOR_BYTES, Counts, summarize

DTYPE = "float32"


# -- counts, on the emulated device ---------------------------------------------------------------------


@dataclass(frozen=True)
class Count:
    """The counts of all launches of a step together; `counts` as `minigan profile` has them."""

    launches: int
    threads: int  # of the launch that moves the most
    counts: Counts
    times_least: float  # bytes of the sectors that were moved, for each byte that must be

    @property
    def intensity(self) -> float:
        """FLOPs for each byte moved."""
        return self.counts.flops / (self.counts.sectors * SECTOR_BYTES)


def count(step: Step[Any], problem: Problem, dtype: str = DTYPE) -> tuple[Count, float]:
    """Run a step with every access watched; its counts, and the relative error of its result."""
    device = Emulated(strict=True)
    arguments = problem.on(device, dtype)
    with device.profiling() as launches:
        found = step.run(device, arguments)
    profiles = [summarize(launch) for launch in launches]
    total = Counts()
    for profile in profiles:
        for field in dataclasses.fields(Counts):
            value = getattr(total, field.name) + getattr(profile.total, field.name)
            setattr(total, field.name, value)
    least = problem.least_elements * np.dtype(dtype).itemsize
    main = max(profiles, key=lambda profile: profile.total.sectors).launch
    threads = int(np.prod(main.grid) * np.prod(main.block))
    result = Count(len(profiles), threads, total, total.sectors * SECTOR_BYTES / least)
    return result, check(step, problem, dtype, found)


# -- times ----------------------------------------------------------------------------------------------


def cpu_times(ladder: Ladder[Any], rounds: int, pause: float) -> dict[str, list[float]]:
    """Milliseconds of each step on the CPU, a call a round, in turns; every result is checked first."""
    device = get_device("cpu")
    problem = ladder.problem(ladder.timed_size)
    calls = {}
    for step in ladder.cpu:
        check(step, problem, DTYPE, step.run(device, problem.on(device, DTYPE)))
        arguments = problem.on(device, DTYPE)
        calls[step.name] = lambda s=step, a=arguments: s.run(device, a)
    times = interleave(calls, rounds, 1, pause, warm_up=1)
    return {name: [t for one in found for t in one] for name, found in times.items()}


# -- results --------------------------------------------------------------------------------------------


def measure_cuda(ladder: Ladder[Any]) -> dict[str, Any]:
    """Return the counts of every step, and times where there is a GPU, as they are written."""
    problem = ladder.problem(ladder.counted_size)
    found = {}
    for step in ladder.cuda:
        counted, error = count(step, problem)
        found[step.name] = {
            "launches": counted.launches,
            "threads": counted.threads,
            "times_least": counted.times_least,
            "intensity": counted.intensity,
            "active_lanes": counted.counts.active_lanes,
            "error": error,
            **asdict(counted.counts),
        }
    return {"size": ladder.counted_size, "steps": found, "gpu": gpu.measure(ladder, DTYPE)}


def measure_cpu(ladder: Ladder[Any], rounds: int = 9, pause: float = 0.1) -> dict[str, Any]:
    """Return the times of every step, as they are written."""
    import numba

    times = cpu_times(ladder, rounds, pause)
    own = times[next(step.name for step in ladder.cpu if step.in_use)]
    found = {
        name: {
            "median_ms": statistics.median(found),
            "min_ms": min(found),
            "times_in_use": statistics.median(a / b for a, b in zip(found, own, strict=True)),
            "rounds_ms": [round(t, 4) for t in found],
        }
        for name, found in times.items()
    }
    threads = int(numba.get_num_threads())
    return {"size": ladder.timed_size, "threads": threads, "rounds": rounds, "steps": found}


_CUDA_COLUMNS = (
    "step", "launches", "threads", "global", "sectors", "bytes", "shared", "waves", "barriers", "lanes", "FLOPs", "FLOPs/byte",
)  # fmt: skip


def cuda_table(ladder: Ladder[Any], result: dict[str, Any]) -> Table:
    """Return the counts, and times if there are any."""
    timed = result["gpu"] or {"microseconds": {}, "of_peer": {}}
    own, shares = timed["microseconds"], timed["of_peer"]
    columns = [*_CUDA_COLUMNS, *(["µs"] if own else []), *(["% of PyTorch"] if shares else [])]
    rows = [
        [
            _name(step), *_cells(result["steps"][step.name]),
            *([f"{own[step.name]:.1f}"] if own else []), *([f"{shares[step.name]:.0%}"] if shares else []),
        ]
        for step in ladder.cuda
    ]  # fmt: skip
    notes = [f"{result['size']} {ladder.unit}, {DTYPE}, every result checked."]
    if own:
        notes.append(
            f"Times: {ladder.timed_size} {ladder.unit}, many calls in one graph, on {timed['name']}."
        )
    notes.append(f"Written by `python -m benchmarks ladder {ladder.name}`.")
    links = [step.source.removeprefix("kernels/") for step in ladder.cuda]
    # Where no step uses shared memory there is no column for it.
    said = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    columns, rows = [columns[i] for i in said], [[row[i] for i in said] for row in rows]
    return Table(ladder.title, columns, rows, (" ".join(notes),), links)


def _name(step: Step[Any]) -> str:
    return step.name + (" (in use)" if step.in_use else "")


def _cells(values: dict[str, Any]) -> list[str]:
    def each(what: str, accesses: str) -> str:
        return f"{values[what] / values[accesses]:.1f}" if values[accesses] else ""

    return [
        str(values["launches"]), f"{values['threads']:,}",
        short(values["global_requests"]), each("sectors", "global_requests"), f"{values['times_least']:.1f}×",
        short(values["shared_requests"]), each("wavefronts", "shared_requests"), short(values["barriers"]),
        f"{values['active_lanes']:.0%}", short(values["flops"]), f"{values['intensity']:.2g}",
    ]  # fmt: skip


def cpu_table(ladder: Ladder[Any], result: dict[str, Any]) -> Table:
    """Return the times: each step's own, and how many times as long as the one in use it takes."""
    problem = ladder.problem(result["size"])
    least_bytes = problem.least_elements * np.dtype(DTYPE).itemsize
    giga, unit = (problem.flops or least_bytes) / 1e9, "GFLOP/s" if problem.flops else "GB/s"
    rows = [
        [
            _name(step), f"{values['median_ms']:.3g}", f"{values['min_ms']:.3g}", f"{giga / values['median_ms'] * 1e3:.3g}",
            f"{values['times_in_use']:.2f}",
        ]
        for step in ladder.cpu
        for values in (result["steps"][step.name],)
    ]  # fmt: skip
    links = [f"../{step.source}" for step in ladder.cpu]
    machine = result["machine"]
    note = (
        f"{result['size']} {ladder.unit}, {DTYPE}; the median of {result['rounds']} calls of each in turns, after a check of every result, and of "
        f"the rounds' ratios. {machine['processor']}, {result['threads']} of {machine['cores']} cores, load {machine['load_average']} before, "
        f"{result['date'][:10]}, commit {(result['commit'] or 'unknown')[:7]}. Written by "
        f"`python -m benchmarks ladder {ladder.name} --device cpu`."
    )
    columns = ["step", "ms", "fastest", unit, "× the time in use"]
    return Table(f"{ladder.title}, on the CPU", columns, rows, (note,), links)
