"""Grids of images that G makes: one code varied, or one latent turned into another; and grids through training."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minigan.errors import RunError
from minigan.files import replacing
from minigan.infogan.codes import CategoricalCode, Code
from minigan.infogan.latents import draw_noise_and_codes, encode
from minigan.infogan.networks import Networks, inference
from minigan.infogan.settings import Settings
from minigan.infogan.streams import Stream
from minigan.recording import no_grad
from minigan.tensor import Tensor, tensor

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
LIMIT = 2.0  # how far a continuous code goes, as in the paper's Fig. 2
_GAP = 1  # pixels between the cells of a grid
_FRAME, _LAST_FRAME = 300, 2500  # milliseconds
_CAPTION = 28  # pixels below a frame
_LABEL = 18  # pixels below a grid, for the values of its columns


def traversal(
    networks: Networks,
    settings: Settings,
    code: int,
    rows: int,
    columns: int = 10,
    limit: float = LIMIT,
    step: int = 0,
) -> np.ndarray:
    """Images (rows, columns, height, width, channels): code number `code` takes each column's value.

    A categorical code takes all its categories, one a column; a continuous one `columns` values from −limit to
    limit (the paper's Fig. 2 has 2, though training draws from (−1, 1)). `step` chooses the random samples.
    The networks are left in the mode they were in.
    """
    values = code_values(settings.layout.codes[code], columns, limit)
    noise, codes = draw_noise_and_codes(
        settings, rows, Stream.SAMPLE_NOISE, Stream.SAMPLE_CODES, step
    )
    grid = np.repeat(codes.numpy(), len(values), axis=0)
    grid[:, code] = np.tile(values, rows)
    repeated = np.repeat(noise.numpy(), len(values), axis=0)
    latents = encode(
        settings, tensor(repeated, device=noise.device), tensor(grid, device=noise.device)
    )
    return _generate(networks, latents, rows)


def code_values(code: Code, columns: int, limit: float) -> np.ndarray:
    """Return the value of each column of a traversal: all categories, or from −limit to limit."""
    if isinstance(code, CategoricalCode):
        return np.arange(code.size)
    return np.linspace(-limit, limit, columns)


def column_labels(code: Code, columns: int, limit: float) -> list[str]:
    """Return the values of a traversal's columns, with a hyphen for minus: Pillow's font has no other."""
    return [f"{value:.2g}" for value in code_values(code, columns, limit)]


def interpolation(
    networks: Networks, settings: Settings, rows: int, columns: int = 10, step: int = 0
) -> np.ndarray:
    """Images (rows, columns, height, width, channels): each row goes straight from one random latent to another.

    G's input is (1 − t)·a + t·b, t from 0 to 1: between two categories there is a mixture of both. `step` chooses
    the random latents. The networks are left in the mode they were in.
    """
    noise, codes = draw_noise_and_codes(
        settings, 2 * rows, Stream.SAMPLE_NOISE, Stream.SAMPLE_CODES, step
    )
    latents = encode(settings, noise, codes)
    ends = latents.numpy().reshape(2, rows, 1, -1)
    t = np.linspace(0, 1, columns, dtype=ends.dtype)[:, None]
    between = ((1 - t) * ends[0] + t * ends[1]).reshape(rows * columns, -1)
    return _generate(networks, tensor(between, device=latents.device), rows)


def _generate(networks: Networks, latents: Tensor, rows: int) -> np.ndarray:
    """G's images of the latents, in rows."""
    with no_grad(), inference(networks):
        images: np.ndarray = networks.generator(latents).numpy()
    return images.reshape(rows, -1, *images.shape[1:])


def pixels(images: np.ndarray, low: float) -> np.ndarray:
    """Return images as uint8: values from `low` to 1 become 0 to 255."""
    # of networks that have diverged, a NaN is black: the losses will say so, not a warning here
    shares = np.nan_to_num(np.clip((images.astype(np.float64) - low) / (1 - low), 0, 1))
    return np.round(shares * 255).astype(np.uint8)


def assemble(images: np.ndarray, low: float, gap: int = 0) -> np.ndarray:
    """Return one picture, uint8 (height, width, channels), of images (rows, columns, height, width, channels).

    Values from `low` to 1 become 0 to 255. Between images there is a line of one pixel, as bright as `gap`.
    """
    rows, columns, height, width, channels = images.shape
    cells = np.full((rows, columns, height + _GAP, width + _GAP, channels), gap, np.uint8)
    cells[:, :, :height, :width] = pixels(images, low)
    grid = cells.transpose(0, 2, 1, 3, 4).reshape(rows * (height + _GAP), -1, channels)
    return grid[:-_GAP, :-_GAP]


def save_grid(
    images: np.ndarray, path: Path, low: float, scale: int = 2, labels: Sequence[str] = ()
) -> None:
    """Write images as one picture. The name's ending says the format. Missing folders are made.

    Args:
        images: (rows, columns, height, width, channels), values from `low` to 1.
        path: The picture.
        low: The value of black.
        scale: Each pixel becomes a square of this many.
        labels: A text under each column; as many are drawn as have room.

    Raises:
        RunError: No picture format has that ending.
    """
    from PIL import Image

    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in _FORMATS:
        raise RunError(f"{path}: a picture's name ends in .png, .jpg, .gif or .webp")
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
    grid = assemble(images, low).repeat(scale, axis=0).repeat(scale, axis=1)
    picture = Image.fromarray(grid[:, :, 0] if grid.shape[2] == 1 else grid)
    if labels:
        picture = _label_columns(picture, labels, scale * (images.shape[3] + _GAP))
    with replacing(path) as temporary:
        picture.save(temporary, format=kind)


def _label_columns(picture: Image.Image, labels: Sequence[str], pitch: int) -> Image.Image:
    """Return the picture above the labels of its columns, which stand `pitch` pixels apart."""
    from PIL import Image, ImageDraw, ImageFont

    labelled = Image.new(picture.mode, (picture.width, picture.height + _LABEL))
    labelled.paste(picture)
    draw, font = ImageDraw.Draw(labelled), ImageFont.load_default(size=12)
    white = 255 if picture.mode == "L" else (255,) * len(picture.getbands())
    widest = max(font.getlength(label) for label in labels) + 4
    every = max(1, math.ceil(widest / pitch))
    for i in range(0, len(labels), every):
        left = i * pitch + (pitch - font.getlength(labels[i])) / 2
        draw.text((left, picture.height + 2), labels[i], white, font)
    return labelled


def save_animation(pictures: Sequence[Path], captions: Sequence[str], path: Path) -> None:
    """Write a GIF of pictures of one size, each above its caption; it repeats, and stays at the last one longer.

    RunError if a picture cannot be read, or is of another size.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=18)
    frames: list[Image.Image] = []
    for picture, caption in zip(pictures, captions, strict=True):
        try:
            with Image.open(picture) as image:
                frame = Image.new(image.mode, (image.width, image.height + _CAPTION))
                frame.paste(image)
        except (OSError, SyntaxError) as error:  # a cut or garbled file's OSError names no file
            if isinstance(error, OSError) and error.strerror:
                raise
            raise RunError(f"{picture} is damaged, and no picture; delete it") from error
        if frames and (frame.mode, frame.size) != (frames[0].mode, frames[0].size):
            raise RunError(f"{picture} is not of the size of {pictures[0]}; delete one of them")
        white = 255 if frame.mode == "L" else (255,) * len(frame.getbands())
        ImageDraw.Draw(frame).text((6, frame.height - _CAPTION + 3), caption, white, font)
        frames.append(frame)
    durations = [_FRAME] * (len(frames) - 1) + [_LAST_FRAME]
    with replacing(path) as temporary:
        frames[0].save(
            temporary, format="GIF", save_all=True, append_images=frames[1:], duration=durations,
            loop=0,
        )  # fmt: skip
