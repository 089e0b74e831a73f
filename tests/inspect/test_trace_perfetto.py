"""Chrome's trace format, as Perfetto reads it."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np

import minigan as mg


def written(path: Path) -> tuple[Any, list[dict[str, Any]]]:
    """Return a trace, and the events that its file holds."""
    w = mg.tensor(np.ones((7, 3), np.float32), requires_grad=True)
    with mg.tracing(title="a <title>") as trace:
        mg.linear(np.ones((5, 7), np.float32), w).sum().backward()
    trace.save(path)
    return trace, json.loads(path.read_text(encoding="utf-8"))["traceEvents"]


def test_each_run_and_kernel_is_a_slice(tmp_path: Path) -> None:
    trace, events = written(tmp_path / "trace.json")
    slices = [event for event in events if event["ph"] == "X"]
    names = [event["name"] for event in slices if event["cat"] != "kernel"]
    assert names == ["linear", "sum", "sum (backward)", "linear (backward)"]
    kernels = [event for event in slices if event["cat"] == "kernel"]
    assert len(kernels) == sum(len(span.kernels) for _, _, span in trace.spans())
    (first,) = (event for event in slices if event["name"] == "linear")
    (call,) = (
        event
        for event in kernels
        if event["args"]["operation"] == 0 and event["ts"] < first["ts"] + first["dur"]
    )
    assert first["ts"] <= call["ts"] and call["args"]["flops"] == 210
    assert first["dur"] == 1e6 * trace.operations[0].forward.seconds


def test_slices_of_a_track_do_not_overlap(tmp_path: Path) -> None:
    _, events = written(tmp_path / "trace.json")
    for track in (1, 2):
        times = sorted(
            (e["ts"], e["ts"] + e["dur"]) for e in events if e["ph"] == "X" and e["tid"] == track
        )
        assert len(times) > 2
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(times))


def test_the_counter_is_the_curve_of_memory(tmp_path: Path) -> None:
    trace, events = written(tmp_path / "trace.json")
    counted = [event["args"]["bytes"] for event in events if event["ph"] == "C"]
    assert counted == [live for _, live in trace.memory()] and max(counted) > 0
