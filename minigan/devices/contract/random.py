"""Random numbers: the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigan.devices.contract.kernel import Array, kernel
from minigan.devices.contract.likelihood import CodeTable

# (seed, stream, step) of random numbers. The step is an int, or an array of one int64 on the device: a captured step
# reads the count as it then is.
Step = int | Array
Key = tuple[int, int, Step]


def uniform_bounds(low: float, high: float, dtype: Any) -> tuple[float, float, float]:
    """Return low, high − low and the largest number below high, rounded to `dtype`; low itself where there is none.

    Raises:
        TypeError: the dtype is not float32 or float64, or a bound is no real number.
        ValueError: the interval is empty (low > high), or not finite in that dtype.
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"uniform numbers are float32 or float64, not {dtype}")
    if not all(isinstance(bound, (int, float, np.integer, np.floating)) for bound in (low, high)):
        raise TypeError(f"the bounds of uniform numbers are real numbers, not {low!r} and {high!r}")
    with np.errstate(over="ignore"):
        first, end, width = (dtype.type(value) for value in (low, high, float(high) - float(low)))
    if not (low <= high and np.isfinite([first, end, width]).all()):
        raise ValueError(
            f"uniform numbers need low ≤ high, both finite in {dtype}, as is high − low; got {low} and {high}"
        )
    last = max(first, np.nextafter(end, dtype.type(-np.inf)))
    return float(first), float(width), float(last)


class Random:
    """Random numbers."""

    @kernel
    def random_uniform(
        self, shape: Sequence[int], low: float, high: float, dtype: Any, key: Key
    ) -> Array:
        """low + (high − low)·u, where u = k·2⁻²⁴ (float32) or k·2⁻⁵³ (float64) from Philox 4×32-10.

        `key` is (seed, stream, step), the step an int or a device's array of one int64. Block b of
        four words is Philox(key = seed, counter = (low and high word of b, step, stream)). float32
        element i takes word i, k = word » 8. float64 element i takes words 2i and 2i+1, k = (word₂ᵢ
        » 5)·2²⁶ + (word₂ᵢ₊₁ » 6). The scaling is one multiplication and one addition, each rounded,
        so all devices agree to the bit. What rounding brings to high or above becomes the largest
        number below it (`uniform_bounds`).
        """

    @kernel
    def random_integers(self, shape: Sequence[int], high: int, key: Key) -> Array:
        """int64 in [0, high): the high word of word·high, element i from word i (as `random_uniform`)."""

    @kernel
    def sample_codes(self, batch: int, table: CodeTable, dtype: Any, key: Key) -> Array:
        """Random codes from their priors, (batch, codes).

        Code i of row r reads word r·codes + i of `key` (see `random_uniform`). A categorical is the
        high word of word·width, uniform over its categories. A continuous code is k·2⁻²³ − 1 with k
        = word » 8, uniform in [−1, 1). The values are exact in both dtypes, so they are the same.
        """
