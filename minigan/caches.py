"""Folders for what can be made again: compiled kernels, prepared images.

All lie in one folder of the user's, ``minigan`` in ``$XDG_CACHE_HOME`` or ``~/.cache``. Python
reads pickle from the kernels' folder, so no one else may write there. A folder is used if it is a
real one and the user's. It is closed to others (mode 0700). Where there is none such, a private
temporary folder serves, until the process ends.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import stat
import tempfile
from pathlib import Path

_VERSIONS_KEPT = 4  # of a folder named after its contents


def cache_root() -> Path | None:
    """Return the folder that holds all of minigan's caches, made if need be; None where no folder can be written."""
    return _root(os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"))


@functools.cache
def _root(parent: str) -> Path | None:
    with contextlib.suppress(OSError):
        Path(parent).mkdir(parents=True, exist_ok=True)
        folder = Path(parent) / "minigan"
        if _is_private(folder):
            return folder
    with contextlib.suppress(OSError):
        # Of mode 0700, and with a name that no one else has.
        temporary = Path(tempfile.mkdtemp(prefix="minigan-"))
        atexit.register(_remove_own, temporary, os.getpid())
        return temporary
    return None


def _is_private(folder: Path) -> bool:
    """Make the folder, or close one of the user's to others; False if it is not theirs or cannot be written."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        return False
    if found.st_mode & stat.S_IWOTH:  # anyone may have put pickles there
        return False
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)
    return os.access(folder, os.W_OK | os.X_OK)


def _remove_own(folder: Path, process: int) -> None:
    if os.getpid() == process:  # a forked child uses its parent's
        shutil.rmtree(folder, ignore_errors=True)


def cache_folder(name: str) -> Path | None:
    """Return the cache of that name, made if need be; None where no folder can be written."""
    root = cache_root()
    return _private_folder(root / name) if root else None


def versioned_folder(name: str, version: str) -> Path | None:
    """Return the folder of one version in the cache `name`; of the others those used last stay."""
    parent = cache_folder(name)
    folder = _private_folder(parent / version) if parent else None
    if parent is None or folder is None:
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)
    for old in sorted(_folders(parent), key=_last_use, reverse=True)[_VERSIONS_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def _private_folder(folder: Path) -> Path | None:
    with contextlib.suppress(OSError):
        return folder if _is_private(folder) else None
    return None


def _folders(parent: Path | None) -> list[Path]:
    if parent is None:
        return []
    return [path for path in parent.iterdir() if path.is_dir() and not path.is_symlink()]


def _last_use(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # another process has removed it
        return 0.0


def cache_sizes() -> dict[str, int]:
    """Return the bytes that each cache takes on the disk."""
    return {folder.name: _size(folder) for folder in sorted(_folders(cache_root()))}


def cache_size() -> int:
    """Return the bytes that all caches take on the disk."""
    return sum(cache_sizes().values())


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # removed meanwhile
            total += path.lstat().st_size
    return total


def clear_cache(name: str | None = None) -> int:
    """Remove the cache of that name, or all of them; the bytes that became free."""
    before = cache_size()
    for folder in _folders(cache_root()):
        if name is None or folder.name == name:
            shutil.rmtree(folder, ignore_errors=True)
    return before - cache_size()
