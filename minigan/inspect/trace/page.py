"""A trace as one HTML page that needs no network: its data, and the scripts in web/."""

from __future__ import annotations

import base64
import inspect
import io
import math
from pathlib import Path
from typing import Any

from PIL import Image

from minigan.devices import get_device
from minigan.devices.device import KERNELS
from minigan.files import write_text
from minigan.html_page import assemble_page, first_that_fits
from minigan.inspect.trace.layout import place
from minigan.inspect.trace.records import (
    ArrayRecord,
    KernelRecord,
    OperationRecord,
    Recording,
    SavedRecord,
    Span,
)
from minigan.inspect.trace.roof import measure_roof
from minigan.inspect.trace.source import backward_formulas, formula, source
from minigan.inspect.trace.table import summary
from minigan.inspect.trace.values import Values

MOST_OPERATIONS = 1_000  # of a page, which has to open in two seconds
_WEB = Path(__file__).with_name("web")
_SCRIPTS = ("elements.js", "graph.js", "time.js", "roofline.js", "detail.js", "main.js")


def write_page(trace: Recording, path: Path) -> None:
    """Write the page; its roofline is measured now."""
    write_text(path, page(trace))


def page(trace: Recording) -> str:
    """Return the page, at most about `html_page.MOST_BYTES` long; it names the parts that were left out for that."""
    versions = ("", "pictures", "pictures and histograms")
    data = first_that_fits(_Data(trace, left_out).whole() for left_out in versions)
    return assemble_page(_WEB, trace.title, data, _SCRIPTS)


class _Data:
    """The data of a page, as JSON's plain values. Texts and pictures that recur are listed once."""

    def __init__(self, trace: Recording, left_out: str) -> None:
        self.trace = trace
        self.left_out = left_out
        self.operations = trace.operations[:MOST_OPERATIONS]
        self.when_freed = trace.when_freed()
        self.pictures: dict[str, int] = {}
        self.codes: dict[str, int] = {}

    def whole(self) -> dict[str, Any]:
        trace = self.trace
        operations = [self.operation(operation) for operation in self.operations]
        for operation, (lane, rank) in zip(operations, self.places(), strict=True):
            operation |= {"lane": lane, "rank": rank}
        called = {call.kernel for _, _, span in trace.spans() for call in span.kernels}
        roof = measure_roof(get_device(trace.device)) if trace.device else None
        return {
            "title": trace.title,
            "summary": summary(trace),
            "seconds": trace.seconds,
            "peak": trace.peak_bytes,
            "operations": operations,
            "memory": trace.memory(),
            "pictures": list(self.pictures),
            "codes": list(self.codes),
            "kernels": {name: KERNELS[name] for name in sorted(called)},
            "roof": {"peak": roof.peak, "bandwidth": roof.bandwidth} if roof else None,
            "leftOut": self.left_out,
            "all": len(trace.operations),
        }

    def places(self) -> list[tuple[int, int]]:
        sources = {
            operation.number: [a.source for a in operation.inputs if a.source is not None]
            for operation in self.operations
        }
        return place(len(self.operations), sources)

    def operation(self, operation: OperationRecord) -> dict[str, Any]:
        function = operation.function
        code = source(function) if function else ""
        return {
            "number": operation.number,
            "name": operation.name,
            "isKernel": function is None,
            "module": operation.module,
            "place": operation.place,
            "formula": formula(operation),
            "gradients": backward_formulas(operation) if operation.backward else [],
            "about": inspect.getdoc(function) or "" if function else "",
            "code": self.codes.setdefault(code, len(self.codes)),
            "settings": operation.settings,
            "inputs": [self.array(array) for array in operation.inputs],
            "output": self.array(operation.output) if operation.output else None,
            "saved": [self.saved(saved) for saved in operation.saved],
            "forward": self.span(operation.forward),
            "backward": self.span(operation.backward) if operation.backward else None,
        }

    def saved(self, saved: SavedRecord) -> dict[str, Any]:
        freed = self.when_freed(saved)
        shown = freed.operation is not None and freed.operation.number < MOST_OPERATIONS
        return {
            "name": saved.name,
            "shape": saved.shape,
            "bytes": saved.bytes,
            "isNew": freed.kind != "older",
            "freed": str(freed),
            "by": freed.operation.number if freed.operation and shown else None,
        }

    def span(self, span: Span) -> dict[str, Any]:
        return {
            "start": span.start,
            "seconds": span.seconds,
            "gradients": [self.array(array) for array in span.gradients],
            "calls": [_call(call) for call in span.kernels],
        }

    def array(self, array: ArrayRecord) -> dict[str, Any]:
        return {
            "role": array.role,
            "shape": array.shape,
            "dtype": array.dtype,
            "bytes": array.bytes,
            "source": array.source,
            "name": array.name,
            "values": self.values(array.values) if array.values else None,
        }

    def values(self, values: Values) -> dict[str, Any]:
        keeps_histograms = "histograms" not in self.left_out
        return {
            "elements": values.elements,
            "bad": values.bad,
            "least": _number(values.least),
            "largest": _number(values.largest),
            "mean": _number(values.mean),
            "deviation": _number(values.deviation),
            "counts": values.counts if keeps_histograms else [],
            "picture": self.picture(values),
        }

    def picture(self, values: Values) -> int | None:
        if values.picture is None or self.left_out:
            return None
        file = io.BytesIO()
        Image.fromarray(values.picture).save(file, "png", optimize=True)
        text = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
        return self.pictures.setdefault(text, len(self.pictures))


def _call(call: KernelRecord) -> dict[str, Any]:
    cost = call.cost
    return {
        "kernel": call.kernel,
        "text": call.text,
        "start": call.start,
        "seconds": call.seconds,
        "bytes": cost.bytes if cost else None,
        "flops": cost.all_flops if cost else None,
    }


def _number(value: float) -> float | None:
    """Return the number in six digits; None for what JSON has no word for."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
