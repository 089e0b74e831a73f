"""A trace in Chrome's trace format, which Perfetto and chrome://tracing open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from minigan.files import write_json
from minigan.inspect.trace.records import KernelRecord, OperationRecord, Recording, Span
from minigan.inspect.trace.source import formula

_OPERATIONS, _KERNELS = 1, 2  # the tracks


def write_perfetto(trace: Recording, path: Path) -> None:
    """Write the runs of operations, the kernel calls and the live memory."""
    write_json(path, {"displayTimeUnit": "ms", "traceEvents": events(trace)})


def events(trace: Recording) -> list[dict[str, Any]]:
    """Return the events of Chrome's trace format; times are microseconds."""
    found = [_name("process_name", 0, trace.title)]
    found += [_name("thread_name", _OPERATIONS, "operations")]
    found += [_name("thread_name", _KERNELS, "kernels")]
    for operation, kind, span in trace.spans():
        found.append(_operation(operation, kind, span))
        found += [_kernel(call, operation) for call in span.kernels]
    for time, live in trace.memory():
        counter = {"name": "new memory", "ph": "C", "pid": 1, "ts": 1e6 * time}
        found.append({**counter, "args": {"bytes": live}})
    return found


def _name(what: str, track: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": 1, "tid": track, "args": {"name": name}}


def _slice(name: str, track: int, start: float, seconds: float) -> dict[str, Any]:
    times = {"ts": 1e6 * start, "dur": 1e6 * seconds}
    return {"name": name, "ph": "X", "pid": 1, "tid": track, **times}


def _operation(operation: OperationRecord, kind: str, span: Span) -> dict[str, Any]:
    about = {
        "number": operation.number,
        "formula": formula(operation),
        "inputs": [f"{array.role} {array}" for array in operation.inputs],
        "output": str(operation.output),
        "module": operation.module,
        "place": operation.place,
    }
    name = f"{operation.name} ({kind})" if kind == "backward" else operation.name
    event = _slice(name, _OPERATIONS, span.start, span.seconds)
    return {**event, "cat": kind, "args": about}


def _kernel(call: KernelRecord, operation: OperationRecord) -> dict[str, Any]:
    about: dict[str, Any] = {"call": call.text, "operation": operation.number}
    if call.cost is not None:
        about |= {"bytes": call.cost.bytes, "flops": call.cost.all_flops}
    event = _slice(call.kernel, _KERNELS, call.start, call.seconds)
    return {**event, "cat": "kernel", "args": about}
