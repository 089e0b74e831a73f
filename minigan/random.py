"""Counter-based random numbers: a pure function of (seed, stream, step), the same on every device.

Philox 4×32-10 (Salmon et al. 2011); `Device.random_uniform` says which word becomes which number. There is no
state to save: a run that stops at step n goes on with the numbers of step n + 1. The step may lie on the device
(`Key`).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigan.devices import Device, get_device
from minigan.devices.contract.random import Key
from minigan.locks import Lock
from minigan.saving import Array

_CHUNK = 1 << 16  # pairs of normal numbers at a time: the steps between stay in cache


_TAKING = Lock()  # two threads never take one step
_GENERAL = 0  # the stream of the default generator; applications number theirs from 1


def uniform(
    shape: Sequence[int], low: float, high: float, key: Key, device: Device, dtype: Any = np.float32
) -> Array:
    """Return low + (high − low)·u, u uniform in [0, 1); see `Device.random_uniform`.

    Args:
        shape: the lengths of the axes.
        low: the least number.
        high: the upper bound, left out unless it is `low`.
        key: (seed, stream, step) of the numbers.
        dtype: float32 or float64.

    Returns:
        An array of the device, of that shape.

    Raises:
        TypeError: `dtype` is another.
        ValueError: low > high, or a bound is not finite.

    Reference: Salmon et al. (2011), "Parallel random numbers: as easy as 1, 2, 3".
    """
    return device.random_uniform(shape, low, high, dtype, key)


def integers(shape: Sequence[int], high: int, key: Key, device: Device) -> Array:
    """Return uniform integers in [0, high).

    Args:
        shape: the lengths of the axes.
        high: one more than the largest integer, 1 … 2³².
        key: (seed, stream, step) of the numbers.

    Returns:
        An array of the device, of that shape, int64.

    Raises:
        ValueError: high is out of range.
    """
    if not 0 < high <= 2**32:
        raise ValueError(f"integers: high is 1 … 2³², not {high}")
    return device.random_integers(shape, high, key)


def normal(shape: Sequence[int], std: float, key: tuple[int, int, int], dtype: Any) -> np.ndarray:
    """N(0, std²), drawn on the host in float64: math libraries differ between devices.

    Args:
        shape: the lengths of the axes.
        std: the standard deviation.
        key: (seed, stream, step) of the numbers.
        dtype: the dtype that the numbers are rounded to.

    Returns:
        A NumPy array of that shape and dtype.

    Reference: Box & Muller (1958), "A note on the generation of random normal deviates".
    """
    count = math.prod(shape)
    pairs = -(-count // 2)
    u = get_device("cpu").random_uniform((2, pairs), 0.0, 1.0, np.float64, key)
    values = np.empty(2 * pairs, dtype)
    for start in range(0, pairs, _CHUNK):
        part = slice(start, start + _CHUNK)
        radius = np.sqrt(-2 * np.log1p(-u[0, part]))  # 1 − u is in (0, 1]: the logarithm is finite
        angle = 2 * math.pi * u[1, part]
        values[:pairs][part] = std * (radius * np.cos(angle))
        values[pairs:][part] = std * (radius * np.sin(angle))
    return values[:count].reshape(shape)


def checked_seed(seed: int) -> int:
    """Return a seed as Python's int.

    Args:
        seed: an integer, 0 … 2⁶⁴ − 1, the range that Philox takes.

    Raises:
        TypeError: the seed is no integer.
        ValueError: it is out of range.
    """
    try:
        value = operator.index(seed)
    except TypeError:
        raise TypeError(f"a seed is an integer, and so is a step; not {seed!r}") from None
    if not 0 <= value < 2**64:
        raise ValueError(f"a seed is 0 … 2⁶⁴ − 1, and so is a step; not {value}")
    return value


@dataclass
class Generator:
    """A seed and a place in its numbers: each draw takes the next step of the general stream.

    Attributes:
        seed: 0 … 2⁶⁴ − 1; it may be set at any time.
        step: the number of draws so far.

    Raises:
        TypeError: the seed or the step is no integer.
        ValueError: the seed or the step is out of range.
    """

    seed: int = 0
    step: int = 0

    def __setattr__(self, name: str, value: int) -> None:
        super().__setattr__(name, checked_seed(value))

    def next_key(self) -> tuple[int, int, int]:
        """Take the next step; return (seed, stream, step) of its numbers."""
        with _TAKING:
            self.step += 1
            return self.seed, _GENERAL, self.step


_default = Generator()


def manual_seed(seed: int) -> Generator:
    """Start the default generator, which initializes layers, at this seed.

    Args:
        seed: an integer, 0 … 2⁶⁴ − 1.

    Returns:
        The default generator.

    Raises:
        TypeError: the seed is no integer.
        ValueError: it is out of range.
    """
    _default.seed, _default.step = seed, 0
    return _default


def default_generator() -> Generator:
    """Return the generator that layers use when they are given none."""
    return _default


def next_key(generator: Generator | None = None) -> tuple[int, int, int]:
    """Take the next step of a generator, by default of the default one.

    Args:
        generator: the source of random numbers.

    Returns:
        (seed, stream, step) of the numbers.

    Raises:
        TypeError: it is no generator.
    """
    source = _default if generator is None else generator
    if not isinstance(source, Generator):
        raise TypeError(f"a generator is a minigan.random.Generator, not {source!r}")
    return source.next_key()
