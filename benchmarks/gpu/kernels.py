"""Each kernel of the MNIST step at its shapes, against PyTorch's call: cuBLAS and cuDNN among them.

The calls are recorded from a step on the GPU, with their values. Outputs are compared first. A graph of 100 launches is timed,
so that neither side's Python is in the time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.declaration import DisagreementError
from benchmarks.gpu.contenders import MINIGAN, images, settings_of
from benchmarks.gpu.piece import AbsentError, Context, FailedError, Part, Piece, Values, need_torch
from benchmarks.gpu.step import PRECISIONS
from benchmarks.gpu.table import measured_by
from benchmarks.kernels import library_side, own_side, require_agreement
from benchmarks.timing import Rounds, finished, interleave, ratio_summary, scaled, summary
from minigan.devices import get_device
from minigan.devices.precision import using_float32_precision
from minigan.experiments.pages import Table
from minigan.inspect.calls import Call, recorded_calls

TORCH = "PyTorch"
PRODUCTS = (
    "gemm",
    "conv2d",
    "conv2d_backward_data",
    "conv2d_backward_weight",
    "conv_transpose2d",
    "conv_transpose2d_backward_data",
    "conv_transpose2d_backward_weight",
)
OTHERS = (
    "batch_norm_statistics",
    "batch_norm",
    "batch_norm_backward",
    "adam",
    "leaky_relu",
    "leaky_relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "column_sum",
    "scaled_sum",
    "multiply",
    "weighted_sum",
    "weighted_sum_backward",
    "pad_rows",
    "binary_cross_entropy_with_logits",
    "code_log_likelihood",
    "encode_latents",
    "gather_images",
    "concatenate_rows",
)


@functools.cache
def _calls(context: Context) -> tuple[Call, ...]:
    """Return the calls of one step on the GPU; they are recorded once in a process."""
    from minigan.experiments.trainer import Trainer

    trainer = Trainer(settings_of(context), images(context), capture=False)
    trainer.step()  # the first one is also taken without computing, to learn which kernels to compile
    with recorded_calls(get_device("cuda")) as calls:
        trainer.step()
    return tuple(calls)


def measure(context: Context, kernel: str, precision: str) -> Values:
    """Time all calls of a kernel, and PyTorch's of the same."""
    calls = [call for call in _calls(context) if call.kernel == kernel]
    with using_float32_precision(precision):
        return {"calls": [_measure_call(call, context, precision) for call in calls]}


def _measure_call(call: Call, context: Context, precision: str) -> Values:
    count, rounds = (3, 2) if context.small else (100, 7)
    device: Any = get_device("cuda")
    run, cost, out = own_side(call, device, wait=False)
    replays = {MINIGAN: finished(device.capture(lambda: _repeat(run, count)), device.synchronize)}
    difference, says, absent = None, None, None
    try:
        replays[TORCH], says, other = _library_replay(call, precision, count)
        difference = require_agreement(
            call, out, other, "float32", "tf32" if precision == "tf32" else None
        )
    except AbsentError as error:
        absent = str(error)
    except DisagreementError as error:
        raise FailedError(str(error)) from error
    times = interleave(replays, rounds, 3, pause=0, warm_up=2)
    found: dict[str, Rounds] = {name: scaled(own, 1e3 / count) for name, own in times.items()}
    result: Values = {
        "call": str(call), "count": call.count, "mbytes": cost.bytes / 1e6, "gflop": cost.all_flops / 1e9,
        "minigan_us": summary(found[MINIGAN])["median_ms"],
    }  # fmt: skip
    if TORCH not in found:
        return {**result, "absent": absent}
    return {
        **result,
        "library": says,
        "library_us": summary(found[TORCH])["median_ms"],
        "ratio": ratio_summary(found[MINIGAN], found[TORCH]),
        "difference": float(f"{difference:.2g}"),
    }


def _repeat(call: Callable[[], Any], count: int) -> None:
    for _ in range(count):
        call()


def _library_replay(
    call: Call, precision: str, count: int
) -> tuple[Callable[[], Any], str, list[np.ndarray[Any, Any]]]:
    """Return what replays a graph of PyTorch's call, its name, and what came out of a first one."""
    torch = need_torch()
    from benchmarks.baselines.torch_infogan import set_precision

    set_precision(precision)
    found = library_side(call, "cuda", wait=False)
    if found is None:
        raise AbsentError("PyTorch has no such call")
    run, says, out = found
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):  # libraries choose their kernels before a capture
        _repeat(run, 3)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        _repeat(run, count)
    return finished(graph.replay, torch.cuda.synchronize), says, out


# -- the piece --------------------------------------------------------------------------------------


def _parts() -> list[Part]:
    parts = []
    for label, precision in PRECISIONS.items():
        kernels = PRODUCTS if precision == "tf32" else (*PRODUCTS, *OTHERS)
        for kernel in kernels:
            one = functools.partial(measure, kernel=kernel, precision=precision)
            parts.append(Part(f"{label}, {kernel}", one, 15 if kernel in PRODUCTS else 5))
    return parts


def table(parts: Mapping[str, Values]) -> Table | None:
    """Return a row for each kernel and precision: its calls in a step added up."""
    rows = []
    for name, part in parts.items():
        calls = part["values"]["calls"]
        if not calls:
            continue
        own = sum(call["count"] * call["minigan_us"] for call in calls)
        compared = [call for call in calls if "ratio" in call]
        other = sum(call["count"] * call["library_us"] for call in compared)
        shared = sum(call["count"] * call["minigan_us"] for call in compared)
        worst = max((call["difference"] for call in compared), default=None)
        rows.append([
            name, str(sum(call["count"] for call in calls)), f"{own:.1f}",
            f"{other:.1f}" if compared else "–", f"{shared / other:.2f}" if compared else "–",
            "–" if worst is None else f"{worst:.0e}",
        ])  # fmt: skip
    if not rows:
        return None
    columns = ("kernel", "calls a step", "minigan, µs", "PyTorch, µs", "minigan / PyTorch", "outputs differ by")  # fmt: skip
    notes = [
        "The calls of one MNIST step added up, each from a graph of 100 launches. Operands stay in the GPU's cache from one launch to "
        "the next, for both. PyTorch's products are cuBLAS's, and its convolutions cuDNN's; the JSON has each call.",
        measured_by(parts),
    ]
    return Table("Kernels of the MNIST step on a GPU", columns, rows, notes)


PIECE = Piece(
    "kernels", "How long does each kernel take, against cuBLAS and cuDNN?", _parts(), table
)
