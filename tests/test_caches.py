"""The folders of caches: private, bounded, and never someone else's."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from minigan import caches


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    caches._root.cache_clear()
    yield tmp_path
    caches._root.cache_clear()


def mode(path: Path | None) -> int:
    assert path is not None
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_closed_to_others(home: Path) -> None:
    before = os.umask(0)
    try:
        folder = caches.versioned_folder("numba", "1")
    finally:
        os.umask(before)
    assert folder == home / "minigan" / "numba" / "1"
    assert {mode(p) for p in (home / "minigan", home / "minigan" / "numba", folder)} == {0o700}


def test_an_open_folder_of_ours_is_closed(home: Path) -> None:
    (home / "minigan").mkdir()
    (home / "minigan").chmod(0o755)
    assert mode(caches.cache_root()) == 0o700


@pytest.mark.parametrize("kind", ["link", "file", "anyone's", "another's"])
def test_what_is_not_our_folder_is_not_used(
    home: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A private temporary folder is used instead."""
    place = home / "minigan"
    if kind == "link":
        (home / "elsewhere").mkdir()
        place.symlink_to(home / "elsewhere")
    elif kind == "file":
        place.write_text("")
    elif kind == "anyone's":
        place.mkdir()
        place.chmod(0o777)
    else:
        place.mkdir()
        owner = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    root = caches.cache_root()
    assert root is not None and root != place and mode(root) == 0o700
    assert kind != "link" or not list((home / "elsewhere").iterdir())


def test_the_temporary_folder_is_new_and_goes_with_its_process(home: Path) -> None:
    (home / "minigan").write_text("")
    code = "from minigan.caches import cache_folder; print(cache_folder('numba'))"
    environment = {**os.environ, "XDG_CACHE_HOME": str(home), "TMPDIR": str(home)}
    run = [
        subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    ]  # fmt: skip
    assert run[0] != run[1] and all(Path(p).is_relative_to(home) for p in run)
    assert not any(Path(p).exists() for p in run)


def test_old_versions_go(home: Path) -> None:
    for i in range(6):
        folder = caches.versioned_folder("numba", str(i))
        assert folder is not None
        os.utime(folder, (i, i))
    caches.versioned_folder("numba", "5")
    assert sorted(p.name for p in (home / "minigan" / "numba").iterdir()) == ["2", "3", "4", "5"]


def test_sizes_and_clearing() -> None:
    for name, size in (("numba", 100), ("data", 50)):
        folder = caches.cache_folder(name)
        assert folder is not None
        (folder / "file").write_bytes(b"x" * size)
    assert caches.cache_sizes() == {"data": 50, "numba": 100} and caches.cache_size() == 150
    assert caches.clear_cache("numba") == 100 and caches.cache_sizes() == {"data": 50}
    assert caches.clear_cache() == 50 and caches.cache_size() == 0
