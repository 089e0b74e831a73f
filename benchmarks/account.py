"""The least work of a training step on a GPU, counted from its own launches: a model, with no GPU in it.

The emulated device records the launches of a step without running them. Of each launch are counted the bytes that it must
move, every operand read once and every result written once, and its floating-point operations. A
memory system and arithmetic units of given rates need some time for each. No implementation with
these launches can beat the longer of the two. A measurement says how far from it one is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigan.devices import get_device
from minigan.devices.arguments import PointerTable
from minigan.devices.cuda_plan.base import Launch
from minigan.devices.emulated import Emulated
from minigan.experiments.declarations import MNIST
from minigan.experiments.pages import Table
from minigan.infogan.settings import Settings
from minigan.inspect.cost import (
    ADAM,
    ELEMENT_OPERATIONS,
    NORM_BACKWARD_DATA,
    NORM_BACKWARD_SUMS,
    STATISTICS,
    TANH,
    TANH_BACKWARD,
    Cost,
    convolution_flops,
    gemm_flops,
)
from minigan.inspect.roofline import H200, Machine


def seconds(cost: Cost, machine: Machine, tensor_cores: bool) -> float:
    """Return the longer of moving the bytes and doing the arithmetic."""
    return machine.seconds(cost.bytes, cost.flops, cost.product_flops, tensor_cores)


# -- the cost of a launch ----------------------------------------------------------------------------

Array = np.ndarray[Any, Any]

# Operations for each element of the largest array.
_OPERATIONS = {
    **ELEMENT_OPERATIONS,
    "hyperbolic_tangent": TANH,
    "hyperbolic_tangent_backward": TANH_BACKWARD,
    "fill": 0,
    "copy": 0,
    "concatenate": 0,
    "column_sum_parts": 1,
    "sum_parts": 1,
    "sum_parts_moments": 8,
    "batch_norm_parts": STATISTICS,
    "batch_norm_merge": 8,
    "batch_norm_backward_parts": NORM_BACKWARD_SUMS,
    "batch_norm_backward_merge": 1,
    "batch_norm_backward_data": NORM_BACKWARD_DATA,
}

# Matrix products, from the arrays among their arguments; a bias may stand between the operands and the result. A kernel's
# name goes on with what kind of it was chosen: its tile, its copies, its precision.
_PRODUCTS: dict[str, Callable[..., float]] = {
    "gemm": gemm_flops,
    "conv2d_backward_data": lambda dy, w, *others: convolution_flops(dy, w),
    "conv2d_backward_weight": lambda x, dy, dw: convolution_flops(dy, dw),
    "conv2d": lambda x, w, *others: convolution_flops(others[-1], w),
}


def _product(kernel: str) -> Callable[..., float] | None:
    return next((count for name, count in _PRODUCTS.items() if kernel.startswith(name)), None)


def cost(launch: Launch) -> Cost:
    """Return the least that a launch moves, and its operations. KeyError for a kernel without a count."""
    arrays = [a for a in launch.arguments if isinstance(a, np.ndarray)]
    tables = [a for a in launch.arguments if isinstance(a, PointerTable)]
    moved = sum(a.nbytes for a in arrays)
    if (product := _product(launch.kernel)) is not None:
        return Cost(1, moved, 0, product(*arrays))
    if launch.kernel == "adam":  # p, m and v are read and written, g is read
        p, g, m, v, *_ = tables[0].columns
        moved += sum(array.nbytes for column in (p, p, g, m, m, v, v) for array in column)
        return Cost(1, moved, ADAM * sum(array.size for array in p))
    if launch.kernel == "concatenate":
        moved += sum(array.nbytes for array in tables[0].columns[0])
    if launch.kernel == "gather_images":  # of all images only the batch's, a byte a pixel
        images, _, result = arrays
        moved += result.size - images.nbytes
        arrays = [result]
    if launch.kernel == "batch_norm_merge":  # running statistics are read and written
        moved += sum(2 * array.nbytes for column in tables[0].columns for array in column)
    return Cost(1, moved, _OPERATIONS[launch.kernel] * max(a.size for a in arrays))


# -- a step ----------------------------------------------------------------------------------------


def launches_of_a_step(settings: Settings) -> list[Launch]:
    """Return every launch of one training step, recorded and not run."""
    from minigan.experiments.trainer import Trainer

    device = get_device("emulated")
    assert isinstance(device, Emulated)
    settings = dataclasses.replace(settings, device="emulated")
    images = np.zeros((settings.batch_size, *settings.image_shape), np.uint8)
    # A step of small networks brings the constants to the device, which a recording may not do.
    height, width, channels = settings.image_shape
    small = dataclasses.replace(
        settings, batch_size=2, noise=1, trunk="fc 2", generator=f"fc {height}x{width}x{channels}"
    )
    Trainer(small, images).step()
    launches, _ = device.record(Trainer(settings, images).launch_step)
    return launches


def account(launches: Sequence[Launch]) -> dict[str, list[Cost]]:
    """Return the cost of each launch, by kernel: "`gemm.cu` gemm_nn"."""
    costs: dict[str, list[Cost]] = {}
    for launch in launches:
        costs.setdefault(f"`{launch.source}.cu` {launch.kernel}", []).append(cost(launch))
    return costs


def table(batch_size: int = MNIST.batch_size, machine: Machine = H200) -> Table:
    """Return a row for each kernel, those that the model gives most time first."""
    costs = account(launches_of_a_step(dataclasses.replace(MNIST, batch_size=batch_size)))
    rows = [_Row.of(kernel, own, machine) for kernel, own in costs.items()]
    rows.sort(key=lambda row: -row.float32)
    rows.append(_Row.of("all", [one for own in costs.values() for one in own], machine))
    return Table(
        "A model, not a measurement: the least that one MNIST step moves and computes, batch "
        f"{batch_size}, float32",
        ("kernel", "launches", "MB", "GFLOP", "µs, float32", "µs, products in TF32"),
        [row.cells() for row in rows],
        (
            "Bytes: every operand of a launch read once, every result written once, in memory and not in a cache. "
            f"Time: for each launch the longer of its bytes at {machine.bandwidth / 1e12:g} TB/s and its operations at "
            f"{machine.float32 / 1e12:g} TFLOP/s (float32), or {machine.tf32 / 1e12:g} TFLOP/s for matrix products in "
            f"TF32: the rates that NVIDIA states for the {machine.name}. The time of a launch itself, which is most of "
            "what a small one takes, is not in it.",
            "Written by `python -m benchmarks account`.",
        ),
    )


@dataclass(frozen=True)
class _Row:
    """What launches cost together, and how long they take one after another, in µs."""

    kernel: str
    cost: Cost
    float32: float
    tf32: float

    @classmethod
    def of(cls, kernel: str, costs: Sequence[Cost], machine: Machine) -> _Row:
        times = (
            1e6 * sum(seconds(c, machine, tensor_cores) for c in costs)
            for tensor_cores in (False, True)
        )
        return cls(kernel, sum(costs, Cost()), *times)

    def cells(self) -> tuple[str, ...]:
        gflop = self.cost.all_flops / 1e9
        return (
            self.kernel, f"{self.cost.launches}", f"{self.cost.bytes / 1e6:.3f}", f"{gflop:.3f}",
            f"{self.float32:.2f}", f"{self.tf32:.2f}",
        )  # fmt: skip
