"""Faces as a folder of renders, like those that the paper made of the Basel Face Model (Paysan et al. 2009).

The model's licence forbids passing renders on, so each user makes their own. What each shows may be told in a
table, factors.csv: the picture's name, then a number a factor.

    name,azimuth,elevation
    0001.png,-35.5,10
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Literal

import numpy as np

from minigan.datasets import FactoredImages, Images
from minigan.datasets.cache import Preparation
from minigan.datasets.pictures import PictureFiles, Treatment, upright
from minigan.errors import DatasetError

TABLE = "factors.csv"


def load(
    path: Path,
    split: Literal["train", "test"],
    shape: tuple[int, int, int],
    preparation: Preparation,
) -> Images | None:
    """Load the pictures of a folder or a zip archive, with their factors if they are told.

    Args:
        path: that folder or archive.
        split: "train" or "test"; there is no test set.
        shape: (height, width, channels) of the images to return.
        preparation: where resized images are kept, and who hears of it.

    Returns:
        The images, uint8 (N, height, width, channels), and the factors, (N, factors), if there are
        some; or None for the test set.

    Raises:
        DatasetError: there is no picture, one cannot be read or has another size, or the factors do
            not fit them.
    """
    if split == "test":
        return None
    pictures = PictureFiles(path)
    names, factors = _read_table(path / TABLE, pictures.text(TABLE), pictures.names)
    treatment = Treatment(shape, size=_first_size(pictures))
    prepared = pictures.prepared("faces-train", treatment, preparation)
    if factors is None:
        return Images(prepared.images)
    return FactoredImages(prepared.images, np.delete(factors, list(prepared.left_out), 0), names)


def _first_size(pictures: PictureFiles) -> tuple[int, int] | None:
    """Return the size of the first picture that can be opened; that of all, if they are renders of one camera."""
    for name in pictures.names:
        try:
            with pictures.open(name) as picture:
                return upright(picture).size
        except (OSError, ValueError, SyntaxError):
            continue
    return None


def _read_table(
    path: Path, text: str | None, pictures: list[str]
) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Return the names of the factors, and their values in the order of `pictures`; nothing without a table."""
    if text is None:
        return (), None
    rows = list(csv.reader(io.StringIO(text)))
    names = tuple(rows[0][1:]) if rows else ()
    values: dict[str, list[float]] = {}
    for number, row in enumerate(rows[1:], 2):
        name, *cells = row or [""]
        try:
            numbers = [float(cell) for cell in cells]
        except ValueError:
            numbers = []
        if (
            not name
            or name in values
            or len(numbers) != len(names)
            or not np.isfinite(numbers).all()
        ):
            raise DatasetError(
                f"{path}, line {number}: expected a picture's name and {len(names)} numbers, once, found "
                f"'{','.join(row)[:60]}'"
            )
        values[name] = numbers
    absent = [name for name in pictures if name not in values]
    if absent or not names:
        raise DatasetError(
            f"{path} tells the factors of {len(pictures) - len(absent):,} of {len(pictures):,} pictures: "
            f"{absent[0] if absent else 'it names no factor'}{' is not in it' if absent else ''}; complete it, or "
            "take it away"
        )
    return names, np.array([values[name] for name in pictures], np.float64)
