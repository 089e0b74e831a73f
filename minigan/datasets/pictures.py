"""Picture files in a folder or a zip archive, as arrays of one size.

A picture is cut about its middle, resized by Pillow, and made grey or RGB:

    cut        to a given size, or else to the largest that has the proportions of the result
    resized    with the bicubic filter, whose support grows with the reduction, so nothing aliases
    grey       0.299 R + 0.587 G + 0.114 B; what is transparent shows white
"""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from minigan.datasets.cache import Source
from minigan.errors import DatasetError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset(
    [".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"]
)
# What Pillow and zipfile raise for a file that is damaged.
_DAMAGE = (OSError, EOFError, SyntaxError, ValueError, IndexError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Treatment:
    """What becomes of a picture: cut to `cut` (width, height) about its middle, then resized to `shape`.

    A `size` (width, height) is that of every picture: others cannot be used.
    """

    shape: tuple[int, int, int]
    cut: tuple[int, int] | None = None
    size: tuple[int, int] | None = None

    def pixels(self, picture: Image.Image) -> NDArray[np.uint8]:
        """The picture as uint8 of `shape`; ValueError if its size is another."""
        from PIL import Image

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
        """The same of an array (height, width, 1 or 3)."""
        from PIL import Image

        if image.shape == self.shape:
            return image
        return self.pixels(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image))

    @property
    def identity(self) -> str:
        return f"cut {self.cut}, resized to {self.shape}"


def _opaque(picture: Image.Image) -> Image.Image:
    """In 8 bits, and on white where it was transparent."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits of grey
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture)
    return picture


class PictureFiles:
    """The pictures in a folder and the folders in it, or in a zip archive, in the order of their names.

    `names` are relative to the folder. DatasetError if there is nothing to read, or no picture.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.archive: zipfile.ZipFile | None = None
        if place.is_dir():
            found = dict(_in_folder(place))
        elif place.is_file():
            self.archive = _open_zip(place)
            found = dict(_in_archive(self.archive))
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
        """The picture of that name, its pixels not yet read."""
        from PIL import Image

        data = self.archive.read(name) if self.archive else (self.place / name).read_bytes()
        return Image.open(io.BytesIO(data))

    def source(self, title: str, treatment: Treatment) -> Source:
        """These pictures, treated, for `cache.prepare`."""
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


def _in_folder(folder: Path) -> Iterator[tuple[str, str]]:
    """Names, and what tells a file from a changed one: its size and time."""
    for place, _, files in os.walk(folder):
        for file in files:
            path = Path(place, file)
            if path.suffix.lower() in SUFFIXES and not file.startswith("."):
                status = path.stat()
                yield (
                    path.relative_to(folder).as_posix(),
                    f"{status.st_size} {status.st_mtime_ns}",
                )


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DatasetError(
            f"{path}: expected a folder of pictures or a whole zip archive of them, found neither ({error})"
        ) from error


def _in_archive(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    for member in archive.infolist():
        name = PurePosixPath(member.filename)
        hidden = name.name.startswith(".") or name.parts[0] == "__MACOSX"
        if name.suffix.lower() in SUFFIXES and not hidden:
            yield member.filename, f"{member.file_size} {member.CRC:08x}"


def _times(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"
