"""Random numbers: the launches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigan.devices.contract.kernel import Array
from minigan.devices.contract.likelihood import CodeTable
from minigan.devices.contract.random import Key, uniform_bounds
from minigan.devices.cuda_plan.base import CudaPlan
from minigan.devices.cuda_plan.likelihood import code_columns


def random_uniform(
    device: CudaPlan, shape: Sequence[int], low: float, high: float, dtype: Any, key: Key
) -> Array:
    first, width, last = uniform_bounds(low, high, dtype)
    result = device.empty(shape, dtype)
    seed, stream, step = key
    device.launch_elementwise(
        "random", "random_uniform", result.size, result.dtype,
        result, np.uint64(seed), stream, device.step_counter(step), first, width, last,
        np.int64(result.size),
    )  # fmt: skip
    return result


def random_integers(device: CudaPlan, shape: Sequence[int], high: int, key: Key) -> Array:
    result = device.empty(shape, np.int64)
    seed, stream, step = key
    device.launch_elementwise(
        "random", "random_integers", result.size, np.float32,
        result, np.uint64(seed), stream, device.step_counter(step), np.int64(high),
        np.int64(result.size),
    )  # fmt: skip
    return result


def sample_codes(device: CudaPlan, batch: int, table: CodeTable, dtype: Any, key: Key) -> Array:
    result = device.empty((batch, len(table.kind)), dtype)
    kind, _, width = code_columns(device, table)
    seed, stream, step = key
    device.launch_elementwise(
        "random", "sample_codes", result.size, result.dtype, result, kind, width,
        np.uint64(seed), stream, device.step_counter(step), result.shape[1], np.int64(result.size),
    )  # fmt: skip
    return result
