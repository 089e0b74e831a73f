"""`minigan train images`: an experiment for images of the user's own, made by looking at them."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from minigan.datasets.folder import look
from minigan.datasets.pictures import Look
from minigan.errors import SettingsError
from minigan.experiments.declarations import CHAIRS, FACES, MNIST, SVHN, absolute_data
from minigan.infogan.settings import Settings

NAME = "images"
CODES = "Cat(10) + 2*Uniform"
# The declared experiment that has networks for (side, channels); a generator's last word but one is its channels.
_BASES = {
    (28, 1): MNIST, (28, 3): MNIST, (32, 1): FACES, (32, 3): SVHN, (64, 1): CHAIRS, (64, 3): CHAIRS,
}  # fmt: skip
_FEWEST = 10  # images


def declare_own_images(data: str | None, image_shape: str | None = None) -> tuple[Settings, str]:
    """Return settings for the images at a path, and a line that describes the images and the
    choice.

    Args:
        data: a folder or zip archive of pictures, a .npy or .npz file, or IDX files.
        image_shape: like "64,64,3": the size that the images are resized to; None chooses it.

    Raises:
        SettingsError: No path is given, or there are no networks for that shape.
        DatasetError: There are no images at the path.
    """
    if not data:
        raise SettingsError("train images needs --data PATH: a folder or zip archive of pictures")
    path = absolute_data(data, Path.cwd())
    seen = look(Path(path))
    if seen.count < _FEWEST:
        raise SettingsError(f"{data}: {seen.count} images are too few; give {_FEWEST} or more")
    side, channels = _chosen(seen) if image_shape is None else _given(image_shape)
    base = _BASES[side, channels]
    settings = dataclasses.replace(
        base,
        experiment=NAME,
        dataset=NAME,
        data=path,
        image_shape=(side, side, channels),
        generator=re.sub(r"\d+ (\w+)$", rf"{channels} \1", base.generator),
        codes=CODES,
        lambda_continuous=1.0,
        batch_size=min(base.batch_size, seen.count),
        figure=0,
        measures="",
        reference="",
    )
    return settings, _line(data, seen, settings)


def _chosen(seen: Look) -> tuple[int, int]:
    """Return the largest side that enlarges no picture, 28 at least, and the channels."""
    shortest = min(seen.smallest)
    sides = [side for side, _ in _BASES if side <= shortest]
    return max(sides, default=28), 3 if seen.in_colour else 1


def _given(image_shape: str) -> tuple[int, int]:
    numbers = [int(n) for n in re.findall(r"\d+", image_shape)]
    if len(numbers) != 3 or numbers[0] != numbers[1] or (numbers[0], numbers[2]) not in _BASES:
        known = "; ".join(f"{side},{side},{channels}" for side, channels in _BASES)
        raise SettingsError(
            f"image_shape is one of {known} here, not {image_shape}; for another, write a TOML file"
        )
    return numbers[0], numbers[2]


def _line(data: str, seen: Look, settings: Settings) -> str:
    height, width, channels = settings.image_shape
    smallest, largest = (f"{size[1]}×{size[0]}" for size in (seen.smallest, seen.largest))
    sizes = smallest if smallest == largest else f"{smallest} to {largest}"
    colour = "in colour" if seen.in_colour else "grey"
    return (
        f"{data}: {seen.count:,} images of {sizes}, {colour}; networks for {width}×{height} "
        f"{'RGB' if channels == 3 else 'grey'}, codes {settings.codes} (change: --set image_shape=64,64,1, --set codes=…)"
    )
