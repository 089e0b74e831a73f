"""Every kernel of the contract at the shapes of InfoGAN's training steps, against the call of a library, under the roofline.

The calls are those that a step of each experiment makes, recorded from one, with their values. Both sides get copies of the
same arrays; what comes out has to agree before anything is timed. Then they take turns: in each, one side makes the call as often as
fills `turn` seconds, and waits for the device. The operands of small calls stay in a cache from one
call to the next, for both sides alike. So such calls can pass the roofline of the memory's
bandwidth.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks import kernel_tables, machine
from benchmarks.agreement import KERNEL_TOLERANCE
from benchmarks.baselines import MINIGAN, TORCH, absences
from benchmarks.declaration import (
    Benchmark,
    DisagreementError,
    Say,
)
from benchmarks.timing import (
    Rounds,
    finished,
    interleave,
    milliseconds,
    ratio_summary,
    scaled,
    summary,
)
from minigan.devices import Device, get_device
from minigan.devices.contract.products import Epilogue
from minigan.experiments.declarations import get_experiment
from minigan.inspect.calls import Call, training_calls
from minigan.inspect.cost import CHANGED_ARGUMENTS, Cost, arrays_in, call_cost

_MOST_REPEATS = 2000


@dataclass(frozen=True)
class Plan:
    """The measured cases and the method. `kernel` is one of the contract's, or None for all.

    Of several `threads` and `batch_sizes` all pairs are measured.
    """

    experiments: tuple[str, ...] = ("mnist",)
    kernel: str | None = None
    threads: tuple[int, ...] = (1,)
    batch_sizes: tuple[int, ...] = (128,)
    rounds: int = 7
    turn: float = 0.02  # seconds
    pause: float = 0.1  # seconds
    device: str = "cpu"


# -- both sides of a call -------------------------------------------------------------------------


def own_side(
    call: Call, device: Device, wait: bool = True
) -> tuple[Callable[[], Any], Cost, list[np.ndarray]]:
    """Return a function that makes the call, its cost, and the outcome of a first one: its results, or its changed arguments.

    With `wait` each call waits for the device.
    """
    arguments, settings = call.moved(lambda array: device.copy(device.asarray(array)))

    def run() -> Any:
        return getattr(device, call.kernel)(*arguments, **settings)

    result = run()
    cost = call_cost(call.kernel, arguments, settings, result)
    out = [arguments[CHANGED_ARGUMENTS[call.kernel][0]] if result is None else result]
    for epilogue in (*arguments, *settings.values()):
        if (
            isinstance(epilogue, Epilogue) and epilogue.statistics is not None
        ):  # filled by the product
            out += [epilogue.statistics.mean, epilogue.statistics.variance]
    host = [np.array(device.to_numpy(array)) for array in arrays_in(out)]
    return finished(run, device.synchronize) if wait else run, cost, host


def library_side(
    call: Call, device: str, wait: bool = True
) -> tuple[Callable[[], Any], str, list[np.ndarray]] | None:
    """Return a function that makes the library's call, its name, and the outcome of a first one; None where it has no such call."""
    import torch

    from benchmarks.baselines.torch_kernels import BASELINES

    if call.kernel not in BASELINES:
        return None
    arguments, settings = call.moved(lambda array: torch.from_numpy(array.copy()).to(device))
    if call.kernel == "adam":  # the count of steps is a number to PyTorch
        arguments = (*arguments[:4], int(arguments[4]), *arguments[5:])
    with torch.no_grad():
        baseline = BASELINES[call.kernel](*arguments, **settings)
        out = [tensor.cpu().numpy().copy() for tensor in baseline.read(baseline.run())]

    def run() -> None:
        with torch.no_grad():
            baseline.run()

    if wait and device == "cuda":
        return finished(run, torch.cuda.synchronize), baseline.says, out
    return run, baseline.says, out


def require_agreement(
    call: Call,
    own: Sequence[np.ndarray],
    other: Sequence[np.ndarray],
    dtype: str,
    precision: str | None = None,
) -> float:
    """Return the largest relative difference of what came out; DisagreementError if rounding does not explain it."""
    if [a.shape for a in own] != [b.shape for b in other]:
        raise DisagreementError(
            f"{call}: minigan gives arrays of {[a.shape for a in own]}, the library of {[b.shape for b in other]}"
        )
    worst, allowed = 0.0, KERNEL_TOLERANCE[precision or dtype]
    for a, b in zip(own, other, strict=True):
        size = np.linalg.norm(b.astype(np.float64).ravel())
        difference = np.linalg.norm(a.astype(np.float64).ravel() - b.astype(np.float64).ravel())
        relative = float(difference / size) if size else float(difference)
        if not relative <= allowed:  # NaN is a disagreement too
            raise DisagreementError(
                f"{call}: minigan and the library differ by {relative:.1e} of the result's size, "
                f"and {precision or dtype} explains {allowed:.0e}"
            )
        worst = max(worst, relative)
    return worst


