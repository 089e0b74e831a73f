"""Where the time of a training step goes: by kernel of the contract, and how near to the machine's limits each is."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minigan.devices import Device
from minigan.experiments.pages import Table
from minigan.inspect.calls import watched_kernels
from minigan.inspect.cost import Cost, Roofline, call_cost

ELSEWHERE = "elsewhere"  # Python between the kernels: the graph, the allocation of buffers


def measure(step: Callable[[], object], device: Device, steps: int) -> dict[str, dict[str, Any]]:
    """Return by kernel, the longest first: calls, milliseconds (the median over `steps` steps), and cost, of one step.

    Each call is waited for, so on a GPU the times are those of kernels launched one by one.
    """
    costs = step_costs(step, device)
    samples = [_step_times(step, device) for _ in range(steps)]
    result = {
        kernel: {
            "calls": cost.launches,
            "median_ms": round(statistics.median(one[kernel] for one in samples), 4),
            "mbytes": round(cost.bytes / 1e6, 4),
            "gflop": round(cost.all_flops / 1e9, 6),
        }
        for kernel, cost in {**costs, ELSEWHERE: Cost()}.items()
    }
    return dict(sorted(result.items(), key=lambda item: -item[1]["median_ms"]))


def step_costs(step: Callable[[], object], device: Device) -> dict[str, Cost]:
    """Return the cost of one step, by kernel."""
    costs: defaultdict[str, Cost] = defaultdict(Cost)

    def count(kernel: str, arguments: Sequence[Any], settings: Any, run: Callable[[], Any]) -> Any:
        result = run()
        costs[kernel] += call_cost(kernel, arguments, settings, result)
        return result

    with watched_kernels(device, count):
        step()
    return dict(costs)


def _step_times(step: Callable[[], object], device: Device) -> dict[str, float]:
    """Milliseconds of one step, by kernel, and elsewhere."""
    times: defaultdict[str, float] = defaultdict(float)

    def clock(kernel: str, arguments: Any, settings: Any, run: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = run()
        device.synchronize()
        times[kernel] += (time.perf_counter() - start) * 1e3
        return result

    with watched_kernels(device, clock):
        start = time.perf_counter()
        step()
        total = (time.perf_counter() - start) * 1e3
    times[ELSEWHERE] = total - sum(times.values())
    return times


def table(operations: Mapping[str, Mapping[str, Any]], roof: Roofline, title: str) -> Table:
    """Return a row for each kernel. Shares are of the measured GEMM rate and of the measured memory bandwidth."""
    total = sum(values["median_ms"] for values in operations.values())
    rows = []
    for kernel, values in operations.items():
        seconds = values["median_ms"] / 1e3
        rows.append(
            (
                kernel if kernel == ELSEWHERE else f"`{kernel}`",
                str(values["calls"] or "–"),
                f"{values['median_ms']:.2f}",
                f"{values['median_ms'] / total:.1%}",
                f"{values['gflop']:.3f}",
                f"{values['mbytes']:.1f}",
                _share(values["gflop"] * 1e9, seconds * roof.peak),
                _share(values["mbytes"] * 1e6, seconds * roof.bandwidth),
            )
        )
    columns = (
        "kernel", "calls", "ms", "of the step", "GFLOP", "MB", "of the GEMM rate", "of the memory bandwidth",
    )  # fmt: skip
    return Table(title, columns, rows)


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}" if part and whole else "–"
