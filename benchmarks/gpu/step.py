"""The MNIST training step in float32 and TF32: minigan against PyTorch and JAX, the same precision in each pair.

Outputs are compared first: losses, L_I and every gradient, from the same weights on the same batch. Then the two take turns of 200
steps. All read their metrics after each step.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.agreement import differences, require_agreement
from benchmarks.declaration import DisagreementError
from benchmarks.gpu import contenders
from benchmarks.gpu.contenders import MINIGAN, OTHERS, Contender
from benchmarks.gpu.piece import Context, FailedError, Part, Piece, Values, need_torch
from benchmarks.gpu.table import measured_by, milliseconds
from benchmarks.timing import interleave, ratio_summary, significant
from minigan.experiments.pages import Table

PRECISIONS = {"float32": "ieee", "TF32": "tf32"}
_SECONDS = {"PyTorch": 20, "PyTorch, CUDA graph": 20, "JAX": 45}  # others compile for long
_TO_COMPILE = 120


def measure_own(context: Context, precision: str) -> Values:
    """Time minigan's step alone: captured, and kernel by kernel."""
    found: Values = {}
    for name, capture in (("captured", True), ("kernel by kernel", False)):
        free = free_mib()
        contender = contenders.minigan(context, precision, capture)
        times = _turns(context, {MINIGAN: contender})
        found[name] = {
            **_summary(times[MINIGAN], contender, context),
            "memory_mib": free - free_mib(),
        }
        del contender, times
    return found


def compare(context: Context, precision: str, other: str) -> Values:
    """Compare the outputs of minigan and another library, then time the two in turns."""
    free = free_mib()
    rival = OTHERS[other](context, precision)
    for _ in range(3):
        rival.step()
    memory = free - free_mib()
    apart = None
    if "graph" not in other and not context.small:  # a graph replays the step of another part
        apart = _differences(context, precision, rival.trainer, other)
    pair = {MINIGAN: contenders.minigan(context, precision), other: rival}
    times = _turns(context, pair)
    return {
        "difference": apart,
        "ratio": ratio_summary(_whole(times[MINIGAN]), _whole(times[other])),
        MINIGAN: _summary(times[MINIGAN], pair[MINIGAN], context),
        "other": _summary(times[other], rival, context),
        "memory_mib": memory,
    }


def compare_in_float64(context: Context) -> Values:
    """Compare minigan's step with PyTorch's in float64, where rounding explains next to nothing."""
    torch = need_torch()
    from benchmarks.baselines import torch_infogan

    settings = contenders.settings_of(context, dtype="float64")
    data = contenders.images(context)
    rival = torch_infogan.Trainer(data, settings.batch_size, torch.float64, "cuda")
    return {"difference": _differences(context, "float64", rival, "PyTorch")}


def _differences(context: Context, precision: str, rival: Any, name: str) -> float:
    from minigan.experiments.trainer import Trainer

    dtype = "float64" if precision == "float64" else "float32"
    float32_precision = "tf32" if precision == "tf32" else "ieee"
    settings = contenders.settings_of(context, float32_precision, dtype)
    found = differences(Trainer(settings, contenders.images(context), capture=False), rival)
    try:
        require_agreement(found, "tf32" if precision == "tf32" else dtype, name)
    except DisagreementError as error:
        raise FailedError(str(error)) from error
    return significant(max(found.values()), 2)


# -- times ------------------------------------------------------------------------------------------

Turns = list[list[tuple[float, float]]]  # milliseconds of each step, and of waiting in it


def _turns(context: Context, pair: Mapping[str, Contender]) -> dict[str, Turns]:
    """Let the contenders take turns, and return the times of every step."""
    rounds, steps, warm_up = (2, 3, 3) if context.small else (7, 200, 50)
    noted: dict[str, list[tuple[float, float]]] = {name: [] for name in pair}

    def stepping(name: str) -> Any:
        def step() -> None:
            start = time.perf_counter()
            waited = pair[name].step()
            noted[name].append(((time.perf_counter() - start) * 1e3, waited * 1e3))

        return step

    calls = {name: stepping(name) for name in pair}
    interleave(calls, rounds, steps, pause=0, warm_up=warm_up)
    return {
        name: [own[i : i + steps] for i in range(warm_up, len(own), steps)]
        for name, own in noted.items()
    }


