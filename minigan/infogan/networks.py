"""The three networks, built from one line of text each.

A network is its layers in order, separated by ``|``, as the paper's tables list them::

    conv 64 | conv 128 bn | fc 1024 bn          D's trunk, which Q shares
    fc 1024 bn | fc 7x7x128 bn | up 64 bn | up 1 sigmoid         G

``conv N`` and ``up N`` are 4×4 (up-)convolutions to N channels, of stride 2 unless ``s1`` follows (which keeps
the size); ``fc N`` is fully connected, ``fc HxWxC`` one that ends in an image; ``bn`` is batch norm. The
activation is the network's own (leaky ReLU in D and Q, ReLU in G) unless ``sigmoid``, ``tanh`` or ``linear`` is
written. A layer in front of a batch norm has no bias: the norm's shift is the bias.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigan.devices import Device
from minigan.errors import SettingsError
from minigan.nn import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Flatten,
    Linear,
    Module,
    Reshape,
    Sequential,
    Sigmoid,
    Tanh,
)
from minigan.ops.convolution import Padding
from minigan.random import Stream, normal
from minigan.tensor import Tensor

# The groups of every batch norm in D and Q. Warped real images and copied generated ones are groups where D's half of a step
# reads them.
REAL, GENERATED, WARPED, COPIED = "real", "generated", "warped", "copied"

_LAYER = re.compile(
    r"(?P<kind>conv|up|fc) (?P<shape>[1-9]\d*(?:x[1-9]\d*x[1-9]\d*)?)(?P<s1> s1)?(?P<bn> bn)?"
    r"(?: (?P<activation>sigmoid|tanh|linear))?"
)
_SAME: Padding = ((1, 2), (1, 2))  # what a 4×4 kernel of stride 1 needs to keep the size


def _fits(match: re.Match[str], shape: tuple[int, ...]) -> bool:
    """A convolution takes an image and a number of channels; what is fully connected has no stride."""
    if match["kind"] == "fc":
        return match["s1"] is None
    return len(shape) == 3 and "x" not in match["shape"]


@dataclass(frozen=True)
class Builder:
    """What all layers of a network have in common."""

    dtype: Any
    device: Device
    groups: tuple[str, ...]
    negative_slope: float

    def network(
        self, text: str, input_shape: tuple[int, ...]
    ) -> tuple[Sequential, tuple[int, ...]]:
        """The network that `text` describes, and the shape of what it makes of one `input_shape`."""
        modules: list[Module] = []
        shape = input_shape
        for layer in text.split("|"):
            match = _LAYER.fullmatch(" ".join(layer.split()))
            if match is None or not _fits(match, shape):
                raise SettingsError(
                    f"network '{text}': '{layer.strip()}' is not a layer that fits there; write layers like "
                    "'conv 64', 'up 64 bn', 'fc 1024 bn', 'fc 7x7x128 bn' or 'up 1 sigmoid', separated by |"
                )
            added, shape = self._layer(match, shape)
            modules += added
        return Sequential(*modules), shape

    def _layer(
        self, match: re.Match[str], shape: tuple[int, ...]
    ) -> tuple[list[Module], tuple[int, ...]]:
        sizes = tuple(int(n) for n in match["shape"].split("x"))
        normalized = match["bn"] is not None
        activation = match["activation"]
        slope = 1.0 if activation else self.negative_slope
        own = 1.0 if normalized else slope  # the activation is the layer's, or the norm's behind it
        if match["kind"] == "fc":
            modules, shape = self._dense(sizes, shape, not normalized, own)
        else:
            modules, shape = self._convolution(match, sizes[0], shape, not normalized, own)
        if normalized:
            norm = BatchNorm(
                sizes[-1] if match["kind"] != "fc" else int(np.prod(sizes)), self.groups,
                negative_slope=slope, dtype=self.dtype, device=self.device,
            )  # fmt: skip
            modules.append(norm)
        if activation in ("sigmoid", "tanh"):
            modules.append(Sigmoid() if activation == "sigmoid" else Tanh())
        if len(shape) == 3 and match["kind"] == "fc":
            modules.append(Reshape(*shape))
        return modules, shape

    def _dense(
        self, sizes: tuple[int, ...], shape: tuple[int, ...], bias: bool, slope: float
    ) -> tuple[list[Module], tuple[int, ...]]:
        flatten: list[Module] = [Flatten()] if len(shape) > 1 else []
        linear = Linear(
            int(np.prod(shape)), int(np.prod(sizes)), bias, slope,
            dtype=self.dtype, device=self.device,
        )  # fmt: skip
        return [*flatten, linear], sizes

    def _convolution(
        self,
        match: re.Match[str],
        channels: int,
        shape: tuple[int, ...],
        bias: bool,
        slope: float,
    ) -> tuple[list[Module], tuple[int, ...]]:
        height, width, before = shape
        one = match["s1"] is not None
        stride, padding = (1, _SAME) if one else (2, 1)
        if match["kind"] == "conv":
            if not one and (height % 2 or width % 2):
                raise SettingsError(
                    f"a convolution of stride 2 needs even sides, not {height}×{width}"
                )
            size = (height, width) if one else (height // 2, width // 2)
            layer: Module = Conv2d(
                before, channels, 4, stride, padding, bias, slope,
                dtype=self.dtype, device=self.device,
            )  # fmt: skip
        else:
            size = (height, width) if one else (height * 2, width * 2)
            layer = ConvTranspose2d(
                before, channels, 4, stride, padding, bias=bias, negative_slope=slope,
                dtype=self.dtype, device=self.device,
            )  # fmt: skip
        return [layer], (*size, channels)


class Generator(Module):
    """G: latents (batch, noise + encoded codes) to images (batch, height, width, channels)."""

    def __init__(self, text: str, latent_columns: int, dtype: Any, device: Device) -> None:
        build = Builder(dtype, device, (GENERATED,), negative_slope=0.0)
        self.layers, self.image_shape = build.network(text, (latent_columns,))

    def forward(self, latents: Tensor) -> Tensor:
        return self.layers(latents)


class Discriminator(Module):
    """D: images to features (batch, features), by the trunk; and features to one logit, real or not."""

    def __init__(self, text: str, image_shape: tuple[int, int, int], build: Builder) -> None:
        self.trunk, shape = build.network(text, image_shape)
        self.features = int(np.prod(shape))
        self.head = Sequential(
            *([Flatten()] if len(shape) > 1 else []),
            Linear(self.features, 1, dtype=build.dtype, device=build.device),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.head(features)


class Recognition(Module):
    """Q: features to the parameters of Q(c|x), (batch, columns): FC-128, batch norm, leaky ReLU, FC.

    In InfoGAN the features are D's. With a `trunk` of its own (the plain GAN's baseline, Fig. 1), it reads images.
    """

    def __init__(
        self, discriminator: Discriminator, columns: int, build: Builder,
        trunk: Sequential | None = None,
    ) -> None:  # fmt: skip
        self.trunk = trunk
        features = (discriminator.features,)
        self.head, _ = build.network(f"fc 128 bn | fc {columns} linear", features)

    def forward(self, inputs: Tensor, groups: Sequence[str]) -> Tensor:
        """`inputs` are D's features, or images if Q has its own trunk."""
        features = inputs if self.trunk is None else self.trunk(inputs, groups)
        return self.head(features.reshape(features.shape[0], -1), groups)


def initialize(module: Module, seed: int, first_step: int) -> int:
    """Draw every weight from N(0, 0.02²), as the paper's code does; norms start at 1 and biases at 0.

    Each parameter takes one step of the weights' stream, from `first_step`; the next free one is returned.
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
