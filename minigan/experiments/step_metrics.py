"""The measurements of a training step, and the check that they are numbers of a run that learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minigan.errors import TrainingError
from minigan.infogan.codes import CodeLayout

_DIVERGED = 1e6  # nats: no loss of a run that learns comes near it


class StepMetrics(NamedTuple):
    """The measurements of a step, in nats.

    Attributes:
        step: the number of the step.
        discriminator_loss: D's loss.
        generator_loss: G's loss.
        information: L_I of each code, on this step's batch.
    """

    step: int
    discriminator_loss: float
    generator_loss: float
    information: tuple[float, ...]


def step_metrics(step: int, row: np.ndarray, layout: CodeLayout, batch_size: int) -> StepMetrics:
    """Return the metrics of a step.

    Args:
        step: the number of the step.
        row: D's loss, G's, and Σ log Q(c_i|x) of each code over the batch, (2 + codes,).
        layout: the codes.
        batch_size: the number of images.
    """
    information = tuple((layout.entropies + row[2:] / batch_size).tolist())
    return StepMetrics(step, float(row[0]), float(row[1]), information)


def check_metrics(
    metrics: StepMetrics, layout: CodeLayout, first_nonfinite: Callable[[], str | None]
) -> None:
    """Raise an error if a loss is no longer that of a run that learns.

    Args:
        metrics: the step's.
        layout: the codes.
        first_nonfinite: a function that names a tensor with a NaN or an infinity, or gives None.

    Raises:
        TrainingError: a loss is not finite, or too large; the message names the step and the
            tensor.
    """
    values = {
        "discriminator_loss": metrics.discriminator_loss,
        "generator_loss": metrics.generator_loss,
        **{f"L_I({n})": v for n, v in zip(layout.names, metrics.information, strict=True)},
    }
    for name, value in values.items():
        if not abs(value) < _DIVERGED:
            culprit = first_nonfinite()
            raise TrainingError(
                f"training diverged at step {metrics.step}: {name} is {value:g}"
                + (f", and '{culprit}' holds values that are not finite" if culprit else "")
            )