def _whole(turns: Turns) -> list[list[float]]:
    return [[whole for whole, _ in turn] for turn in turns]


def _summary(turns: Turns, contender: Contender, context: Context) -> Values:
    """Return milliseconds: of a step, of the host's part in it, and of the GPU's."""
    steps = [step for turn in turns for step in turn]
    rounds = [statistics.fmean(whole for whole, _ in turn) for turn in turns]
    found = {
        "step_ms": significant(statistics.median(rounds)),
        "step_ms_range": [significant(min(rounds)), significant(max(rounds))],
        "host_ms": significant(statistics.median(whole - waited for whole, waited in steps)),
        "steps": len(steps),
    }
    if contender.span is not None:
        spans = [contender.span() for _ in range(3 if context.small else 50)]
        found["gpu_ms"] = significant(statistics.median(spans))
    return found


def free_mib() -> int:
    """Return the memory of the GPU that is free, in MiB."""
    from minigan.devices import get_device

    device: Any = get_device("cuda")
    return int(device.array_module.cuda.runtime.memGetInfo()[0] // 2**20)


# -- the piece --------------------------------------------------------------------------------------


def _parts() -> list[Part]:
    parts = [Part("float64, outputs", compare_in_float64, 30)]
    for label, precision in PRECISIONS.items():
        own = functools.partial(measure_own, precision=precision)
        parts.append(Part(f"{label}, {MINIGAN}", own, 30))
        for other in OTHERS:
            both = functools.partial(compare, precision=precision, other=other)
            parts.append(Part(f"{label}, {other}", both, _SECONDS.get(other, _TO_COMPILE)))
    return sorted(parts, key=lambda part: "compiled" in part.name)  # what takes long comes last


def table(parts: Mapping[str, Values]) -> Table | None:
    """Return a row for each way to take the step, in each precision."""
    rows = []
    for label in PRECISIONS:
        own = parts.get(f"{label}, {MINIGAN}", {}).get("values", {})
        rows += [
            [f"{label}, {MINIGAN}, {name}", *_cells(values), str(values["memory_mib"]), "–", "–"]
            for name, values in own.items()
        ]
        for other in OTHERS:
            found = parts.get(f"{label}, {other}", {}).get("values")
            if found:
                ratio, apart = found["ratio"], found["difference"]
                rows.append([
                    f"{label}, {other}", *_cells(found["other"]), str(found["memory_mib"]),
                    f"{ratio['median']:.2f} ({ratio['min']:.2f} – {ratio['max']:.2f})",
                    "–" if apart is None else f"{apart:.0e}",
                ])  # fmt: skip
    if not rows:
        return None
    columns = ("", "ms a step", "range of the turns", "host, ms", "GPU, ms", "memory, MiB",
               "minigan / this", "outputs differ by")  # fmt: skip
    notes = [
        "One InfoGAN training step on MNIST, batch 128. Host: the time until all of a step is asked for. GPU: from the start "
        "of its first kernel to the end of its last one. A ratio is the median of the rounds' ratios, in turns of 200 steps.",
        measured_by(parts),
    ]
    return Table("The MNIST step on a GPU", columns, rows, notes)


def _cells(values: Values) -> list[str]:
    low, high = values["step_ms_range"]
    return [
        milliseconds(values["step_ms"]), f"{milliseconds(low)} – {milliseconds(high)}", milliseconds(values["host_ms"]),
        milliseconds(values.get("gpu_ms")),
    ]  # fmt: skip


PIECE = Piece(
    "step", "How long does a training step take, against PyTorch and JAX?", _parts(), table
)
