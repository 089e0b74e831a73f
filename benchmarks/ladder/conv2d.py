"""The optimization steps of the convolution, forward: the second of MNIST's discriminator, 4×4 with stride 2, 14×14×64 to 7×7×128."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.ladder.cpu import conv2d as cpu
from benchmarks.ladder.steps import Ladder, Problem, Step, ceil_divide
from benchmarks.ladder.windows import windows_of
from minigan.devices import Device
from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.cpu import winograd
from minigan.devices.cuda_plan import CudaPlanDevice
from minigan.devices.precision import using_float32_precision

Array = Any
SAME = ConvolutionGeometry((14, 14), (7, 7), (4, 4), (2, 2), ((1, 1), (1, 1)))


@dataclass(frozen=True)
class Convolution(Problem):
    """y = conv2d(x, w): x is (n, *input_size, c), w (*kernel_size, c, o)."""

    x: Array
    w: Array
    geometry: ConvolutionGeometry

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of y."""
        return (self.x.shape[0], *self.geometry.output_size, self.w.shape[3])

    @property
    def windows(self) -> int:
        return math.prod(self.shape[:3])

    @property
    def taps(self) -> int:
        return math.prod(self.w.shape[:3])

    @property
    def numbers(self) -> tuple[int, ...]:
        """GEOMETRY_PARAMETERS of geometry.cuh."""
        g, ((top, _), (left, _)) = self.geometry, self.geometry.padding
        return (
            self.x.shape[0], *g.input_size, *g.output_size, *g.kernel_size, *g.stride, top, left,
            *self.w.shape[2:],
        )  # fmt: skip

    def expected(self) -> tuple[np.ndarray[Any, Any], ...]:
        return (np.tensordot(windows_of(self.x, self.geometry), self.w, axes=3),)

    @property
    def least_elements(self) -> int:
        return int(self.x.size + self.w.size + math.prod(self.shape))

    @property
    def roundings(self) -> int:
        return self.taps

    @property
    def flops(self) -> float | None:
        return 2 * self.windows * self.taps * self.w.shape[3]


def problem(batch: int) -> Convolution:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(batch, 14, 14, 64)), rng.normal(size=(4, 4, 64, 128))
    return Convolution(x, w, SAME)


# -- CUDA ---------------------------------------------------------------------------------------------

Grid = Callable[[Convolution], tuple[int, ...]]


def _output_a_thread(p: Convolution) -> tuple[int, ...]:
    return (ceil_divide(math.prod(p.shape), 256),)


def _tiles(side: int) -> Grid:
    return lambda p: (ceil_divide(p.windows, side), ceil_divide(p.w.shape[3], side))


def _study(
    name: str, grid: Grid, block: tuple[int, ...], vectors: bool = False, bits: int | None = None
) -> Step[Convolution]:
    """Return a file of kernels/study/conv2d, and its launch."""

    def run(device: CudaPlanDevice, p: Convolution) -> tuple[Array, ...]:
        y = device.empty(p.shape, p.x.dtype)
        device.launch(
            f"study/conv2d/{name}", "conv2d", p.x.dtype, grid(p), block, p.x, p.w, y, *p.numbers
        )
        return (y,)

    source = f"kernels/study/conv2d/{name}.cu"
    return Step(name.replace("_", " "), source, run, bits, vectors)


def _in_use(kernel: str, precision: str, bits: int | None = None) -> Step[Convolution]:
    def run(device: Device, p: Convolution) -> tuple[Array, ...]:
        with using_float32_precision(precision):
            return (device.conv2d(p.x, p.w, p.geometry),)

    return Step(kernel, "kernels/convolution.cu", run, bits, in_use=True)


TF32_BITS = 11

CUDA = (
    _study("1_naive", _output_a_thread, (256,)),
    _study("2_coalesced", _output_a_thread, (256,)),
    _study("3_shared_tiles", _tiles(16), (16, 16)),
    _study("4_register_blocking", _tiles(64), (16, 16)),
    _study("5_vectors", _tiles(64), (16, 16), vectors=True),
    _study("6_asynchronous_copies", _tiles(64), (16, 16), vectors=True),
    _study("7_tensor_cores", _tiles(64), (128,), vectors=True, bits=TF32_BITS),
    _study("8_padding", _tiles(64), (128,), vectors=True, bits=TF32_BITS),
    _in_use("conv2d_vector", "ieee"),
    _in_use("conv2d_vector_tf32", "tf32", TF32_BITS),
)


# -- CPU ----------------------------------------------------------------------------------------------


def _loops(name: str, kernel: Callable[..., None]) -> Step[Convolution]:
    def run(device: Device, p: Convolution) -> tuple[Array, ...]:
        (top, _), (left, _) = p.geometry.padding
        y = device.empty(p.shape, p.x.dtype)
        kernel(p.x, p.w, (*p.geometry.stride, top, left), y)
        return (y,)

    return Step(name, "benchmarks/ladder/cpu/conv2d.py", run)


def _unfolded(device: Device, p: Convolution) -> tuple[Array, ...]:
    return (cpu.unfolded(p.x, p.w, p.geometry),)


def _tiles_in_cache(device: Device, p: Convolution) -> tuple[Array, ...]:
    """Return the device's convolution with Winograd's put out of reach."""
    least, winograd.LEAST_CHANNELS = winograd.LEAST_CHANNELS, 2**31
    try:
        return (device.conv2d(p.x, p.w, p.geometry),)
    finally:
        winograd.LEAST_CHANNELS = least


def _winograd(device: Device, p: Convolution) -> tuple[Array, ...]:
    return (device.conv2d(p.x, p.w, p.geometry),)


CPU = (
    _loops("1 naive", cpu.naive),
    _loops("2 channels innermost", cpu.channels_innermost),
    _loops("3 all cores", cpu.all_cores),
    Step("4 unfolded, one product", "benchmarks/ladder/cpu/conv2d.py", _unfolded),
    Step("5 tiles in cache", "minigan/devices/cpu/unfolding.py", _tiles_in_cache),
    Step("6 Winograd", "minigan/devices/cpu/winograd.py", _winograd, in_use=True),
)


def baseline(torch: Any, p: Convolution, dtype: str, device: str) -> Callable[[], Any]:
    """PyTorch's convolution (cuDNN's, on a GPU), channels last; TF32 as `torch.backends.cudnn.allow_tf32` says."""
    kind = getattr(torch, dtype)
    x = torch.tensor(p.x, dtype=kind, device=device).permute(0, 3, 1, 2)
    w = torch.tensor(p.w, dtype=kind, device=device).permute(3, 2, 0, 1)
    w = w.contiguous(memory_format=torch.channels_last)
    (top, bottom), (left, right) = p.geometry.padding
    assert top == bottom and left == right  # what PyTorch can say
    stride, padding = p.geometry.stride, (top, left)
    return lambda: torch.nn.functional.conv2d(x, w, None, stride, padding)


LADDER = Ladder(
    "conv2d", "Convolution: 4×4 with stride 2, 14×14×64 to 7×7×128", problem, CUDA, CPU, baseline
)
