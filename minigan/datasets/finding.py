"""Which files of a folder, or of a zip archive, are pictures to train on.

Hidden files and folders are left out, and so is what other programs keep beside pictures: __MACOSX, thumbnails. A
linked folder is read as if it lay there, but no folder is read twice.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from minigan.errors import DatasetError

SUFFIXES = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".webp",
        ".pbm",
        ".pgm",
        ".ppm",
        ".pnm",
    ]
)
# folders, in small letters: of macOS, of network drives, of thumbnails, and of what was deleted
_LEFT_OUT = frozenset(
    [
        "__macosx",
        "@eadir",
        "@__thumb",
        "thumbnail",
        "thumbnails",
        "thumbs",
        "$recycle.bin",
        "#recycle",
        "@recycle",
    ]
)


def in_folder(folder: Path) -> Iterator[tuple[str, str]]:
    """Names relative to the folder, and what tells each file from another and from a changed one."""
    for place in _folders(folder, {folder.resolve(), *folder.resolve().parents}):
        for entry in sorted(os.scandir(place), key=lambda entry: entry.name):
            name = Path(entry.path).relative_to(folder).as_posix()
            if _is_picture(PurePosixPath(name)) and not entry.is_dir():
                yield name, facts_of(Path(entry.path))


def in_archive(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Names of members, and their sizes and checksums."""
    for member in archive.infolist():
        name = member.filename.replace("\\", "/")  # as some programs on Windows separate folders
        if _is_picture(PurePosixPath(name)) and not member.is_dir():
            yield member.filename, f"{member.file_size} {member.CRC:08x}"


def _folders(place: Path, known: set[Path]) -> Iterator[Path]:
    """Yield a folder and those beneath it, links after the others. Leave out real paths that are `known`."""
    yield place
    try:
        entries = sorted(os.scandir(place), key=lambda entry: (entry.is_symlink(), entry.name))
    except OSError as error:
        raise DatasetError(f"{place}: the folder cannot be read ({error.strerror})") from error
    for entry in entries:
        path = Path(entry.path)
        if entry.is_dir() and not _is_left_out(entry.name) and path.resolve() not in known:
            known.add(path.resolve())
            yield from _folders(path, known)


def facts_of(path: Path) -> str:
    """Return what tells a file from another and from a changed one: programs may keep names, sizes and times."""
    try:
        status = path.stat()
    except OSError:  # a link to nothing: an error names it when it is read
        return "absent"
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


def _is_picture(name: PurePosixPath) -> bool:
    return name.suffix.lower() in SUFFIXES and not any(map(_is_left_out, name.parts))


def _is_left_out(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LEFT_OUT