# -- measuring ------------------------------------------------------------------------------------


def measure(plan: Plan, say: Say = lambda line: None) -> dict[str, Any]:
    """Check and time every call, with each number of threads; the machine's rates before and after.

    Calls of the same shapes and settings are measured once; `counts` says how often a step of each experiment makes them.
    """
    absent = absences(BENCHMARK.baselines, plan.device)
    before = {threads: _rates(plan, threads, say) for threads in plan.threads}
    cases: defaultdict[tuple[int, str], list[dict[str, Any]]] = defaultdict(list)
    for batch_size in plan.batch_sizes:
        for experiment in plan.experiments:
            # One experiment at a time: the calls hold their arrays, at batch 128 up to 4 GiB.
            say(f"recording the calls of {experiment}, batch {batch_size}")
            for call in calls_of(experiment, batch_size, plan.kernel):
                own = cases[batch_size, call.key]
                for threads in plan.threads if not own else ():
                    say(
                        f"{experiment}, batch {batch_size}, {kernel_tables.threads_label(threads)}: {call}"
                    )
                    _use_threads(threads)
                    measured = measure_call(call, plan, TORCH.name not in absent)
                    own.append(
                        {"batch_size": batch_size, "threads": threads, "counts": {}, **measured}
                    )
                for case in own:
                    case["counts"][experiment] = call.count
    after = {threads: _rates(plan, threads, say) for threads in plan.threads}
    rates = {
        str(threads): machine.to_json({name: before[threads][name] + after[threads][name] for name in before[threads]})
        for threads in plan.threads
    }  # fmt: skip
    every = [case for own in cases.values() for case in own]
    return {"plan": asdict(plan), "absent": absent, "machine_rates": rates, "cases": every}


def calls_of(experiment: str, batch_size: int, kernel: str | None) -> list[Call]:
    """Return the calls of an experiment's training step; those of one kernel, if it is named."""
    settings = dataclasses.replace(get_experiment(experiment), batch_size=batch_size)
    return [call for call in training_calls(settings) if kernel in (None, call.kernel)]


def _use_threads(threads: int) -> None:
    import numba

    numba.set_num_threads(threads)
    if not TORCH.absent("cpu"):
        import torch

        torch.set_num_threads(threads)


def _rates(plan: Plan, threads: int, say: Say) -> dict[str, Rounds]:
    say(f"the machine's own rates, {threads} threads")
    contenders = machine.rate_contenders(plan.device, threads)
    return interleave(contenders, plan.rounds, 1, plan.pause, warm_up=1)


def measure_call(call: Call, plan: Plan, with_library: bool) -> dict[str, Any]:
    """Return the costs, times and ratio of one call; `baseline` is None where the library has no such call, or is absent."""
    run, cost, out = own_side(call, get_device(plan.device))
    library = library_side(call, plan.device) if with_library else None
    contenders = {MINIGAN.name: run}
    difference = None
    if library is not None:
        contenders[TORCH.name], _, other = library
        difference = require_agreement(call, out, other, "float32")
    repeats = {name: _repeats(one, plan.turn) for name, one in contenders.items()}
    times = interleave(
        {name: _repeated(one, repeats[name]) for name, one in contenders.items()},
        plan.rounds, 1, plan.pause, warm_up=1,
    )  # fmt: skip
    times = {name: scaled(rounds, 1 / repeats[name]) for name, rounds in times.items()}
    result = {
        "kernel": call.kernel,
        "call": str(call),
        "mbytes": round(cost.bytes / 1e6, 6),
        "gflop": round(cost.all_flops / 1e9, 9),
        "minigan": _brief(times[MINIGAN.name]),
        "peer": None,
    }
    if library is not None:
        result["peer"] = {"call": library[1], **_brief(times[TORCH.name])}
        result["difference"] = float(f"{difference:.2g}")
        result["ratio"] = ratio_summary(times[MINIGAN.name], times[TORCH.name])
    return result


def _brief(rounds: Rounds) -> dict[str, float]:
    """Without every time: the ratios of the rounds are kept."""
    return {name: v for name, v in summary(rounds).items() if name != "rounds_ms"}


def _repeats(call: Callable[[], Any], turn: float) -> int:
    """Return how often the call fits into a turn, by the faster of two calls: a first one may still warm up."""
    once = min(milliseconds(call) for _ in range(2)) / 1e3
    return max(1, min(_MOST_REPEATS, math.floor(turn / once)))


def _repeated(call: Callable[[], Any], repeats: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(repeats):
            call()

    return run


BENCHMARK = Benchmark(
    name="kernels",
    measures="Every kernel at the shapes of InfoGAN's training steps, against the library's call, under the roofline",
    baselines=(MINIGAN, TORCH),
    goals=(),
    plan=Plan,
    measure=measure,
    present=kernel_tables.present,
)
