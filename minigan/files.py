"""Writing files so that a reader, or a crash, never meets half of one."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, which takes its place when the block ends without an error.

    What was at `path` stays until then; after an error nothing is left behind. An OSError names `path`.
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
        ):  # a full disk's names no file, and the temporary name tells nobody anything
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        with contextlib.suppress(OSError):  # not there: it was renamed, or never made
            temporary.unlink()


def leftovers(directory: Path) -> Iterator[Path]:
    """What `replacing` left in that folder when its process was killed."""
    return directory.glob(".*.[0-9]*.tmp")


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON with sorted keys; not-a-number is refused, since JSON has none."""
    with replacing(path) as temporary:
        text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


def cache_folder(name: str) -> Path | None:
    """minigan's folder of that name for what can be made again, created; None where no place can be written."""
    home_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for parent in (home_cache / "minigan", Path(tempfile.gettempdir()) / f"minigan-{os.getuid()}"):
        with contextlib.suppress(OSError):
            (parent / name).mkdir(parents=True, exist_ok=True)
            if os.access(parent / name, os.W_OK):
                return parent / name
    return None
