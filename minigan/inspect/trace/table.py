"""A trace as tables for the terminal."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable

from rich.console import Console, Group, JustifyMethod, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from minigan.inspect.trace.records import (
    Freed,
    KernelRecord,
    OperationRecord,
    Recording,
    SavedRecord,
    Span,
)
from minigan.inspect.trace.source import backward_formulas, formula
from minigan.inspect.trace.units import milliseconds, scaled

WIDE = 130  # columns of a terminal that shows formulas too
_LEGEND = (
    "← marks a backward pass. Bytes and FLOPs are the least that the kernels move and compute."
)
_MEANINGS = {
    "saves": "`saves` is the new memory that the gradient keeps.",
    "freed": "`freed` tells where that memory is freed.",
}


def tables(trace: Recording, width: int) -> RenderableType:
    """Return the operations in order, the kernels by time, and the sums, for a terminal of that width."""
    operations = _operations(trace, width)
    shown = {str(column.header) for column in operations.columns}
    meanings = [text for name, text in _MEANINGS.items() if name in shown]
    return Group(
        operations,
        Text(f"\n{' '.join([_LEGEND, *meanings])}\n"),
        _kernels(trace),
        Text(f"\n{summary(trace)}"),
    )


def summary(trace: Recording) -> str:
    """Say in a line how much there was."""
    operations = sum(op.function is not None for op in trace.operations)
    calls = sum(len(span.kernels) for _, _, span in trace.spans())
    return (
        f"{trace.title} on {trace.device}: {operations} operations, {calls} kernel calls, "
        f"{1e3 * trace.seconds:,.1f} ms, at most {scaled(trace.peak_bytes, 'B')} of new memory at once"
    )


def as_text(trace: Recording) -> str:
    """Return the tables as plain text, 160 columns wide."""
    file = io.StringIO()
    Console(file=file, width=160, no_color=True).print(tables(trace, 160))
    return file.getvalue()


_NUMBERS = {"#", "ms", "bytes", "FLOPs", "saves"}
_WIDE = {"in", "formula"}  # columns for a wide terminal
_SPARE = ("freed", "saves", "FLOPs")  # left out of a narrow terminal, in this order
_WIDEST = {"operation": 26, "in": 24}


def _operations(trace: Recording, width: int) -> Table:
    table = Table(title="Operations, in order", title_justify="left", box=None, pad_edge=False)
    when = trace.when_freed()
    rows = [_row(trace, when, *run) for run in trace.spans()]
    widest = _WIDEST | {"formula": width - 125}
    names = _fitting(rows, widest, width) if rows else []
    for name in names:
        justify: JustifyMethod = "right" if name in _NUMBERS else "left"
        table.add_column(name, justify=justify, no_wrap=True, max_width=widest.get(name))
    styles = {"backward": "cyan", "kernel": "dim"}
    for (_, kind, _), row in zip(trace.spans(), rows, strict=True):
        table.add_row(*(escape(row[name]) for name in names), style=styles.get(kind, ""))
    return table


def _fitting(rows: list[dict[str, str]], widest: dict[str, int], width: int) -> list[str]:
    """Return the columns that a terminal of that width shows without cutting numbers."""
    names = [name for name in rows[0] if width >= WIDE or name not in _WIDE]
    taken = {
        name: min(max(len(name), *(len(row[name]) for row in rows)), widest.get(name, width)) + 2
        for name in names
    }
    for name in _SPARE:
        if sum(taken[name] for name in names) - 2 > width:
            names.remove(name)
    return names


def _row(
    trace: Recording,
    when: Callable[[SavedRecord], Freed],
    operation: OperationRecord,
    kind: str,
    span: Span,
) -> dict[str, str]:
    backward = kind == "backward"
    output = span.gradients[0] if backward else operation.output
    own = [] if backward else [s for s in operation.saved if _is_new(trace, s.allocation)]
    sizes = {saved.allocation: saved.bytes for saved in own}
    freed = dict.fromkeys(_freed(when(saved), operation) for saved in own)
    return {
        "#": str(operation.number),
        "operation": f"{operation.name}{' ←' if backward else ''}",
        "in": operation.module,
        "output": str(output) if output is not None else "",
        "formula": "; ".join(backward_formulas(operation)) if backward else formula(operation),
        "ms": milliseconds(span.seconds),
        "bytes": "" if span.cost is None else scaled(span.cost.bytes, "B"),
        "FLOPs": "" if span.cost is None else scaled(span.cost.all_flops),
        "saves": scaled(sum(sizes.values()), "B") if sizes else "",
        "freed": ", ".join(freed),
    }


def _freed(freed: Freed, operation: OperationRecord) -> str:
    if freed.operation is None:
        return {"end": "at the end"}.get(freed.kind, "kept")
    if freed.operation is operation:
        return "←"
    number = f"#{freed.operation.number}"
    return {"backward": f"{number} ←", "before": f"before {number}"}.get(freed.kind, number)


def _is_new(trace: Recording, allocation: int) -> bool:
    return trace.allocations[allocation].born is not None


def _kernels(trace: Recording) -> Table:
    calls: dict[str, list[KernelRecord]] = defaultdict(list)
    for _, _, span in trace.spans():
        for call in span.kernels:
            calls[call.kernel].append(call)
    table = Table(title="Kernels, by time", title_justify="left", box=None, pad_edge=False)
    table.add_column("kernel", overflow="fold")
    for name in ("calls", "ms", "share", "bytes", "FLOPs", "GFLOP/s", "GB/s"):
        table.add_column(name, justify="right")
    for kernel, own in sorted(calls.items(), key=lambda item: -sum(c.seconds for c in item[1])):
        seconds = sum(call.seconds for call in own)
        cost = Span(0.0, seconds, own).cost
        share = f"{seconds / trace.seconds:.1%}" if trace.seconds else ""
        cells = ["", "", "", ""]
        if cost is not None and seconds > 0:
            rates = (cost.all_flops / seconds / 1e9, cost.bytes / seconds / 1e9)
            amounts = [scaled(cost.bytes, "B"), scaled(cost.all_flops)]
            cells = [*amounts, *(f"{rate:,.1f}" for rate in rates)]
        table.add_row(kernel, str(len(own)), milliseconds(seconds), share, *cells)
    return table
