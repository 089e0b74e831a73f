"""How many steps a training loop may take before it has to look up: to draw samples, to save, or to end."""

from __future__ import annotations

from minigan.experiments.trainer import Trainer
from minigan.infogan.settings import Settings


def steps_ahead(settings: Settings, trainer: Trainer) -> int:
    """Return the number of steps to take at once: at most those that the device computes between two readings.

    They end at the next step with samples or a checkpoint, and at the last step. The first step is taken alone, since its
    samples are drawn.
    """
    step = trainer.step_count
    if step == 0:
        return 1
    distances = [
        every - step % every for every in (settings.sample_every, settings.checkpoint_every)
    ]
    return min(trainer.device.steps_per_reading, settings.iterations - step, *distances)
