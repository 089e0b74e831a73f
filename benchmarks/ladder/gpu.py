"""How long the steps take on a GPU, and PyTorch beside them; nothing where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.ladder.steps import Ladder, check
from minigan.devices import Device, get_device
from minigan.errors import DeviceError

CALLS, ROUNDS = 20, 7  # in a graph, and launches of it, the fastest counts


def measure(ladder: Ladder[Any], dtype: str) -> dict[str, Any] | None:
    """Return the GPU's name, the microseconds of each step, and PyTorch's time as a share of them; None where there is no GPU."""
    try:
        device: Any = get_device("cuda")
    except DeviceError:
        return None
    own = times(device, ladder, dtype)
    baselines = baseline_times(ladder, dtype)
    properties = device.array_module.cuda.runtime.getDeviceProperties(device.gpu.id)
    return {
        "name": properties["name"].decode(),
        "microseconds": {name: seconds * 1e6 for name, seconds in own.items()},
        "of_peer": {name: baselines[name] / own[name] for name in own} if baselines else {},
    }


def times(device: Device, ladder: Ladder[Any], dtype: str) -> dict[str, float]:
    """Seconds of each step; its result is checked first."""
    problem = ladder.problem(ladder.timed_size)
    found = {}
    for step in ladder.cuda:
        results = step.run(device, problem.on(device, dtype))
        check(step, problem, dtype, [device.to_numpy(array) for array in results])
        arguments = problem.on(device, dtype)
        found[step.name] = seconds_a_call(device, lambda s=step, a=arguments: s.run(device, a))
    return found


def seconds_a_call(device: Device, call: Callable[[], Any]) -> float:
    """Return the time of one of many calls that are recorded in one graph, so that the host's part in launching is not in it."""
    call()  # compiles, and brings constants to the device
    graph = device.capture(lambda: [call() for _ in range(CALLS)])
    return _fastest(graph, device.synchronize)


def baseline_times(ladder: Ladder[Any], dtype: str) -> dict[str, float]:
    """Seconds of PyTorch's kernel for each step, rounding operands as the step does; empty if PyTorch has no GPU."""
    try:
        import torch
    except ImportError:
        return {}
    if not torch.cuda.is_available():
        return {}
    problem = ladder.problem(ladder.timed_size)
    found = {}
    for rounds_operands in (False, True):
        torch.backends.cudnn.allow_tf32 = rounds_operands
        steps = [step for step in ladder.cuda if bool(step.operand_bits) == rounds_operands]
        if steps:
            seconds = _baseline_seconds(torch, ladder.baseline(torch, problem, dtype, "cuda"))
            found |= {step.name: seconds for step in steps}
    return found


def _baseline_seconds(torch: Any, call: Callable[[], Any]) -> float:
    """Time the calls as `seconds_a_call` does, by PyTorch's own graphs."""
    for _ in range(3):  # cuDNN chooses among its algorithms meanwhile
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(CALLS):
            call()
    return _fastest(graph.replay, torch.cuda.synchronize)


def _fastest(graph: Callable[[], Any], wait: Callable[[], None]) -> float:
    rounds = []
    for _ in range(ROUNDS):
        wait()
        start = time.perf_counter()
        graph()
        wait()
        rounds.append(time.perf_counter() - start)
    return min(rounds) / CALLS
