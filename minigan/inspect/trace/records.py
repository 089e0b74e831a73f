"""The records of a trace. Nothing here keeps an array alive."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from minigan.inspect.cost import Cost

if TYPE_CHECKING:
    from minigan.inspect.trace.values import Values


@dataclass
class ArrayRecord:
    """An array as it was. `source` is the number of the operation that made it; `name` is a parameter's."""

    role: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    source: int | None = None
    name: str = ""
    values: Values | None = None

    def __str__(self) -> str:
        return "×".join(map(str, self.shape)) or "scalar"


@dataclass
class KernelRecord:
    """One call of a kernel. `cost` is None for a kernel without a model of its cost."""

    kernel: str
    text: str
    start: float
    seconds: float
    cost: Cost | None


@dataclass
class Span:
    """One run of an operation, forward or backward. Times are seconds from the start of the trace."""

    start: float
    seconds: float = 0.0
    kernels: list[KernelRecord] = field(default_factory=list)
    gradients: list[ArrayRecord] = field(default_factory=list)

    @property
    def end(self) -> float:
        return self.start + self.seconds

    @property
    def cost(self) -> Cost | None:
        """Return the sum over its kernels; None if one of them has no model, or there is none."""
        costs = [call.cost for call in self.kernels]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Cost()) if costs and len(known) == len(costs) else None


@dataclass
class SavedRecord:
    """An array that an operation keeps for its gradient. `allocation` is its memory, in `Recording.allocations`."""

    name: str
    shape: tuple[int, ...]
    bytes: int
    allocation: int


@dataclass
class OperationRecord:
    """An operation, or a kernel that was called outside any operation (`function` is None)."""

    number: int
    name: str
    function: Callable[..., Any] | None
    module: str
    place: str
    inputs: list[ArrayRecord]
    settings: dict[str, str]
    forward: Span
    output: ArrayRecord | None = None
    saved: list[SavedRecord] = field(default_factory=list)
    backward: Span | None = None

    @property
    def spans(self) -> list[tuple[str, Span]]:
        """Return its forward run, and its backward run if there was one."""
        spans = [("forward" if self.function else "kernel", self.forward)]
        return spans + ([("backward", self.backward)] if self.backward else [])


@dataclass
class Allocation:
    """Memory that was seen. `born` is None if it is older than the trace, `freed` if it outlives it."""

    bytes: int
    born: float | None
    freed: float | None = None


_FREED = {
    "older": "kept: older than the step",
    "kept": "kept after the step",
    "end": "after the last operation",
    "before": "before {}",
    "forward": "in the forward pass of {}",
    "backward": "in the backward pass of {}",
    "kernel": "in {}",
}


@dataclass(frozen=True)
class Freed:
    """When memory was freed: `kind` is a key of the texts above, for most of them of an operation."""

    kind: str
    operation: OperationRecord | None = None

    def __str__(self) -> str:
        of = self.operation
        return _FREED[self.kind].format(f"#{of.number} {of.name}" if of else "")


@dataclass
class Recording:
    """The record of one step. It is complete when the block of `tracing` ends.

    Attributes:
        title: The name of the step.
        device: The name of the device.
        seconds: The time of the step, without the time that recording took.
        operations: Operations and kernel calls in the order in which they began.
        allocations: The memory of arrays that the step made or saved.
    """

    title: str = "trace"
    device: str = ""
    seconds: float = 0.0
    operations: list[OperationRecord] = field(default_factory=list)
    allocations: list[Allocation] = field(default_factory=list)

    def spans(self) -> Iterator[tuple[OperationRecord, str, Span]]:
        """Yield every run in order of time, with its operation and "forward", "backward" or "kernel"."""
        runs = [(op, kind, span) for op in self.operations for kind, span in op.spans]
        yield from sorted(runs, key=lambda run: run[2].start)

    def memory(self) -> list[tuple[float, int]]:
        """Return (time, live bytes) after each change. Memory from before the trace is not counted."""
        changes: list[tuple[float, int]] = []
        for allocation in self.allocations:
            if allocation.born is not None:
                changes.append((allocation.born, allocation.bytes))
                if allocation.freed is not None:
                    changes.append((allocation.freed, -allocation.bytes))
        curve, live = [(0.0, 0)], 0
        for time, change in sorted(changes):
            live += change
            curve.append((time, live))
        return curve

    @property
    def peak_bytes(self) -> int:
        """Return the most bytes that were live at once."""
        return max(live for _, live in self.memory())

    def when_freed(self) -> Callable[[SavedRecord], Freed]:
        """Return a function that tells when the memory of a saved array was freed."""
        runs = list(self.spans())
        ends = [span.end for _, _, span in runs]

        def tell(saved: SavedRecord) -> Freed:
            allocation = self.allocations[saved.allocation]
            if allocation.born is None or allocation.freed is None:
                return Freed("older" if allocation.born is None else "kept")
            place = bisect.bisect_left(ends, allocation.freed)
            if place == len(runs):
                return Freed("end")
            operation, kind, span = runs[place]
            return Freed(kind if span.start <= allocation.freed else "before", operation)

        return tell
