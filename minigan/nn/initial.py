"""The initial values of the layers' parameters."""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator, Sequence

from numpy.typing import DTypeLike

from minigan.creation import checked_shape, empty, rand
from minigan.devices import DeviceLike
from minigan.random import Generator
from minigan.tensor import Tensor

_skipped = contextvars.ContextVar("skipped", default=False)


@contextlib.contextmanager
def skip_initialization() -> Iterator[None]:
    """Leave the parameters of layers made in the block uninitialised, for a caller that sets them all."""
    token = _skipped.set(True)
    try:
        yield
    finally:
        _skipped.reset(token)


def weight_and_bias(
    shape: Sequence[int],
    bias: bool,
    dtype: DTypeLike,
    device: DeviceLike,
    generator: Generator | None,
) -> tuple[Tensor, Tensor | None]:
    """Return a weight with the features out as its last axis, and a bias of them or None.

    Both are uniform in ±1/√n, where n is the number of values that a feature is made of: PyTorch's
    default for these layers.
    """
    shape = checked_shape(shape)
    bound = 1 / math.sqrt(max(math.prod(shape[:-1]), 1))

    def parameter(shape: Sequence[int]) -> Tensor:
        if _skipped.get():
            return empty(shape, dtype=dtype, device=device, requires_grad=True)
        return rand(shape, -bound, bound, dtype, device, generator).requires_grad_()

    return parameter(shape), parameter(shape[-1:]) if bias else None
