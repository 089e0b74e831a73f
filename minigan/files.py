"""Writing files so that a reader, or a crash, never meets half of one."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, which takes its place when the block ends without an error.

    An old file at `path` stays until then; after an error nothing is left behind. An OSError names `path`.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        if (
            error.strerror
        ):  # a full disk's error names no file, and the temporary name means nothing to a user
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with contextlib.suppress(OSError):  # not there: it was renamed, or never made
            temporary.unlink()


def leftovers(directory: Path) -> Iterator[Path]:
    """Return the files that `replacing` left in that folder when its process was killed."""
    return directory.glob(".*.[0-9]*.tmp")


def write_text(path: Path, text: str) -> None:
    """Write a file of text whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON with sorted keys; not-a-number is refused, since JSON has none."""
    text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def read_json_lines(path: Path) -> list[Any]:
    """Return the values of a file of JSON lines; a line that a full disk or a kill cut is passed over."""
    values: list[Any] = []
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for line in text.splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            values.append(json.loads(line))
    return values


@contextlib.contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[BinaryIO]:
    """Lock the file at `path`, made if need be, to this process alone, where the system knows how.

    Others wait, or without `wait` get BlockingIOError. A lock dies with its process.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        with contextlib.suppress(ImportError):  # Windows has none
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                    raise  # those three are a file system that has none
        yield file


def is_locked(path: Path) -> bool:
    """Return whether a process holds that file by `locked`; False too where one may not ask. Nothing is made."""
    if not os.access(path, os.W_OK):
        return False
    try:
        with locked(path, wait=False):
            return False
    except BlockingIOError:
        return True
