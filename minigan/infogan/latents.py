"""Latents: the noise z and the codes c that G reads."""

from __future__ import annotations

import numpy as np

from minigan.devices import get_device
from minigan.devices.contract.random import Step
from minigan.infogan.settings import Settings
from minigan.ops.likelihood import code_table
from minigan.random import uniform
from minigan.tensor import Tensor


def draw_latents(
    settings: Settings, batch: int, noise_stream: int, code_stream: int, step: Step
) -> tuple[Tensor, Tensor]:
    """Draw G's input and its codes at a place in two streams.

    Args:
        settings: the experiment's.
        batch: the number of rows.
        noise_stream: the stream of random numbers for the noise.
        code_stream: the stream for the codes.
        step: the step in both streams.

    Returns:
        G's input, (batch, noise + encoded codes), and the codes, (batch, codes).
    """
    noise, codes = draw_noise_and_codes(settings, batch, noise_stream, code_stream, step)
    return encode(settings, noise, codes), codes


def draw_noise_and_codes(
    settings: Settings, batch: int, noise_stream: int, code_stream: int, step: Step
) -> tuple[Tensor, Tensor]:
    """Draw the noise z, uniform on (−1, 1), and the codes c, from their priors.

    Args:
        settings: the experiment's.
        batch: the number of rows.
        noise_stream: the stream of random numbers for the noise.
        code_stream: the stream for the codes.
        step: the step in both streams.

    Returns:
        The noise, (batch, noise), and the codes, (batch, codes).
    """
    device, dtype, seed = get_device(settings.device), np.dtype(settings.dtype), settings.seed
    noise = uniform((batch, settings.noise), -1.0, 1.0, (seed, noise_stream, step), device, dtype)
    table = code_table(settings.layout.densities)
    codes = device.sample_codes(batch, table, dtype, (seed, code_stream, step))
    return Tensor(noise, device), Tensor(codes, device)


def encode(settings: Settings, noise: Tensor, codes: Tensor) -> Tensor:
    """Return G's input: the noise, then the codes, of which a category is one-hot.

    Args:
        settings: the experiment's.
        noise: (batch, noise).
        codes: (batch, codes).

    Returns:
        A tensor (batch, noise + encoded codes).
    """
    table = code_table(settings.layout.densities)
    return Tensor(noise.device.encode_latents(noise.data, codes.data, table), noise.device)
