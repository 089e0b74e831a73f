"""Images that are prepared once and kept: one .npy file, mapped into memory, and a JSON file that
describes it.

A set of photographs is slow to decode and larger than memory; the same images as one array are
neither. The file grows as the images are read, and the JSON beside it notes the progress. So a
preparation that was stopped or killed goes on where it was. Both are named after a hash of the
source (names, sizes, times and numbers of its files) and of the preparation. So a changed source
is never taken for another. The finished array's SHA-256 is in the JSON. It is checked if the
file's time is not the noted one, or if `Preparation.verify` asks for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from minigan.caches import cache_folder
from minigan.errors import DatasetError
from minigan.files import locked, write_json

_FORMAT = 1
_HEADER_BYTES = (
    128  # of a .npy file of one such array: a multiple of 64, and the text is shorter than 118
)
_AT_ONCE = 1000  # images between two notes of how far it is
_NAMED = 3  # images that an error names; it counts all


@dataclass(frozen=True)
class Source:
    """`count` images of one `shape` (height, width, channels), in a fixed order.

    `identity` has a line for each fact that tells this source and its preparation from others.
    `read(start, stop)` gives the images of that range, each uint8 of `shape`, or a sentence that
    names it and says why it cannot be used.
    """

    title: str
    shape: tuple[int, int, int]
    count: int
    identity: list[str]
    read: Callable[[int, int], Iterable[NDArray[np.uint8] | str]]


@dataclass(frozen=True)
class Preparation:
    """How to prepare images: where to keep them, and what to do with those that cannot be used.

    `folder` is minigan's own if it is None. With `verify`, a finished file's checksum is computed again. `progress`
    hears how many images are done, of how many. `say` hears a line that is no error; by default it becomes a warning.
    """

    folder: Path | None = None
    leave_out: bool = False
    verify: bool = False
    progress: Callable[[int, int], None] = field(default=lambda done, total: None)
    say: Callable[[str], None] = field(default=warnings.warn)


@dataclass(frozen=True, eq=False)
class Prepared:
    """The images, mapped into memory, and the places in the source of those that were left out."""

    images: NDArray[np.uint8]
    left_out: tuple[int, ...]
    path: Path


@dataclass
class _State:
    """The JSON file's content: `done` images were read; `left_out` are those that cannot be used,
    and why."""

    source: list[Any]
    done: int = 0
    left_out: list[tuple[int, str]] = field(default_factory=list)
    sha256: str | None = None
    modified: int | None = None  # the time of the finished file, ns

    @property
    def kept(self) -> int:
        return self.done - len(self.left_out)

    @classmethod
    def read(cls, path: Path, source: list[Any]) -> _State:
        """Return what `path` says, or a new state if it says nothing, or not about this source."""
        try:
            state = cls(**json.loads(path.read_text(encoding="utf-8")))
            if state.source == source:
                state.left_out = [(int(place), str(why)) for place, why in state.left_out]
                return state
        except (OSError, ValueError, TypeError):  # not there, or cut short: it is made again
            pass
        return cls(source)

    def write(self, path: Path) -> None:
        write_json(path, self.__dict__)


def prepare(source: Source, preparation: Preparation) -> Prepared:
    """Return the images of a source: from the cache, or read now and kept there.

    DatasetError names the fault in one sentence: images that cannot be used (unless they may be
    left out), too small a disk, a damaged cache.
    """
    if not source.count:
        raise DatasetError(f"{source.title}: there are no images to prepare")
    folder = preparation.folder if preparation.folder is not None else cache_folder("data")
    if folder is None:
        raise DatasetError("there is no folder to keep prepared images in; name one with --cache")
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\n".join([*source.identity, str(source.shape)]).encode()).hexdigest()
    path = folder / f"{source.title}-{digest[:16]}.npy"
    facts = [_FORMAT, digest, source.count, *source.shape]
    if not path.exists():
        _Building(source, preparation, path, facts).run()
    return _open(path, _State.read(path.with_suffix(".json"), facts), source, preparation.verify)


def _open(path: Path, state: _State, source: Source, verify: bool) -> Prepared:
    """Return the finished file, if it agrees with the JSON beside it."""
    shape = (state.kept, *source.shape)
    damage = ""
    if state.done != source.count or state.sha256 is None:
        damage = f"{path.with_suffix('.json').name} beside it does not tell of it"
    elif path.stat().st_size != _HEADER_BYTES + math.prod(shape):
        damage = (
            f"it has {path.stat().st_size:,} bytes, and not {_HEADER_BYTES + math.prod(shape):,}"
        )
    elif (verify or path.stat().st_mtime_ns != state.modified) and _sha256(path) != state.sha256:
        damage = "its checksum does not match"
    if damage:
        raise DatasetError(
            f"the prepared images {path} are damaged: {damage}; delete the file, and it is made again"
        )
    # copy on write: as writable to whoever reads it as any array, and the file stays as it is
    images = np.memmap(path, np.uint8, "c", _HEADER_BYTES, shape)
    return Prepared(np.asarray(images), tuple(place for place, _ in state.left_out), path)


class _Building:
    """Reads a source to its end, or goes on where another process was stopped."""

    def __init__(
        self, source: Source, preparation: Preparation, path: Path, facts: list[Any]
    ) -> None:
        self.source, self.preparation, self.path, self.facts = source, preparation, path, facts
        self.notes = path.with_suffix(".json")
        self.partial = path.with_suffix(".partial")

    def run(self) -> None:
        with locked(self.partial) as file:
            if self.path.exists():  # another process was at it, and has finished
                with contextlib.suppress(FileNotFoundError):
                    self.partial.unlink()
                return
            state = _State.read(self.notes, self.facts)
            if state.kept * self.row_bytes + _HEADER_BYTES > os.fstat(file.fileno()).st_size:
                state = _State(self.facts)  # a note without its images
            self._check_disk(state)
            self._read_on(file, state)
            self._check_left_out(state)
            self._finish(file, state)

    @property
    def row_bytes(self) -> int:
        return math.prod(self.source.shape)

    def _check_disk(self, state: _State) -> None:
        missing = (self.source.count - state.done) * self.row_bytes
        free = shutil.disk_usage(self.path.parent).free
        if missing > free:
            raise DatasetError(
                f"preparing {self.source.count:,} images needs {_mebibytes(missing)} more in {self.path.parent}, "
                f"where {_mebibytes(free)} are free; make room, or name another folder with --cache"
            )

    def _read_on(self, file: BinaryIO, state: _State) -> None:
        """Append the images that are missing; they are on the disk before the JSON notes them."""
        file.seek(_HEADER_BYTES + state.kept * self.row_bytes)
        count = self.source.count
        while state.done < count:
            stop = min(state.done + _AT_ONCE, count)
            for place, image in enumerate(self.source.read(state.done, stop), state.done):
                if isinstance(image, str):
                    state.left_out.append((place, image))
                else:
                    file.write(np.ascontiguousarray(image).data)
                self.preparation.progress(place + 1, count)
            state.done = stop
            file.flush()
            os.fsync(file.fileno())
            state.write(self.notes)

    def _check_left_out(self, state: _State) -> None:
        """Name and count the images that cannot be used."""
        if not state.left_out or (self.preparation.leave_out and state.kept):
            return
        names = "; ".join(why for _, why in state.left_out[:_NAMED])
        more = ", …" if len(state.left_out) > _NAMED else ""
        remedy = (
            "replace them, or prepare the set with 'minigan data prepare … --leave-out'"
            if state.kept
            else "give the folder or file that the set was published as"
        )
        raise DatasetError(
            f"{len(state.left_out):,} of {self.source.count:,} images cannot be used: {names}{more}; {remedy}"
        )

    def _finish(self, file: BinaryIO, state: _State) -> None:
        """Put the header in front, note the checksum, and give the file its name."""
        file.truncate(_HEADER_BYTES + state.kept * self.row_bytes)
        file.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (state.kept, *self.source.shape)}
        np.lib.format.write_array_header_1_0(file, header)
        assert file.tell() == _HEADER_BYTES
        file.flush()
        os.fsync(file.fileno())
        state.sha256 = _sha256(self.partial)
        state.modified = self.partial.stat().st_mtime_ns
        state.write(self.notes)
        self.partial.replace(self.path)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"
