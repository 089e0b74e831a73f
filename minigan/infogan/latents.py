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
    """Draw G's input, (batch, noise + encoded codes), and its codes, (batch, codes), at a place in two streams."""
    noise, codes = draw_noise_and_codes(settings, batch, noise_stream, code_stream, step)
    return encode(settings, noise, codes), codes


def draw_noise_and_codes(
    settings: Settings, batch: int, noise_stream: int, code_stream: int, step: Step
) -> tuple[Tensor, Tensor]:
    """Draw z, (batch, noise), uniform on (−1, 1), and c, (batch, codes), from the codes' priors."""
    device, dtype, seed = get_device(settings.device), np.dtype(settings.dtype), settings.seed
    noise = uniform((batch, settings.noise), -1.0, 1.0, (seed, noise_stream, step), device, dtype)
    table = code_table(settings.layout.densities)
    codes = device.sample_codes(batch, table, dtype, (seed, code_stream, step))
    return Tensor(noise, device), Tensor(codes, device)


def encode(settings: Settings, noise: Tensor, codes: Tensor) -> Tensor:
    """Return G's input for noise, (batch, noise), and codes, (batch, codes): a category is one-hot."""
    table = code_table(settings.layout.densities)
    return Tensor(noise.device.encode_latents(noise.data, codes.data, table), noise.device)
