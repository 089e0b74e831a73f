"""The optimization steps of Adam: a step on the first tensors of MNIST's discriminator, in place."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.ladder.cpu import adam as cpu
from benchmarks.ladder.steps import Ladder, Problem, Step, ceil_divide
from minigan.devices import Device
from minigan.devices.arguments import PointerTable
from minigan.devices.contract.optimizer import AdamSettings
from minigan.devices.cuda_plan import CudaPlanDevice

Array = Any
SETTINGS = AdamSettings(learning_rate=2e-4, beta1=0.5, beta2=0.999, epsilon=1e-8)
STEP = 3

# conv 64 (filter, bias) | conv 128 bn (filter, weight, bias) | fc 1024 bn (matrix, weight, bias)
SHAPES = ((4, 4, 1, 64), (64,), (4, 4, 64, 128), (128,), (128,), (6272, 1024), (1024,), (1024,))
TENSORS, BLOCK_ELEMENTS = 64, 4096  # of a table, and of a block: as in 3_all_tensors.cu


@dataclass(frozen=True)
class AdamStep(Problem):
    """Parameters, gradients and moments of some tensors; a step changes p, m and v in place."""

    p: tuple[Array, ...]
    g: tuple[Array, ...]
    m: tuple[Array, ...]
    v: tuple[Array, ...]

    @property
    def tensors(self) -> list[tuple[Array, ...]]:
        """(p, g, m, v) of each."""
        return list(zip(self.p, self.g, self.m, self.v, strict=True))

    def expected(self) -> tuple[np.ndarray[Any, Any], ...]:
        rate, correction = scales()
        s = SETTINGS
        m = [s.beta1 * m + (1 - s.beta1) * g for m, g in zip(self.m, self.g, strict=True)]
        v = [s.beta2 * v + (1 - s.beta2) * g * g for v, g in zip(self.v, self.g, strict=True)]
        p = [
            p - rate * m / (np.sqrt(v * correction) + s.epsilon)
            for p, m, v in zip(self.p, m, v, strict=True)
        ]
        return (*p, *m, *v)

    @property
    def least_elements(self) -> int:
        return 7 * sum(p.size for p in self.p)

    @property
    def roundings(self) -> int:
        return 12


def scales() -> tuple[float, float]:
    """α/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ)."""
    s = SETTINGS
    return s.learning_rate / (1 - s.beta1**STEP), 1 / (1 - s.beta2**STEP)


def problem_of(shapes: tuple[tuple[int, ...], ...]) -> AdamStep:
    rng = np.random.default_rng(0)

    def normal() -> tuple[Array, ...]:
        return tuple(rng.normal(size=shape) for shape in shapes)

    return AdamStep(normal(), normal(), normal(), tuple(a * a for a in normal()))


def problem(tensors: int) -> AdamStep:
    return problem_of(SHAPES[:tensors])


# -- CUDA ---------------------------------------------------------------------------------------------


def _changed(p: AdamStep) -> tuple[Array, ...]:
    return (*p.p, *p.m, *p.v)


def _launcher(device: CudaPlanDevice, source: str, tensor: Array) -> Callable[..., None]:
    """Return a launcher with a thread for each element of a tensor; the number of elements is the last argument."""

    def launch(kernel: str, *arguments: Any) -> None:
        grid = (ceil_divide(tensor.size, 256),)
        device.launch(
            f"study/adam/{source}", kernel, tensor.dtype, grid, (256,), *arguments, np.int64(tensor.size)
        )  # fmt: skip

    return launch


def _launch_an_operation(device: CudaPlanDevice, problem: AdamStep) -> tuple[Array, ...]:
    rate, correction = scales()
    for p, g, m, v in problem.tensors:
        launch = _launcher(device, "1_launch_an_operation", p)
        launch("first_moment", m, g, SETTINGS.beta1)
        launch("second_moment", v, g, SETTINGS.beta2)
        launch("update", p, m, v, rate, correction, SETTINGS.epsilon)
    return _changed(problem)


def _fused(device: CudaPlanDevice, problem: AdamStep) -> tuple[Array, ...]:
    rate, correction = scales()
    for p, g, m, v in problem.tensors:
        launch = _launcher(device, "2_fused", p)
        launch("adam", p, g, m, v, rate, SETTINGS.beta1, SETTINGS.beta2, correction, SETTINGS.epsilon)  # fmt: skip
    return _changed(problem)


def _all_tensors(device: CudaPlanDevice, problem: AdamStep) -> tuple[Array, ...]:
    rate, correction = scales()
    sizes = [math.prod(p.shape) for p in problem.p]
    *first_blocks, blocks = itertools.accumulate(
        (ceil_divide(size, BLOCK_ELEMENTS) for size in sizes), initial=0
    )
    columns = (problem.p, problem.g, problem.m, problem.v, sizes, first_blocks)
    device.launch(
        "study/adam/3_all_tensors", "adam", problem.p[0].dtype, (blocks,), (256,),
        PointerTable(columns, TENSORS), len(sizes),
        rate, SETTINGS.beta1, SETTINGS.beta2, correction, SETTINGS.epsilon,
    )  # fmt: skip
    return _changed(problem)


def _in_use(device: Device, p: AdamStep) -> tuple[Array, ...]:
    step = STEP if device.name == "cpu" else device.host_constant((STEP,), np.int64)
    device.adam(p.p, p.g, p.m, p.v, step, SETTINGS)
    return _changed(p)


STUDY = "kernels/study/adam"
CUDA = (
    Step("1 launch an operation", f"{STUDY}/1_launch_an_operation.cu", _launch_an_operation),
    Step("2 fused", f"{STUDY}/2_fused.cu", _fused),
    Step("3 all tensors", f"{STUDY}/3_all_tensors.cu", _all_tensors),
    Step("vectors", "kernels/adam.cu", _in_use, in_use=True),
)


# -- CPU ----------------------------------------------------------------------------------------------


def _each_tensor(name: str, kernel: Callable[..., None]) -> Step[AdamStep]:
    def run(device: Device, problem: AdamStep) -> tuple[Array, ...]:
        rate, correction = scales()
        s = SETTINGS
        for tensors in problem.tensors:
            flat = (array.reshape(-1) for array in tensors)
            kernel(*flat, rate, s.beta1, s.beta2, correction, s.epsilon)
        return _changed(problem)

    return Step(name, "benchmarks/ladder/cpu/adam.py", run)


CPU = (
    _each_tensor("1 NumPy", cpu.expressions),
    _each_tensor("2 NumPy in place", cpu.in_place),
    _each_tensor("3 one pass", cpu.one_pass),
    Step("4 all cores", "minigan/devices/cpu/optimizer.py", _in_use, in_use=True),
)


def baseline(torch: Any, problem: AdamStep, dtype: str, device: str) -> Callable[[], Any]:
    """PyTorch's fused Adam, of the same settings, its moments those of the problem."""
    kind = {"dtype": getattr(torch, dtype), "device": device}
    parameters = []
    for p, g, _, _ in problem.tensors:
        parameter = torch.nn.Parameter(torch.tensor(p, **kind))
        parameter.grad = torch.tensor(g, **kind)
        parameters.append(parameter)
    s = SETTINGS
    optimizer = torch.optim.Adam(
        parameters, s.learning_rate, (s.beta1, s.beta2), s.epsilon, fused=True, capturable=device == "cuda"
    )  # fmt: skip
    for parameter, (_, _, m, v) in zip(parameters, problem.tensors, strict=True):
        optimizer.state[parameter] = {
            "step": torch.tensor(float(STEP - 1), device=device),
            "exp_avg": torch.tensor(m, **kind),
            "exp_avg_sq": torch.tensor(v, **kind),
        }

    def call() -> Any:
        optimizer.step()
        return parameters

    return call


LADDER = Ladder(
    "adam", "Adam on tensors of MNIST's discriminator",
    problem, CUDA, CPU, baseline, counted_size=5, timed_size=len(SHAPES), unit="tensors",
)  # fmt: skip
