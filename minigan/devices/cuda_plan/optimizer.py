"""Adam and running sums: the launches."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigan.devices.arguments import Double, PointerTable
from minigan.devices.contract.kernel import Array
from minigan.devices.contract.optimizer import AdamSettings
from minigan.devices.contract.random import Step
from minigan.devices.cuda_plan.base import BLOCK, CudaPlan
from minigan.devices.cuda_plan.elementwise import add_scaled

_ADAM_TENSORS, _ADAM_ELEMENTS = 64, 4096  # of a table, and of a block: as in adam.cu


def adam(
    device: CudaPlan,
    parameters: Sequence[Array],
    gradients: Sequence[Array],
    first_moments: Sequence[Array],
    second_moments: Sequence[Array],
    step: Step,
    settings: AdamSettings,
) -> None:
    counter = device.step_counter(step)
    by_dtype: dict[Any, list[tuple[Array, ...]]] = {}
    for arrays in zip(parameters, gradients, first_moments, second_moments, strict=True):
        checked = device.checked("adam", *arrays)
        if checked[0].size:
            by_dtype.setdefault(checked[0].dtype, []).append(checked)
    for tensors in by_dtype.values():
        for first in range(0, len(tensors), _ADAM_TENSORS):
            _adam(device, tensors[first : first + _ADAM_TENSORS], counter, settings)


def _adam(
    device: CudaPlan, tensors: list[tuple[Array, ...]], counter: Array, settings: AdamSettings
) -> None:
    """Launch Adam once: tensor i has the blocks from `first_blocks[i]` on."""
    sizes = [p.size for p, *_ in tensors]
    *first_blocks, blocks = itertools.accumulate(
        (-(-size // _ADAM_ELEMENTS) for size in sizes), initial=0
    )
    table = PointerTable((*zip(*tensors, strict=True), sizes, first_blocks), _ADAM_TENSORS)
    device.launch(
        "adam", "adam", tensors[0][0].dtype, (blocks,), (BLOCK,), table, len(tensors), counter,
        Double(settings.learning_rate), Double(settings.beta1), Double(settings.beta2),
        Double(settings.epsilon),
    )  # fmt: skip


def accumulate(
    device: CudaPlan, total: Array, gradient: Array, decay: float = 1.0, scale: float = 1.0
) -> None:
    total, gradient = device.checked("accumulate", total, gradient)
    add_scaled(device, total, decay, gradient, scale, total)


def increment(device: CudaPlan, counter: Array) -> None:
    device.launch("elementwise", "increment", np.float32, (1,), (1,), counter)
