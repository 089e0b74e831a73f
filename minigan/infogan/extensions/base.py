"""The protocol of an extension: its additions to the paper's training step.

`InfoGAN` holds a list of extensions, which is empty for the paper's recipes. Every method has a default that adds nothing.
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

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every parameter and running statistic by its name.

        Returns:
            An iterator of names and tensors, of the shapes that the layers give them.
        """

    def code_layers(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the layers in which a code has columns and rows: Q's last and G's first.

        Returns:
            The weight of Q's last layer, (128, columns), its bias, (columns,), and the weight of
            G's first, (latents, features).
        """


@dataclass(frozen=True)
class Context:
    """The training that an extension is a part of.

    Attributes:
        device: the device of the training.
        dtype: the dtype of the networks.
        seed: the seed of all random numbers.
        batch_size: the images of each kind in a step.
        image_low: the value of a black pixel.
        layout: the codes.
        code_weights: λ of each code, (codes,).
        schedule_length: the number of steps that fractions of a schedule are of.
        step: the number of the running step, int64 (1,) on the device.
        networks: those that are trained.
        new_networks: a function that makes networks like them.
        real_images: a function that gives the batch of a step, (batch, height, width, channels).
        read: a function that gives Q's parameters, (batch, columns), for images of a batch-norm
            group, in inference.
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
        """Return values on the device of the training, in its dtype.

        Args:
            values: numbers of any shape.

        Returns:
            A tensor of their shape.
        """
        return Tensor(self.device.copy(self.device.asarray(values, self.dtype)), self.device)

    def at(self, fraction: float) -> int:
        """Return the step that is a fraction of the schedule.

        Args:
            fraction: the fraction.
        """
        return round(fraction * self.schedule_length)


class Addition(NamedTuple):
    """Images that D's half of a step reads too, and their term of the objective.

    Attributes:
        images: (batch, height, width, channels).
        term: a function of Q's parameters for each group; D's half maximizes the scalar that it
            gives.
    """

    images: Tensor
    term: Callable[[Q], Tensor]


class Extension:
    """Something a training step does that is not in the paper. Steps are numbered from 1.

    Attributes:
        group: the batch-norm group of its images in D and Q, or "".
        averages: networks to evaluate in place of those that are trained, or None.
    """

    group: ClassVar[str] = ""  # the batch-norm group of its images in D and Q
    averages: Any = None  # networks to evaluate in place of those that are trained

    def phase(self, step: int) -> Hashable:
        """Return all that decides which kernels the step launches, and with which constants.

        A captured step is recorded anew when it changes.

        Args:
            step: the number of the step.
        """
        return None

    def milestones(self) -> list[tuple[int, str]]:
        """Return the steps at which something begins, with what does: for people."""
        return []

    def before_step(self, step: int) -> None:
        """Change the networks between two steps.

        Unlike all other methods, it may read from the device.

        Args:
            step: the number of the step that follows.
        """

    def is_active(self, step: int) -> bool:
        """Return whether D's half of the step reads images of the extension.

        Args:
            step: the number of the step.
        """
        return False

    def add(self, real: Tensor, generated: Tensor, codes: Tensor, step: int) -> Addition:
        """Return images to read in D's half, with their term; called where it `is_active`.

        Args:
            real: the step's real images, (batch, height, width, channels).
            generated: the generated images, of the same shape, with no graph.
            codes: their codes, (batch, codes).
            step: the number of the step.

        Raises:
            NotImplementedError: the extension adds no images.
        """
        raise NotImplementedError(f"{type(self).__name__} adds no images")

    def discriminator_weights(self, weights: np.ndarray, step: int) -> np.ndarray:
        """Return λ of each code for generated images in D's half, given the one so far.

        Args:
            weights: λ so far, (codes,).
            step: the number of the step.

        Returns:
            The weights, (codes,).
        """
        return weights

    def generator_weights(self, weights: np.ndarray, step: int) -> np.ndarray:
        """Return λ of each code in G's half, given the one so far.

        Args:
            weights: λ so far, (codes,).
            step: the number of the step.

        Returns:
            The weights, (codes,).
        """
        return weights

    def after_step(self, step: int) -> None:
        """Launch work that follows the step's updates.

        Args:
            step: the number of the step.
        """


class ExtensionSettings:
    """The settings of an extension; a dataclass, its fields made by `setting`.

    Attributes:
        name: the extension's name.
        group: the batch-norm group of its images, or "".
    """

    name: ClassVar[str]
    group: ClassVar[str] = ""

    def check(self, layout: CodeLayout, batch_size: int) -> None:
        """Check that the settings fit the experiment's: an extension raises SettingsError.

        Args:
            layout: the codes.
            batch_size: the images of each kind in a step.
        """

    def create(self, context: Context) -> Extension:
        """Return the extension for a training.

        Args:
            context: the training.

        Raises:
            NotImplementedError: the class of settings does not define it.
        """
        raise NotImplementedError
