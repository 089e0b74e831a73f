"""Pictures of what the codes do: each row one random sample of everything else, one code varied from left to right."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from minigan.files import replacing
from minigan.infogan.codes import CategoricalCode
from minigan.infogan.experiments import Settings
from minigan.infogan.training import Networks, draw_noise_and_codes, encode, inference
from minigan.random import Stream
from minigan.tensor import no_grad, tensor

_GAP = 1  # pixels between the cells of a grid


def traversal(
    networks: Networks,
    settings: Settings,
    code: int,
    rows: int,
    columns: int = 10,
    limit: float = 2.0,
    step: int = 0,
) -> np.ndarray:
    """Images (rows, columns, height, width, channels): code number `code` takes each column's value.

    A categorical code takes all its categories, one a column; a continuous one `columns` values from −limit to
    limit (the paper's Fig. 2 has 2, though training draws from (−1, 1)). `step` chooses the random samples.
    The networks are left in the mode they were in.
    """
    chosen = settings.layout.codes[code]
    values = (
        np.arange(chosen.size)
        if isinstance(chosen, CategoricalCode)
        else np.linspace(-limit, limit, columns)
    )
    noise, codes = draw_noise_and_codes(
        settings, rows, Stream.SAMPLE_NOISE, Stream.SAMPLE_CODES, step
    )
    grid = np.repeat(codes.numpy(), len(values), axis=0)
    grid[:, code] = np.tile(values, rows)
    repeated = np.repeat(noise.numpy(), len(values), axis=0)
    latents = encode(
        settings, tensor(repeated, device=noise.device), tensor(grid, device=noise.device)
    )
    with no_grad(), inference(networks):
        images: np.ndarray = networks.generator(latents).numpy()
    return images.reshape(rows, len(values), *images.shape[1:])


def save_grid(images: np.ndarray, path: Path, low: float, scale: int = 2) -> None:
    """Write images (rows, columns, height, width, channels), values from `low` to 1, as one PNG.

    Each pixel becomes a square of `scale`.
    """
    from PIL import Image

    rows, columns, height, width, channels = images.shape
    # of networks that have diverged, a NaN is black: the losses will say so, not a warning here
    pixels = np.nan_to_num(np.clip((images.astype(np.float64) - low) / (1 - low), 0, 1))
    cells = np.zeros((rows, columns, height + _GAP, width + _GAP, channels), np.uint8)
    cells[:, :, :height, :width] = np.round(pixels * 255)
    grid = cells.transpose(0, 2, 1, 3, 4).reshape(rows * (height + _GAP), -1, channels)
    grid = grid[:-_GAP, :-_GAP].repeat(scale, axis=0).repeat(scale, axis=1)
    with replacing(path) as temporary:
        Image.fromarray(grid[:, :, 0] if channels == 1 else grid).save(temporary, format="PNG")
