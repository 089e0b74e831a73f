"""The roofline of the device that a trace ran on, measured by minigan's own kernels."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from minigan.devices import Device
from minigan.inspect.cost import Roofline

SIDE = 1024  # of the matrices whose product gives the peak
LENGTH = 2**24  # of the arrays whose sum gives the bandwidth: no cache holds them
_ROUNDS = 5


def measure_roof(device: Device) -> Roofline | None:
    """Return the best rates of a product and of a sum in float32; None where times say nothing of a machine."""
    if device.faster_device:  # it checks kernels, and has no speed to speak of
        return None
    a, b = (device.ones((SIDE, SIDE), np.float32) for _ in range(2))
    x, y = (device.ones((LENGTH,), np.float32) for _ in range(2))
    product = _best_seconds(device, lambda: device.gemm(a, b))
    addition = _best_seconds(device, lambda: device.scaled_sum(x, 1.0, y, 1.0))
    return Roofline(2 * SIDE**3 / product, 3 * x.nbytes / addition)


def _best_seconds(device: Device, run: Callable[[], Any]) -> float:
    times = []
    for _ in range(1 + _ROUNDS):  # the first one may compile
        start = time.perf_counter()
        run()
        device.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)
