"""The ways in which the samples are run: numbers, memory and device."""

from __future__ import annotations

import itertools
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One way to run the samples. `every`: only each n-th sample, since a device is slow."""

    dtype: str = "float64"
    kind: str = "sample"
    contiguous: bool = True
    device: str = "cpu"
    every: int = 1

    def title(self) -> str:
        """Return the part in words."""
        memory = "contiguous" if self.contiguous else "not contiguous"
        some = f", each {self.every}th" if self.every > 1 else ""
        return f"{self.device}: {self.kind} inputs, {self.dtype}, {memory}{some}"


PARTS = (
    *(Part(*choice) for choice in itertools.product(("float64", "float32"), ("sample", "reference"), (True, False))),
    Part("float32", device="emulated", every=20),
)  # fmt: skip
