"""The three networks: G, D and Q.

Q shares D's trunk, all layers but the last. In the plain GAN's baseline (Fig. 1) Q has a separate trunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigan.devices import Device, get_device
from minigan.errors import SettingsError
from minigan.infogan.layers import Builder
from minigan.infogan.parts import GENERATED, REAL
from minigan.infogan.settings import Settings
from minigan.infogan.streams import Stream
from minigan.nn import Flatten, Linear, Module, Sequential
from minigan.nn.initial import skip_initialization
from minigan.random import normal
from minigan.tensor import Tensor


class Generator(Module):
    """G: latents (batch, noise + encoded codes) to images (batch, height, width, channels).

    Args:
        text: the layers, as in `Settings.generator`.
        latent_columns: the columns of the latents.

    Raises:
        SettingsError: a layer is not understood, or does not fit the one before.
    """

    def __init__(self, text: str, latent_columns: int, dtype: Any, device: Device) -> None:
        build = Builder(dtype, device, (GENERATED,), negative_slope=0.0)
        self.layers, self.image_shape = build.network(text, (latent_columns,))

    def forward(self, latents: Tensor) -> Tensor:
        """Return images.

        Args:
            latents: (batch, noise + encoded codes).

        Returns:
            A tensor (batch, height, width, channels).
        """
        return self.layers(latents)


class Discriminator(Module):
    """D: images to features (batch, features), by the trunk; and features to one logit.

    Args:
        text: the trunk's layers, as in `Settings.trunk`.
        image_shape: (height, width, channels).
        build: how layers are made.

    Raises:
        SettingsError: a layer is not understood, or does not fit the one before.
    """

    def __init__(self, text: str, image_shape: tuple[int, int, int], build: Builder) -> None:
        self.trunk, shape = build.network(text, image_shape)
        self.features = int(np.prod(shape))
        self.head = Sequential(
            *([Flatten()] if len(shape) > 1 else []),
            Linear(self.features, 1, dtype=build.dtype, device=build.device),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the logit of "real" for features.

        Args:
            features: the trunk's result, (batch, …).

        Returns:
            A tensor (batch, 1).
        """
        return self.head(features)


class Recognition(Module):
    """Q: features to the parameters of Q(c|x), (batch, columns).

    Its layers are FC-128, batch norm, leaky ReLU, FC. In InfoGAN the features are D's. With a
    separate `trunk` (the plain GAN's baseline, Fig. 1), it reads images.

    Args:
        discriminator: D, which gives the features.
        columns: the columns of the parameters.
        build: how layers are made.
        trunk: the separate trunk, or None.
    """

    def __init__(
        self, discriminator: Discriminator, columns: int, build: Builder,
        trunk: Sequential | None = None,
    ) -> None:  # fmt: skip
        self.trunk = trunk
        features = (discriminator.features,)
        self.head, _ = build.network(f"fc 128 bn | fc {columns} linear", features)

    def forward(self, inputs: Tensor, groups: Sequence[str]) -> Tensor:
        """Return the parameters of Q(c|x).

        Args:
            inputs: D's features, (batch, …), or images, if Q has a separate trunk.
            groups: the batch's groups, as for `minigan.nn.batch_groups`.

        Returns:
            A tensor (batch, columns).
        """
        features = inputs if self.trunk is None else self.trunk(inputs, groups)
        return self.head(features.reshape(features.shape[0], -1), groups)


def initialize(module: Module, seed: int, first_step: int) -> int:
    """Draw every weight from N(0, 0.02²), as the paper's code does; norms start at 1, biases at 0.

    Args:
        module: the module.
        seed: the seed of the weights' stream.
        first_step: the step of the stream that the first parameter takes; the others follow.

    Returns:
        The next free step.
    """
    step = first_step
    for name, parameter in module.named_parameters():
        if name.endswith("weight") and parameter.ndim > 1:
            key = (seed, Stream.WEIGHTS, step)
            parameter.copy_(normal(parameter.shape, 0.02, key, parameter.dtype))
        elif name.endswith("bias"):
            parameter.zero_()
        step += 1
    return step


class Networks:
    """G, D and Q of an experiment, with their starting weights.

    Args:
        settings: the experiment's.
        initialized: False leaves the weights unset, for those who load all of them.

    Raises:
        SettingsError: a layer is not understood, or G makes images of another shape.
    """

    def __init__(self, settings: Settings, *, initialized: bool = True) -> None:
        with skip_initialization():  # every parameter is set below, or by the caller
            self._build(settings)
        if not initialized:
            return
        step = 0
        for _, module in self.named():
            step = initialize(module, settings.seed, step)

    def _build(self, settings: Settings) -> None:
        device, layout = get_device(settings.device), settings.layout
        dtype = np.dtype(settings.dtype)
        self.generator = Generator(
            settings.generator, settings.noise + layout.encoded_columns, dtype, device
        )
        if self.generator.image_shape != settings.image_shape:
            made, wanted = self.generator.image_shape, settings.image_shape
            raise SettingsError(
                f"the generator makes images of {made}, and image_shape is {wanted}; set image_shape to "
                f"{','.join(map(str, made))}, or a generator for {wanted[0]}×{wanted[1]} with {wanted[2]} channels"
            )
        added = (extension.group for extension in settings.extensions if extension.group)
        build = Builder(dtype, device, (REAL, GENERATED, *added), settings.negative_slope)
        self.discriminator = Discriminator(settings.trunk, settings.image_shape, build)
        trunk = None
        if settings.objective == "gan":
            trunk, _ = build.network(settings.trunk, settings.image_shape)
        self.recognition = Recognition(self.discriminator, layout.parameter_columns, build, trunk)

    def named(self) -> list[tuple[str, Generator | Discriminator | Recognition]]:
        """Return G, D and Q by their names."""
        return [
            ("generator", self.generator),
            ("discriminator", self.discriminator),
            ("recognition", self.recognition),
        ]

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every parameter and running statistic, as "generator.layers.0.weight".

        Returns:
            An iterator of names and tensors, of the shapes that the layers give them.
        """
        for network, module in self.named():
            for name, value in module.named_tensors():
                yield f"{network}.{name}", value

    def code_layers(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the layers in which a code has columns and rows: Q's last and G's first.

        Returns:
            The weight of Q's last layer, (128, columns), its bias, (columns,), and the weight of
            G's first, (latents, features).
        """
        last, first = self.recognition.head[-1], self.generator.layers[0]
        assert isinstance(last, Linear) and isinstance(first, Linear) and last.bias is not None
        return last.weight, last.bias, first.weight

    def read(self, images: Tensor, group: str) -> Tensor:
        """Return Q's parameters for images of a group, in inference.

        Args:
            images: (batch, height, width, channels).
            group: the group of the batch norms' statistics: Q reads real images with the real ones.

        Returns:
            A tensor (batch, columns).
        """
        groups = (group,)
        own_trunk = self.recognition.trunk is not None
        inputs = images if own_trunk else self.discriminator.trunk(images, groups)
        return self.recognition(inputs, groups)

    def train(self, mode: bool = True) -> None:
        """Set the training mode for all three, or inference.

        Args:
            mode: whether to train.
        """
        for _, module in self.named():
            module.train(mode)


@contextmanager
def inference(networks: Networks) -> Iterator[None]:
    """Let all norms use their running statistics within the block, and then be in their mode again.

    Args:
        networks: G, D and Q.

    Returns:
        A context, for ``with``.
    """
    modules = [module for _, network in networks.named() for _, module in network.named_modules()]
    modes = [module.training for module in modules]
    networks.train(False)
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
