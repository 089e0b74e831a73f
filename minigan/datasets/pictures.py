"""Picture files in a folder or a zip archive, as arrays of one size.

A picture is turned upright, cut about its middle, resized by Pillow, and made grey or RGB:

    upright    as its EXIF orientation says
    cut        to a given size, or else to the largest that has the proportions of the result
    resized    with the bicubic filter, whose support grows with the reduction, so nothing aliases
    grey       0.299 R + 0.587 G + 0.114 B; what is transparent shows white

A grey picture of more than 8 bits is brought to 0 … 255 by a fixed rule, or refused:

    16 bits    the upper 8 bits; refused where nothing reaches 4,096 of 65,535, which would be almost black
    floats     255·value, rounded; refused where a value is outside 0 … 1
    32 bits    refused
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minigan.datasets.cache import Preparation, Prepared, Source, prepare
from minigan.datasets.finding import SUFFIXES, in_archive, in_folder
from minigan.errors import DatasetError

if TYPE_CHECKING:
    from PIL import Image

# What Pillow and zipfile raise for a file that is damaged.
_DAMAGE = (
    OSError, EOFError, SyntaxError, ValueError, IndexError, zipfile.BadZipFile, zlib.error, struct.error,
    RuntimeError, NotImplementedError,  # an encrypted member, and an unknown compression
)  # fmt: skip
_LOOKED_AT = 8  # pictures, for their colour and sizes


@dataclass(frozen=True)
class Treatment:
    """What becomes of a picture: cut to `cut` (width, height) about its middle, then resized to `shape`.

    A `size` (width, height) is that of every picture: others cannot be used.
    """

    shape: tuple[int, int, int]
    cut: tuple[int, int] | None = None
    size: tuple[int, int] | None = None

    def pixels(self, picture: Image.Image) -> NDArray[np.uint8]:
        """Return the picture as uint8 of `shape`; ValueError if its size is another, or its numbers have no scale."""
        from PIL import Image

        form, inverted = picture.format, _is_inverted(picture)
        has_16_bits = any(re.search(";16[BLN]", str(t[-1])) for t in getattr(picture, "tile", ()))
        picture = upright(picture)
        if picture.mode.startswith(("I", "F")):
            values = _in_8_bits(np.asarray(picture), picture.mode, form)
            picture = Image.fromarray(255 - values if inverted else values)
        elif has_16_bits:  # Pillow keeps the upper 8 of a colour: black may be anything below 256
            highest = 256 * int(np.asarray(picture.convert("RGB")).max()) + 255
            _check_16_bits(highest, f"at most {highest}")
        if self.size is not None and picture.size != self.size:
            raise ValueError(f"it is {_times(picture.size)}, and not {_times(self.size)}")
        height, width, channels = self.shape
        wide, high = picture.size
        cut = self.cut or (
            max(1, min(wide, round(high * width / height))),
            max(1, min(high, round(wide * height / width))),
        )
        # cut first: while resizing, the filter would see what lies around
        left, top = (wide - cut[0]) // 2, (high - cut[1]) // 2
        small = _opaque(picture.crop((left, top, left + cut[0], top + cut[1])))
        small = small.convert("L" if channels == 1 else "RGB")
        if small.size != (width, height):
            small = small.resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(small).reshape(self.shape)

    def of_array(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the same of an array (height, width, 1 or 3)."""
        from PIL import Image

        if image.shape == self.shape:
            return image
        return self.pixels(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image))

    @property
    def identity(self) -> str:
        return f"upright, cut {self.cut}, resized to {self.shape}"


