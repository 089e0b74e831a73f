"""In what precision devices multiply float32 matrices."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from minigan.errors import SettingsError

FLOAT32_PRECISIONS = ("ieee", "tf32")

_float32_precision = "ieee"


def float32_precision() -> str:
    """Return the precision that `set_float32_precision` has set: "ieee" at first."""
    return _float32_precision


def set_float32_precision(precision: str) -> None:
    """Set how float32 matrix products and convolutions are computed, by layers and their gradients.

    Args:
        precision: "ieee": in float32, as written. "tf32": on the tensor cores of GPUs since sm_80.
            They round each operand to TF32, to nearest: 11 bits of significand in place of 24. So
            each product is off by up to 2⁻¹⁰ of itself; sums are in float32. It concerns devices
            with tensor cores, and the emulated one. The CPU, a GPU of sm_75, and float64 always
            compute as in "ieee".

    Raises:
        SettingsError: the precision is neither.
    """
    global _float32_precision
    if precision not in FLOAT32_PRECISIONS:
        raise SettingsError(
            f"float32_precision '{precision}' is unknown; it is one of {', '.join(FLOAT32_PRECISIONS)}"
        )
    _float32_precision = precision


@contextlib.contextmanager
def using_float32_precision(precision: str) -> Iterator[None]:
    """Within this block `set_float32_precision(precision)` holds; after it what held before."""
    before = float32_precision()
    set_float32_precision(precision)
    try:
        yield
    finally:
        set_float32_precision(before)
