"""Adam and running sums: the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from minigan.devices.contract.kernel import Array, kernel
from minigan.devices.contract.random import Step


@dataclass(frozen=True)
class AdamSettings:
    """Learning rate α, β₁, β₂ and ε of Kingma & Ba (2015), algorithm 1."""

    learning_rate: float
    beta1: float
    beta2: float
    epsilon: float


class Optimizer:
    """Adam and running sums."""

    @kernel
    def adam(
        self,
        parameters: Sequence[Array],
        gradients: Sequence[Array],
        first_moments: Sequence[Array],
        second_moments: Sequence[Array],
        step: Step,
        settings: AdamSettings,
    ) -> None:
        """Take one step of Adam on all parameters, in place; `step` counts from 1, an int or a device's array of one int64.

        m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − α·(m/(1−β₁ᵗ))/(√(v/(1−β₂ᵗ)) + ε).
        """

    @kernel
    def accumulate(
        self, total: Array, gradient: Array, decay: float = 1.0, scale: float = 1.0
    ) -> None:
        """total ← decay·total + scale·gradient, in place."""

    @kernel
    def increment(self, counter: Array) -> None:
        """counter ← counter + 1, in place: an array of one int64."""
