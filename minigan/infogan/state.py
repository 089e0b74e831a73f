"""The state of training: all tensors that a step changes, read and loaded by name."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minigan.infogan.extensions.base import Extension
from minigan.infogan.networks import Networks
from minigan.optim import Adam
from minigan.tensor import Tensor

AVERAGED = "averaged."  # before the name of a moving average in a state


class TrainingState:
    """The networks, their optimizers, what extensions keep, and the number of steps."""

    networks: Networks
    discriminator_optimizer: Adam
    generator_optimizer: Adam
    extensions: list[Extension]
    step_count: int
    _counter: Tensor

    @property
    def result(self) -> Networks:
        """Return the networks to evaluate and draw: the averages, where an extension keeps any."""
        kept = (extension.averages for extension in self.extensions)
        return next((averages for averages in kept if averages), self.networks)

    def first_nonfinite(self) -> str | None:
        """Return the name of the first tensor of the state that holds a NaN or an infinity."""
        for name, value in self.state().items():
            if not np.isfinite(value).all():
                return name
        return None

    def state(self) -> dict[str, np.ndarray]:
        """Return every tensor that training changes, by name.

        Returns:
            The weights, running statistics, averages and moments, of the shapes that the networks
            give them.
        """
        state = {name: value.numpy() for name, value in self._named_tensors()}
        for name, optimizer in self._optimizers():
            for key, value in optimizer.state_dict().items():
                if isinstance(value, Tensor):
                    state[f"{name}.{key}"] = value.numpy()
        return state

    def load_state(self, step: int, state: dict[str, np.ndarray]) -> None:
        """Go on from a step with its state.

        Args:
            step: the number of steps that were taken.
            state: the arrays that `state` returned, of the same shapes.

        Raises:
            ValueError: the state is of other networks.
        """
        own = self.state()
        if {n: a.shape for n, a in own.items()} != {n: tuple(a.shape) for n, a in state.items()}:
            raise ValueError("this state is of other networks")
        for name, value in self._named_tensors():
            value.copy_(state[name])
        for name, optimizer in self._optimizers():
            memories = {
                key: state[f"{name}.{key}"] if isinstance(value, Tensor) else step
                for key, value in optimizer.state_dict().items()
            }
            optimizer.load_state_dict(memories)
        self._counter.copy_(np.array([step]))
        self.step_count = step

    def _named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every weight and statistic, and every average of one."""
        yield from self.networks.named_tensors()
        if self.result is not self.networks:
            for name, average in self.result.named_tensors():
                yield AVERAGED + name, average

    def _optimizers(self) -> list[tuple[str, Adam]]:
        return [
            ("discriminator_optimizer", self.discriminator_optimizer),
            ("generator_optimizer", self.generator_optimizer),
        ]
