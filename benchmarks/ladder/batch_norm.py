"""The optimization steps of batch normalization, forward with the leaky ReLU behind it: after the second convolution of MNIST's discriminator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.ladder.cpu import batch_norm as cpu
from benchmarks.ladder.steps import Ladder, Problem, Step, ceil_divide
from minigan.devices import Device
from minigan.devices.contract.normalization import BatchNormalization
from minigan.devices.cuda_plan import CudaPlanDevice

Array = Any
PARTS = 8  # into which the rows are divided, as the launch plan does


@dataclass(frozen=True)
class BatchNorm(Problem):
    """y = leaky_relu(weight·(x − mean)/√(variance + ε) + bias), mean and variance of each channel of x (rows, channels)."""

    x: Array
    weight: Array
    bias: Array
    epsilon: float = 1e-5
    slope: float = 0.1

    def expected(self) -> tuple[np.ndarray[Any, Any], ...]:
        normalized = (self.x - self.x.mean(0)) / np.sqrt(self.x.var(0) + self.epsilon)
        y = self.weight * normalized + self.bias
        return (np.where(y > 0, y, self.slope * y),)

    @property
    def least_elements(self) -> int:
        return int(2 * self.x.size + 2 * self.x.shape[1])

    @property
    def roundings(self) -> int:
        return int(self.x.shape[0])


def problem(batch: int) -> BatchNorm:
    rng = np.random.default_rng(0)
    x = 2 * rng.normal(size=(batch * 49, 128)) + rng.normal(size=128)
    return BatchNorm(x, rng.uniform(0.5, 1.5, 128), rng.normal(size=128))


# -- CUDA ---------------------------------------------------------------------------------------------


def _study(
    name: str, grid: Callable[[int], tuple[int, ...]], block: tuple[int, ...]
) -> Step[BatchNorm]:
    """Return a file of kernels/study/batch_norm with one kernel, its grid for so many channels; the activation is a separate launch."""

    def run(device: CudaPlanDevice, p: BatchNorm) -> tuple[Array, ...]:
        rows, channels = p.x.shape
        y = device.empty(p.x.shape, p.x.dtype)
        device.launch(
            f"study/batch_norm/{name}", "batch_norm", p.x.dtype, grid(channels), block,
            p.x, p.weight, p.bias, y, p.epsilon, rows, channels,
        )  # fmt: skip
        return (device.leaky_relu(y, p.slope),)

    return Step(name.replace("_", " "), f"kernels/study/batch_norm/{name}.cu", run)


def _in_parts(device: CudaPlanDevice, p: BatchNorm) -> tuple[Array, ...]:
    source, dtype, (rows, channels) = "study/batch_norm/5_parts", p.x.dtype, p.x.shape
    sums = device.empty((PARTS, channels), dtype)
    mean, variance = device.empty((2, channels), dtype)
    for known_mean, average in ((None, mean), (mean, variance)):
        device.launch(
            source, "sum_parts", dtype, (ceil_divide(channels, 32), PARTS), (32, 8),
            p.x, known_mean, sums, rows, channels,
        )  # fmt: skip
        device.launch(
            source, "merge_parts", dtype, (ceil_divide(channels, 256),), (256,),
            sums, average, rows, channels, PARTS,
        )  # fmt: skip
    y = device.empty(p.x.shape, dtype)
    device.launch(
        source, "normalize", dtype, (ceil_divide(y.size, 256),), (256,),
        p.x, mean, variance, p.weight, p.bias, y, p.epsilon, channels, np.int64(y.size),
    )  # fmt: skip
    return (device.leaky_relu(y, p.slope),)


def _one_pass(device: Device, p: BatchNorm) -> tuple[Array, ...]:
    mean, variance = device.batch_norm_statistics(p.x, 1)
    y = device.batch_norm(p.x, BatchNormalization(mean, variance, p.weight, p.bias, p.epsilon, 1.0))
    return (device.leaky_relu(y, p.slope),)


def _fused(device: Device, p: BatchNorm) -> tuple[Array, ...]:
    mean, variance = device.batch_norm_statistics(p.x, 1)
    return (
        device.batch_norm(
            p.x, BatchNormalization(mean, variance, p.weight, p.bias, p.epsilon, p.slope)
        ),
    )


def _tiles(channels: int) -> tuple[int, ...]:
    return (ceil_divide(channels, 32),)


IN_USE = "kernels/normalization.cu"
CUDA = (
    _study("1_naive", _tiles, (32,)),
    _study("2_block_a_channel", lambda channels: (channels,), (256,)),
    _study("3_warp_shuffles", lambda channels: (channels,), (256,)),
    _study("4_coalesced", _tiles, (32, 8)),
    Step("5 parts", "kernels/study/batch_norm/5_parts.cu", _in_parts),
    Step("6 Welford in one pass", IN_USE, _one_pass),
    Step("7 activation inside", IN_USE, _fused, in_use=True),
)


# -- CPU ----------------------------------------------------------------------------------------------

CPU_STUDY = "benchmarks/ladder/cpu/batch_norm.py"
CPU_IN_USE = "minigan/devices/cpu/normalization.py"


def _expressions(device: Device, p: BatchNorm) -> tuple[Array, ...]:
    return (cpu.expressions(p.x, p.weight, p.bias, p.epsilon, p.slope),)


def _loops(name: str, kernel: Callable[..., None]) -> Step[BatchNorm]:
    def run(device: Device, p: BatchNorm) -> tuple[Array, ...]:
        y = device.empty(p.x.shape, p.x.dtype)
        kernel(p.x, p.weight, p.bias, p.epsilon, p.slope, y)
        return (y,)

    return Step(name, CPU_STUDY, run)


CPU = (
    Step("1 NumPy", CPU_STUDY, _expressions),
    _loops("2 channel by channel", cpu.channel_by_channel),
    _loops("3 row by row", cpu.row_by_row),
    Step("4 blocks in cache, all cores", CPU_IN_USE, _one_pass),
    Step("5 activation inside", CPU_IN_USE, _fused, in_use=True),
)


def baseline(torch: Any, p: BatchNorm, dtype: str, device: str) -> Callable[[], Any]:
    """PyTorch's batch norm, then its leaky ReLU in place."""
    x, weight, bias = (
        torch.tensor(a, dtype=getattr(torch, dtype), device=device) for a in (p.x, p.weight, p.bias)
    )
    functional = torch.nn.functional

    def call() -> Any:
        y = functional.batch_norm(x, None, None, weight, bias, True, eps=p.epsilon)
        return functional.leaky_relu(y, p.slope, inplace=True)

    return call


LADDER = Ladder(
    "batch_norm", "Batch normalization and leaky ReLU of 49 rows of 128 channels an image",
    problem, CUDA, CPU, baseline, counted_size=16,
)  # fmt: skip
