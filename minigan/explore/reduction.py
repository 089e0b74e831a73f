"""Thin layers in place of G's large linear ones, and how much pictures change when layers do."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from minigan.explore.explorer import Explorer
from minigan.explore.thinning import thin
from minigan.infogan.latents import draw_latents
from minigan.infogan.streams import Stream
from minigan.nn import ConvTranspose2d, Linear, Module, Sequential
from minigan.recording import no_grad
from minigan.tensor import Tensor

LARGE = 500_000  # weights of a layer that may have 4 bits a weight, or become two thin ones
_TEXT = 300  # bytes of a layer in a page, but for its numbers: at most
_INPUTS = 4096  # samples that the principal directions are found with
_PICTURES = 500  # other samples, which the change is measured with


class Change(NamedTuple):
    """How much the pixels of pictures change, of 255: on average, and at most."""

    mean: float
    largest: float

    def __str__(self) -> str:
        return (
            f"In {_PICTURES} pictures, a pixel changes by {self.mean:.2g} of 255 on average, "
            f"and by {self.largest:.2g} at most."
        )


class ThinNetwork(NamedTuple):
    """G's layers with thin ones, and the second of each two: it has as many rows as their rank."""

    layers: Sequential
    seconds: list[Linear]


def is_large(module: Module) -> bool:
    """Return whether a layer has many weights, and errors in them that stay in few outputs.

    The first of two thin layers has few outputs, and all pixels depend on each.
    """
    if isinstance(module, Linear) and module.weight.shape[0] > module.weight.shape[1]:
        return False
    return isinstance(module, Linear | ConvTranspose2d) and module.weight.size >= LARGE


def with_thin_layers(explorer: Explorer, layers: Sequential, excess: int) -> ThinNetwork:
    """Return layers in which two thin ones stand for each large linear one.

    Args:
        explorer: it has G, and draws samples.
        layers: G's layers.
        excess: the bytes by which a page with 4-bit weights is too large. Each large layer keeps the same share of its weights.
    """
    large = [module for module in layers if isinstance(module, Linear) and is_large(module)]
    whole = sum(_page_bytes(module.weight.size / 2) for module in large)
    added = sum(_page_bytes(4 * module.weight.shape[1]) + _TEXT for module in large)  # biases
    share = (whole - excess - added) / whole if large else 0
    reduced: list[Module] = []
    seconds = []
    for place, module in enumerate(layers):
        if isinstance(module, Linear) and is_large(module):
            with no_grad():
                inputs = layers[:place](_latents(explorer, _INPUTS, 0)).numpy()
            first, second = _thin_layers(module, inputs, _rank(module, share))
            reduced += [first, second]
            seconds.append(second)
        else:
            reduced.append(copy.deepcopy(module))
    return ThinNetwork(Sequential(*reduced), seconds)


def _page_bytes(count: float) -> float:
    """Return the letters that so many bytes take in a page."""
    return count * 4 / 3


def _rank(module: Linear, share: float) -> int:
    """Return the rank of two layers that take a share of the bytes of one.

    Each rank has a column of 8-bit weights, its scale, and a row of 4-bit weights.
    """
    rows, columns = module.weight.shape
    return max(1, int(share * rows * columns / 2 / (rows + 4 + columns / 2)))


def _thin_layers(module: Linear, inputs: np.ndarray, rank: int) -> tuple[Linear, Linear]:
    into, out, bias = thin(module.weight.numpy(), inputs, rank)
    if module.bias is not None:
        bias += module.bias.numpy()
    slope, dtype, device = module.negative_slope, module.weight.dtype, module.weight.device
    rows, columns = module.weight.shape
    first = Linear(rows, rank, False, dtype=dtype, device=device)
    second = Linear(rank, columns, True, slope, dtype=dtype, device=device)
    assert second.bias is not None
    for parameter, values in ((first.weight, into), (second.weight, out), (second.bias, bias)):
        parameter.copy_(values)
    return first, second


def change_of_pictures(explorer: Explorer, layers: Sequential) -> Change:
    """Return how much G's pictures change where other layers stand for its own."""
    low = explorer.settings.image_low
    changes = []
    with no_grad():
        for latents in _latents(explorer, _PICTURES, 1).split(5):
            images = explorer.networks.generator(latents).numpy(), layers(latents).numpy()
            changes.append(np.abs(images[0] - images[1]) * 255 / (1 - low))
    return Change(float(np.mean(changes)), float(np.max(changes)))


def _latents(explorer: Explorer, count: int, step: int) -> Tensor:
    """Return samples of G's input: the noise and all codes from their priors."""
    streams = Stream.SAMPLE_NOISE, Stream.SAMPLE_CODES
    return draw_latents(explorer.settings, count, *streams, step)[0]
