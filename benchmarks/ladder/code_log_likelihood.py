"""The optimization steps of log Q(c|x), a softmax and Gaussians: the codes of the MNIST experiment, Cat(10) + 2*Uniform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.ladder.cpu import code_log_likelihood as cpu
from benchmarks.ladder.steps import Ladder, Problem, Step, ceil_divide
from minigan.devices import Device
from minigan.devices.contract.likelihood import CodeTable
from minigan.devices.cuda_plan import CudaPlanDevice

Array = Any
HALF_LOG_2PI = 0.5 * np.log(2 * np.pi)
MNIST_CODES = CodeTable(kind=(0, 1, 1), offset=(0, 10, 11), width=(10, 1, 1), log_std=(0.0,) * 3)


@dataclass(frozen=True)
class CodeLikelihood(Problem):
    """log Q(cᵢ|x) of every code, and its derivative: parameters (batch, columns), codes (batch, codes)."""

    parameters: Array
    codes: Array
    table: CodeTable

    def expected(self) -> tuple[np.ndarray[Any, Any], ...]:
        values, derivative = np.empty(self.codes.shape), np.empty(self.parameters.shape)
        t = self.table
        for i, (kind, at, width) in enumerate(zip(t.kind, t.offset, t.width, strict=True)):
            own, c = self.parameters[:, at : at + width], self.codes[:, i]
            if kind == CodeTable.CATEGORICAL:
                chosen = np.arange(width) == c[:, None]
                log_total = np.log(np.exp(own).sum(1))
                values[:, i] = own[chosen] - log_total
                derivative[:, at : at + width] = chosen - np.exp(own - log_total[:, None])
                continue
            log_std = own[:, 1] if kind == CodeTable.PREDICTED_GAUSSIAN else t.log_std[i]
            z = (c - own[:, 0]) / np.exp(log_std)
            values[:, i] = -0.5 * z * z - log_std - HALF_LOG_2PI
            derivative[:, at] = z / np.exp(log_std)
            if kind == CodeTable.PREDICTED_GAUSSIAN:
                derivative[:, at + 1] = z * z - 1
        return values, derivative

    @property
    def least_elements(self) -> int:
        return int(2 * self.parameters.size + 2 * self.codes.size)

    @property
    def roundings(self) -> int:
        """Return the roundings of a softmax's sum, and some 30 of exponentials (a few each) and of the operations on them."""
        return max(self.table.width) + 30


def problem_of(batch: int, table: CodeTable) -> CodeLikelihood:
    rng = np.random.default_rng(0)
    codes = [
        rng.integers(0, width, batch)
        if kind == CodeTable.CATEGORICAL
        else rng.uniform(-1, 1, batch)
        for kind, width in zip(table.kind, table.width, strict=True)
    ]
    parameters = rng.normal(size=(batch, table.columns))
    return CodeLikelihood(parameters, np.stack(codes, 1).astype(np.float64), table)


def problem(batch: int) -> CodeLikelihood:
    return problem_of(batch, MNIST_CODES)


# -- CUDA ---------------------------------------------------------------------------------------------


def _results(device: Device, p: CodeLikelihood) -> tuple[Array, Array]:
    dtype = p.parameters.dtype
    return device.empty(p.codes.shape, dtype), device.empty(p.parameters.shape, dtype)


def _launch_a_code(device: CudaPlanDevice, p: CodeLikelihood) -> tuple[Array, ...]:
    values, derivative = _results(device, p)
    t, (batch, count), columns = p.table, p.codes.shape, p.parameters.shape[1]
    for code, kind in enumerate(t.kind):
        categorical = kind == CodeTable.CATEGORICAL
        own = (t.width[code],) if categorical else (kind, t.log_std[code])
        device.launch(
            "study/code_log_likelihood/1_launch_a_code",
            "categorical_code" if categorical else "gaussian_code",
            values.dtype, (ceil_divide(batch, 256),), (256,),
            p.parameters, p.codes, values, derivative, code, t.offset[code], *own, count, columns, batch,
        )  # fmt: skip
    return values, derivative


def _one_launch(name: str, threads: int) -> Step[CodeLikelihood]:
    """Return a file with a kernel that reads the table; so many threads an image."""

    def run(device: CudaPlanDevice, p: CodeLikelihood) -> tuple[Array, ...]:
        values, derivative = _results(device, p)
        batch, count = p.codes.shape
        t, dtype = p.table, values.dtype
        device.launch(
            f"study/code_log_likelihood/{name}", "code_log_likelihood", dtype,
            (ceil_divide(batch * threads, 256),), (256,), p.parameters, p.codes,
            *(device.host_constant(column, np.int32) for column in (t.kind, t.offset, t.width)),
            device.host_constant(t.log_std, dtype), values, derivative, count, p.parameters.shape[1], batch,
        )  # fmt: skip
        return values, derivative

    source = f"kernels/study/code_log_likelihood/{name}.cu"
    return Step(name.replace("_", " "), source, run)


def _in_use(device: Device, p: CodeLikelihood) -> tuple[Array, ...]:
    return device.code_log_likelihood(p.parameters, p.codes, p.table)


CUDA = (
    Step("1 launch a code", "kernels/study/code_log_likelihood/1_launch_a_code.cu", _launch_a_code),
    _one_launch("2_thread_an_image", 1),
    _one_launch("3_warp_an_image", 32),
    Step("thread a code", "kernels/likelihood.cu", _in_use, in_use=True),
)


# -- CPU ----------------------------------------------------------------------------------------------


def _expressions(device: Device, p: CodeLikelihood) -> tuple[Array, ...]:
    values, derivative = _results(device, p)
    cpu.expressions(p.parameters, p.codes, p.table, values, derivative)
    return values, derivative


CPU = (
    Step("1 NumPy", "benchmarks/ladder/cpu/code_log_likelihood.py", _expressions),
    Step("2 one compiled loop", "minigan/devices/cpu/likelihood.py", _in_use, in_use=True),
)


def baseline(torch: Any, p: CodeLikelihood, dtype: str, device: str) -> Callable[[], Any]:
    """PyTorch's log-softmax and Gaussian densities, values only (its derivative would be another pass); codes of one width each."""
    parameters, codes = (
        torch.tensor(a, dtype=getattr(torch, dtype), device=device) for a in (p.parameters, p.codes)
    )
    t = p.table

    def call() -> Any:
        values = []
        for i, (kind, at, width) in enumerate(zip(t.kind, t.offset, t.width, strict=True)):
            own, c = parameters[:, at : at + width], codes[:, i]
            if kind == CodeTable.CATEGORICAL:
                chosen = c.long()[:, None]
                values.append(torch.log_softmax(own, 1).gather(1, chosen)[:, 0])
                continue
            log_std = (
                own[:, 1]
                if kind == CodeTable.PREDICTED_GAUSSIAN
                else parameters.new_tensor(t.log_std[i])
            )
            values.append(
                -0.5 * ((c - own[:, 0]) * torch.exp(-log_std)) ** 2 - log_std - HALF_LOG_2PI
            )
        return torch.stack(values, 1)

    return call


LADDER = Ladder(
    "code_log_likelihood", "log Q(c|x) of Cat(10) + 2*Uniform, and its derivative",
    problem, CUDA, CPU, baseline, counted_size=128,
)  # fmt: skip
