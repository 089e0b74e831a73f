"""The protocol of an extension: its additions to the paper's training step.

The trainer holds a list of extensions, which is empty for the paper's recipes. Every method has a default that adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from minigan.devices import Device
from minigan.devices.contract.kernel import Array
from minigan.devices.contract.random import Step
from minigan.infogan.codes import CodeLayout
from minigan.tensor import Tensor

Q = Mapping[str, Tensor]  # Q's parameters for the images of each batch-norm group


class TrainedNetworks(Protocol):
    """G, D and Q, as far as an extension needs them."""

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]: ...

    def code_layers(self) -> tuple[Tensor, Tensor, Tensor]: ...


@dataclass(frozen=True)
class Context:
    """The training that an extension is a part of.

    `code_weights` is λ of each code. `step` is the number of the running step, an int64 on the device.
    `schedule_length` is the number of steps that fractions of a schedule are of. `real_images` gives the batch of
    a step, and `read` Q's parameters for images of a batch-norm group, in inference.
    """

    device: Device
    dtype: np.dtype[Any]
    seed: int
    batch_size: int
    image_low: float
    layout: CodeLayout
    code_weights: np.ndarray
    schedule_length: int
    step: Array
    networks: TrainedNetworks
    new_networks: Callable[[], TrainedNetworks]
    real_images: Callable[[Step], Tensor]
    read: Callable[[Tensor, str], Tensor]

    def constant(self, values: np.ndarray) -> Tensor:
        """Return the values as a tensor of the training's dtype on its device."""
        return Tensor(self.device.copy(self.device.asarray(values, self.dtype)), self.device)

    def at(self, fraction: float) -> int:
        """Return the step that is this fraction of the schedule."""
        return round(fraction * self.schedule_length)


class Addition(NamedTuple):
    """Images that D's half of a step reads too, and their term of the objective, given Q's parameters.

    D's half maximizes the term.
    """

    images: Tensor
    term: Callable[[Q], Tensor]


class Extension:
    """Something a training step does that is not in the paper. Steps are numbered from 1."""

    group: ClassVar[str] = ""  # the batch-norm group of its images in D and Q
    averages: Any = None  # networks to evaluate in place of those that are trained

    def phase(self, step: int) -> Hashable:
        """Return all that decides which kernels the step launches, and with which constants.

        A captured step is recorded anew when it changes.
        """
        return None

    def milestones(self) -> list[tuple[int, str]]:
        """Return the steps at which something begins, with what does: for people."""
        return []

    def before_step(self, step: int) -> None:
        """Change the networks between two steps. Unlike all other methods, it may read from the device."""

    def is_active(self, step: int) -> bool:
        """Return whether D's half of the step reads images of the extension."""
        return False

    def add(self, real: Tensor, generated: Tensor, codes: Tensor, step: int) -> Addition:
        """Return images to read in D's half, with their term; called where it `is_active`."""
        raise NotImplementedError(f"{type(self).__name__} adds no images")

    def discriminator_weights(self, weights: np.ndarray, step: int) -> np.ndarray:
        """Return λ of each code for generated images in D's half, given the one so far."""
        return weights

    def generator_weights(self, weights: np.ndarray, step: int) -> np.ndarray:
        """Return λ of each code in G's half, given the one so far."""
        return weights

    def after_step(self, step: int) -> None:
        """Launch work that follows the step's updates."""


class ExtensionSettings:
    """The settings of an extension; a dataclass, its fields made by `setting`."""

    name: ClassVar[str]
    group: ClassVar[str] = ""

    def check(self, layout: CodeLayout, batch_size: int) -> None:
        """Raise SettingsError if the settings do not fit the experiment's."""

    def create(self, context: Context) -> Extension:
        """Return the extension for a training."""
        raise NotImplementedError
