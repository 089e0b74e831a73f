"""Weight averaging: moving averages of all weights and statistics are evaluated in place of those that are trained.

a ← d·a + (1 − d)·w after each step, as for G in Yazıcı et al. (2019). Training never reads the averages.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from minigan.fields import setting
from minigan.infogan.extensions.base import Context, Extension, ExtensionSettings


@dataclass(frozen=True)
class WeightAveragingSettings(ExtensionSettings):
    """The settings of weight averaging."""

    name: ClassVar[str] = "weight_averaging"

    window: float = setting(
        "Steps n that the moving averages reach back: their decay is 1 − 1/n.",
        1 / 8, unit="fraction of the steps", low=1e-9, high=1e6,
    )  # fmt: skip

    def create(self, context: Context) -> WeightAveraging:
        return WeightAveraging(self, context)


class WeightAveraging(Extension):
    """Networks with the moving averages of the trained ones."""

    def __init__(self, settings: WeightAveragingSettings, context: Context) -> None:
        self.context = context
        self.averages = context.new_networks()
        steps = max(settings.window * context.schedule_length, 1.0)
        self.full_decay = 1 - 1 / steps

    def decay(self, step: int) -> float:
        """Return d of a step: 0 until there are as many steps as are averaged."""
        return self.full_decay if (step - 1) * (1 - self.full_decay) >= 1 else 0.0

    def phase(self, step: int) -> Hashable:
        return self.decay(step)

    def after_step(self, step: int) -> None:
        """Update the averages with this step's weights and statistics."""
        decay, trained = self.decay(step), self.context.networks.named_tensors()
        for (_, average), (_, value) in zip(self.averages.named_tensors(), trained, strict=True):
            self.context.device.accumulate(average.data, value.data, decay, 1 - decay)
            average.mark_changed()
