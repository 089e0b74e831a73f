"""A moving average of a module's weights, which is evaluated in place of those that are trained."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from minigan.nn.module import Module
from minigan.ops.shared import check_range
from minigan.recording import no_grad
from minigan.tensor import Tensor


class MovingAverage(Module):
    """A copy of a module with average ← decay·average + (1 − decay)·weight after each `update`.

    It is called as the module is, and computes as after `eval`. Buffers, such as running
    statistics, are copied. Nothing of it is trained, and its state is saved with `state_dict`.
    Example::

        average = nn.MovingAverage(generator, decay=0.999)
        for step in range(steps):
            ...  # a step of the generator's optimizer
            average.update()
        images = average(latents)

    Args:
        module: the trained module. It is read at each `update`.
        decay: how much of the average stays, 0 … 1. An average reaches back over about
            1/(1 − decay) updates.

    Raises:
        ValueError: the decay is out of range.

    Reference: Polyak & Juditsky (1992), "Acceleration of stochastic approximation by averaging".
    """

    training = False

    def __init__(self, module: Module, decay: float = 0.999) -> None:
        self.decay = check_range("MovingAverage: decay", decay, 1)
        self.module = copy.deepcopy(module, {id(t): _average(t) for _, t in module.named_tensors()})
        self.module.eval()
        self._trained_tensors = module.named_tensors  # not the module, which would be a child

    def forward(self, *arguments: Any, **settings: Any) -> Tensor:
        """Run the module with the averages.

        Args:
            arguments: the module's arguments.
            settings: its arguments by name.

        Returns:
            A tensor of the shape that the module gives.
        """
        return self.module(*arguments, **settings)

    def update(self) -> None:
        """Move the averages towards the module's weights as they are now."""
        trained = dict(self._trained_tensors())
        averages = [(n, t) for n, t in self.module.named_tensors() if n in trained]
        pairs = {id(t): (t, trained[n]) for n, t in averages}  # tied weights move once
        with no_grad():
            for average, value in pairs.values():
                share = self.decay if value.is_parameter else 0
                average.copy_(share * average + (1 - share) * value if share else value)

    def _change_modules(self, change: Callable[[Module], None], seen: set[int]) -> None:
        """Stay as it is, in evaluation and frozen, where a module around this one changes."""


def _average(tensor: Tensor) -> Tensor:
    """Return the first average of a tensor: a copy, and of a parameter a frozen parameter."""
    average = tensor.detach().copy()
    return average.requires_grad_().requires_grad_(False) if tensor.is_parameter else average
