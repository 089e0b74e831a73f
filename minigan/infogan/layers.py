"""Layers of the networks, from one line of text each.

A network is its layers in order, separated by ``|``, as the paper's tables list them::

    conv 64 | conv 128 bn | fc 1024 bn          D's trunk, which Q shares
    fc 1024 bn | fc 7x7x128 bn | up 64 bn | up 1 sigmoid         G

``conv N`` and ``up N`` are 4×4 (up-)convolutions to N channels, of stride 2 unless ``s1`` follows
(which keeps the size). ``fc N`` is fully connected, ``fc HxWxC`` one that ends in an image. ``bn``
is batch norm. The activation is the network's own (leaky ReLU in D and Q, ReLU in G) unless
``sigmoid``, ``tanh`` or ``linear`` is written. A layer in front of a batch norm has no bias: the
norm's shift is the bias.
"""

from __future__ import annotations

import re
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

_LAYER = re.compile(
    r"(?P<kind>conv|up|fc) (?P<shape>[1-9]\d*(?:x[1-9]\d*x[1-9]\d*)?)(?P<s1> s1)?(?P<bn> bn)?"
    r"(?: (?P<activation>sigmoid|tanh|linear))?"
)
_SAME: Padding = ((1, 2), (1, 2))  # the padding of a 4×4 kernel of stride 1 that keeps the size


def _fits(match: re.Match[str], shape: tuple[int, ...]) -> bool:
    """Return whether a convolution gets an image, and a fully connected layer has no stride."""
    if match["kind"] == "fc":
        return match["s1"] is None
    return len(shape) == 3 and "x" not in match["shape"]


@dataclass(frozen=True)
class Builder:
    """Builds the layers of a network; its fields are common to all layers."""

    dtype: Any
    device: Device
    groups: tuple[str, ...]
    negative_slope: float

    def network(
        self, text: str, input_shape: tuple[int, ...]
    ) -> tuple[Sequential, tuple[int, ...]]:
        """Return the network of a text, and the shape of its output for an `input_shape` without the batch.

        Raises:
            SettingsError: A part of the text is no layer, or does not fit there.
        """
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
                before, channels, 4, stride, padding, bias=bias, negative_slope=slope,
                dtype=self.dtype, device=self.device,
            )  # fmt: skip
        else:
            size = (height, width) if one else (height * 2, width * 2)
            layer = ConvTranspose2d(
                before, channels, 4, stride, padding, bias=bias, negative_slope=slope,
                dtype=self.dtype, device=self.device,
            )  # fmt: skip
        return [layer], (*size, channels)
