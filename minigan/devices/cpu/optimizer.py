"""Adam and running sums on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigan.devices.contract.optimizer import AdamSettings
from minigan.devices.contract.random import Step
from minigan.devices.cpu.arrays import Array, step_number
from minigan.devices.cpu.compile import Vector, kernel
from minigan.devices.device import Device


def adam(
    device: Device,
    parameters: Sequence[Array],
    gradients: Sequence[Array],
    first_moments: Sequence[Array],
    second_moments: Sequence[Array],
    step: Step,
    settings: AdamSettings,
) -> None:
    count = step_number(step)
    rate = settings.learning_rate / (1 - settings.beta1**count)
    correction = 1 / (1 - settings.beta2**count)
    for arrays in zip(parameters, gradients, first_moments, second_moments, strict=True):
        p, g, m, v = (array.reshape(-1) for array in arrays)
        adam_step(
            p.size, p, g, m, v, rate, settings.beta1, settings.beta2, correction, settings.epsilon
        )


def accumulate(
    device: Device, total: Array, gradient: Array, decay: float = 1.0, scale: float = 1.0
) -> None:
    if decay != 1:
        total *= decay
    total += gradient if scale == 1 else scale * gradient


def increment(device: Device, counter: Array) -> None:
    counter += 1


@kernel(grain=1 << 14)
def adam_step(
    begin: int, end: int, p: Vector, g: Vector, m: Vector, v: Vector,
    rate: float, beta1: float, beta2: float, correction: float, epsilon: float,
) -> None:  # fmt: skip
    """Update in one pass: seven streams of memory, which bound it.

    `rate` is α/(1 − β₁ᵗ) and `correction` 1/(1 − β₂ᵗ).
    """
    real = p.dtype.type
    one = real(1)
    a, b1, b2, e, inverse = real(rate), real(beta1), real(beta2), real(epsilon), real(correction)
    p, g, m, v = p[begin:end], g[begin:end], m[begin:end], v[begin:end]
    for i in range(p.size):  # from 0: see elementwise.py
        m[i] = b1 * m[i] + (one - b1) * g[i]
        v[i] = b2 * v[i] + (one - b2) * (g[i] * g[i])
        p[i] -= a * m[i] / (np.sqrt(v[i] * inverse) + e)
