"""Training: steps of InfoGAN one after the other, and the state that they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigan.devices.contract.kernel import Array
from minigan.devices.precision import using_float32_precision
from minigan.experiments.step_metrics import StepMetrics, check_metrics, step_metrics
from minigan.infogan.networks import Networks
from minigan.infogan.settings import Settings
from minigan.infogan.step import InfoGAN
from minigan.optim import Adam
from minigan.tensor import Tensor

AVERAGED = "averaged."  # before the name of a moving average in a state

# Steps taken launch by launch before one is captured. A first use compiles kernels and brings
# constants to the device, and a capture may do neither.
_PLAIN_STEPS = 2


class Trainer(InfoGAN):
    """InfoGAN in training: it takes steps, and saves and loads all that they change.

    A state that is saved and loaded goes on as if training had never stopped.

    Args:
        settings: the experiment.
        images: uint8, (n, height, width, channels). No label is ever read.
        capture: whether a device that has graphs records a step once, after some plain ones, and
            then launches it whole. The numbers are the same to the bit.

    Raises:
        SettingsError: the images have another shape than the settings', there are fewer than a
            batch, or the networks do not fit them.
    """

    def __init__(self, settings: Settings, images: np.ndarray, *, capture: bool = True) -> None:
        super().__init__(settings, images)
        self.capture = capture
        self._phase: list[Any] = []  # the kind of the plain steps, and of the captured one
        self._plain_steps = 0
        self._captured: Callable[[], Array] | None = None
        self._written: list[Any] = []  # the versions of all that a captured step writes

    # -- steps -----------------------------------------------------------------------------------

    def step(self) -> StepMetrics:
        """Take one step; return its metrics.

        Raises:
            TrainingError: the losses are no longer those of a run that learns.
        """
        return next(self.steps(1))

    def steps(self, count: int) -> Iterator[StepMetrics]:
        """Take `count` steps, then read the metrics of all of them at once, and yield them.

        A GPU computes a step while the next one is launched; each reading waits for it.

        Args:
            count: the number of steps, at least 1.

        Raises:
            TrainingError: the losses of a step are no longer those of a run that learns; the
                metrics before it were yielded.
        """
        launched = []
        with using_float32_precision(self.settings.float32_precision):
            for i in range(count):
                values = self._take_step()
                self.step_count += 1
                # a captured step writes its metrics to the same place again
                launched.append(values if i + 1 == count else self.device.copy(values))
            kept = launched[0] if count == 1 else self.device.concatenate_rows(launched)
            rows = self.device.to_numpy(kept).astype(np.float64).reshape(count, -1)
        for step, row in enumerate(rows, self.step_count - count + 1):
            metrics = step_metrics(step, row, self.layout, self.settings.batch_size)
            check_metrics(metrics, self.layout, self.first_nonfinite)
            yield metrics

    def _take_step(self) -> Array:
        """Launch a step, kernel by kernel or captured; see `launch_step` for the result."""
        step = self.step_count + 1
        for extension in self.extensions:
            extension.before_step(step)
        phase = [
            *(extension.phase(step) for extension in self.extensions),
            self.discriminator_optimizer.settings,
            self.generator_optimizer.settings,
            self.discriminator_optimizer.weight_decay,
            self.generator_optimizer.weight_decay,
            self.generator.training,
            self.discriminator.training,
            self.recognition.training,
        ]
        if phase != self._phase:
            self._phase, self._plain_steps, self._captured = phase, 0, None
            self._bring_lambdas(step)
            self.device.prepare(self.launch_step)
        if not self.capture or self._plain_steps < _PLAIN_STEPS:
            self._plain_steps += 1
            return self.launch_step()
        if self._captured is None:
            self._captured = self.device.capture(self.launch_step)
            self._written = [value._version for _, value in self._named_tensors()]
        metrics = self._captured()
        for version in self._written:  # a replay writes without a notice
            version.count += 1
        return metrics

    # -- the state -------------------------------------------------------------------------------

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
