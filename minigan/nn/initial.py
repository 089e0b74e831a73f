"""The initial values of the layers' parameters."""

from __future__ import annotations

import contextlib
import contextvars
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import DTypeLike

from minigan.creation import checked_shape
from minigan.devices import Device, get_device
from minigan.random import Generator, default_generator
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


class Initializer:
    """Uniform in ±1/√fan_in, PyTorch's default for these layers."""

    def __init__(
        self,
        fan_in: int,
        dtype: DTypeLike,
        device: str | Device | None,
        generator: Generator | None,
    ) -> None:
        self.bound = 1 / math.sqrt(max(fan_in, 1))
        self.dtype, self.device = np.dtype(dtype), get_device(device)
        self.generator = generator or default_generator()

    def __call__(self, shape: Sequence[int]) -> Tensor:
        shape = checked_shape(shape)
        if _skipped.get():
            return Tensor(self.device.empty(shape, self.dtype), self.device, requires_grad=True)
        values = self.device.random_uniform(
            shape, -self.bound, self.bound, self.dtype, self.generator.next_key()
        )
        return Tensor(values, self.device, requires_grad=True)
