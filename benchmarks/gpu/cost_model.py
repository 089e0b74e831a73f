"""The model of ``python -m benchmarks account`` against measured times, kernel by kernel.

The launches of one step are recorded on the GPU with their arguments. Each is timed in a graph of 100 launches of it. The model knows the
same launches from the emulated device, in the same order.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import account
from benchmarks.gpu.contenders import images, settings_of
from benchmarks.gpu.piece import Context, FailedError, Part, Piece, Values
from benchmarks.gpu.step import PRECISIONS
from benchmarks.gpu.table import measured_by
from benchmarks.timing import finished, interleave, scaled, summary
from minigan.devices.cuda_plan.base import Launch
from minigan.devices.precision import using_float32_precision
from minigan.experiments.pages import Table
from minigan.inspect.roofline import MACHINES


def measure(context: Context, precision: str) -> Values:
    """Time each launch of a step, and put the model's time beside it, by CUDA kernel."""
    from minigan.experiments.trainer import Trainer

    settings = settings_of(context, precision)
    trainer = Trainer(settings, images(context), capture=False)
    trainer.step()
    with using_float32_precision(precision):
        measured = _recorded(trainer)
        modelled = account.launches_of_a_step(dataclasses.replace(settings, device="emulated"))
    names = [[_name(launch) for launch in launches] for launches in (measured, modelled)]
    if names[0] != names[1]:
        raise FailedError(
            f"the GPU is given {len(names[0])} launches, and the model {len(names[1])}; the first that differs is "
            f"{next((a for a, b in zip(*names, strict=False) if a != b), 'the last')}"
        )
    device: Any = trainer.device
    machine = _machine(device.model)
    kernels: dict[str, Values] = defaultdict(lambda: {"launches": 0, "us": 0.0, "model_us": 0.0})
    for name, own, model in zip(names[0], measured, modelled, strict=True):
        row = kernels[name]
        row["launches"] += 1
        row["us"] += _microseconds(device, own, context.small)
        if machine is not None:
            cost = account.cost(model)
            row["model_us"] += 1e6 * account.seconds(cost, machine, precision == "tf32")
    return {"kernels": dict(kernels), "machine": machine.name if machine else None}


def _machine(model: str) -> Any:
    """Return the rates that the vendor states for a GPU of this name, or None."""
    return next((machine for name, machine in MACHINES.items() if name in model), None)


def _recorded(trainer: Any) -> list[Launch]:
    """Return the launches of one step. Their arguments are kept, so that no other array gets their memory."""
    device, launches = trainer.device, []
    original = device.launch

    def launch(
        source: str | Path, kernel: str, dtype: Any, grid: Any, block: Any, *arguments: Any, shared_bytes: int = 0
    ) -> None:  # fmt: skip
        launches.append(Launch(source, kernel, dtype, grid, block, arguments, shared_bytes))
        original(source, kernel, dtype, grid, block, *arguments, shared_bytes=shared_bytes)

    device.launch = launch
    try:
        trainer.launch_step()
    finally:
        del device.launch
    device.synchronize()
    return launches


def _name(launch: Launch) -> str:
    return f"{Path(str(launch.source)).stem}.cu {launch.kernel}"


def _microseconds(device: Any, launch: Launch, small: bool) -> float:
    count, rounds = (2, 1) if small else (100, 3)

    def repeat() -> None:
        for _ in range(count):
            device.launch(
                launch.source, launch.kernel, launch.dtype, launch.grid, launch.block, *launch.arguments,
                shared_bytes=launch.shared_bytes,
            )  # fmt: skip

    replay = finished(device.capture(repeat), device.synchronize)
    times = interleave({"": replay}, rounds, 1, pause=0, warm_up=1)[""]
    return float(summary(scaled(times, 1e3 / count))["median_ms"])


def table(parts: Mapping[str, Values]) -> Table | None:
    """Return a row for each CUDA kernel, those that take longest first."""
    rows = []
    for name, part in parts.items():
        values = part["values"]
        for kernel, own in sorted(values["kernels"].items(), key=lambda item: -item[1]["us"]):
            known = values["machine"] is not None
            rows.append([
                f"{name}, `{kernel}`", str(own["launches"]), f"{own['us']:.1f}",
                f"{own['model_us']:.1f}" if known else "–",
                f"{own['model_us'] / own['us']:.0%}" if known else "–",
            ])  # fmt: skip
    columns = ("kernel", "launches a step", "measured, µs", "model, µs", "model / measured")
    notes = [
        "The model is the longer of a launch's bytes at the memory's stated bandwidth and its operations at the stated rate. "
        "It has no time for a launch itself. Measured times are those of graphs of 100 launches of one kernel.",
        measured_by(parts),
    ]
    return Table("The cost model against a GPU", columns, rows[:40], notes)


PIECE = Piece(
    "cost-model",
    "How near does each kernel come to the cost model?",
    [
        Part(label, functools.partial(measure, precision=precision), 45)
        for label, precision in PRECISIONS.items()
    ],
    table,
)