def upright(picture: Image.Image) -> Image.Image:
    """Turn a picture as its EXIF orientation says."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(picture)


def _is_inverted(picture: Image.Image) -> bool:
    """Say whether 0 is white, as a TIFF may say. Pillow heeds it for 8 bits alone."""
    return bool(getattr(picture, "tag_v2", {}).get(262) == 0)


def _opaque(picture: Image.Image) -> Image.Image:
    """Return a picture on white where it was transparent."""
    from PIL import Image

    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture)
    return picture


def _in_8_bits(values: NDArray[Any], mode: str, form: str | None) -> NDArray[np.uint8]:
    """Return grey values of 16 bits or floats in 0 … 255; ValueError where no rule says how."""
    lowest, highest = values.min(), values.max()
    if mode == "F":
        if not (lowest >= 0 and highest <= 1):  # nor NaN
            raise ValueError(
                f"its floats are {lowest:g} … {highest:g}, and not 0 … 1: divide by the value of white"
            )
        scaled: NDArray[np.uint8] = np.rint(values * 255).astype(np.uint8)
        return scaled
    if mode == "I" and form not in ("PNG", "PPM"):  # these have 16 bits
        raise ValueError("it has 32-bit integers: save it with 8 or 16 bits")
    _check_16_bits(highest, f"{highest}")
    upper: NDArray[np.uint8] = (values >> 8).astype(np.uint8)
    return upper


def _check_16_bits(highest: int, end: str) -> None:
    if 0 < highest < 4096:
        raise ValueError(
            f"its largest 16-bit value is {end}, and 65,535 is white: multiply them by the same number in all pictures"
        )


@dataclass(frozen=True)
class Look:
    """A summary of images: their number, (height, width) of the smallest and the largest, and
    colour."""

    count: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    in_colour: bool


class PictureFiles:
    """The pictures in a folder and the folders in it, or in a zip archive, in the order of their names.

    `names` are relative to the folder. DatasetError if no file can be read, or none is a picture.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.archive: zipfile.ZipFile | None = None
        if place.is_dir():
            found = dict(in_folder(place))
        elif place.is_file():
            self.archive = _open_zip(place)
            found = dict(in_archive(self.archive))
        else:
            raise DatasetError(f"{place}: there is no such folder or file")
        if not found:
            kinds = ", ".join(sorted(s[1:] for s in SUFFIXES))
            raise DatasetError(f"{place} holds no pictures ({kinds}), nor do the folders in it")
        self.names = sorted(found)
        self._facts = found

    def keep(self, names: Iterable[str]) -> None:
        """Only these; they must be among `names`."""
        self.names = list(names)

    def open(self, name: str) -> Image.Image:
        """Open the picture of that name; its pixels are not yet read."""
        from PIL import Image

        data = self.archive.read(name) if self.archive else (self.place / name).read_bytes()
        return Image.open(io.BytesIO(data))

    def text(self, name: str) -> str | None:
        """Return the text of a file beside the pictures, in the folder or archive itself; None if there is none."""
        if self.archive is not None:
            data = self.archive.read(name) if name in self.archive.namelist() else None
        else:
            data = (self.place / name).read_bytes() if (self.place / name).is_file() else None
        return None if data is None else data.decode("utf-8-sig", errors="replace")

    def look(self) -> Look:
        """Look at pictures that are spread over all; one that cannot be read is passed over."""
        sizes, in_colour = [], False
        for name in self.names[:: max(1, len(self.names) // _LOOKED_AT)]:
            try:
                with self.open(name) as picture:
                    sizes.append(upright(picture).size[::-1])
                    in_colour = in_colour or is_in_colour(picture)
            except _DAMAGE:
                continue
        if not sizes:
            raise DatasetError(f"{self.place}: none of its {len(self.names)} pictures can be read")
        area = math.prod
        return Look(len(self.names), min(sizes, key=area), max(sizes, key=area), in_colour)

    def prepared(self, title: str, treatment: Treatment, preparation: Preparation) -> Prepared:
        """Prepare these pictures, and say in a line if that takes their colour."""
        if treatment.shape[2] == 1:
            self._say_if_in_colour(preparation)
        return prepare(self.source(title, treatment), preparation)

    def _say_if_in_colour(self, preparation: Preparation) -> None:
        """Tell who prepares them in grey that they are in colour; the first few pictures answer for all."""
        for name in self.names[:_LOOKED_AT]:
            try:
                with self.open(name) as picture:
                    colourful = is_in_colour(picture)
            except _DAMAGE:  # an error names it when it is read
                continue
            if colourful:
                preparation.say(
                    f"{self.place}: pictures in colour, such as {name}, are read in grey"
                )
                return

    def source(self, title: str, treatment: Treatment) -> Source:
        """Return these pictures, treated, for `cache.prepare`."""
        facts = [f"{name} {self._facts[name]}" for name in self.names]

        def one(name: str) -> NDArray[np.uint8] | str:
            from PIL import Image, UnidentifiedImageError

            try:
                with self.open(name) as picture:
                    return treatment.pixels(picture)
            except UnidentifiedImageError:
                return f"{name} (it is no picture, or a damaged one)"
            except (*_DAMAGE, Image.DecompressionBombError) as error:
                reason = error.strerror if isinstance(error, OSError) else None
                return f"{name} ({reason or error})"

        def read(start: int, stop: int) -> Iterator[NDArray[np.uint8] | str]:
            with ThreadPoolExecutor() as pool:  # Pillow decodes and resizes beside the interpreter
                yield from pool.map(one, self.names[start:stop])

        return Source(
            title, treatment.shape, len(self.names), [title, treatment.identity, *facts], read
        )


def is_in_colour(picture: Image.Image) -> bool:
    """Say whether a pixel has red, green and blue that differ."""
    if picture.mode in ("1", "L", "LA", "La") or picture.mode.startswith(("I", "F")):
        return False
    red, green, blue = np.moveaxis(np.asarray(picture.convert("RGB")), -1, 0)
    return bool((red != green).any() or (green != blue).any())


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DatasetError(
            f"{path}: expected a folder of pictures or a whole zip archive of them, found neither ({error})"
        ) from error


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
