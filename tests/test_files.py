"""Files are replaced whole or not at all, even when the writing process is killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from full_disk import limited_file_size

from minigan.files import is_locked, leftovers, locked, replacing, write_json


def tree(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("before", [None, b"old"])
def test_the_new_file_takes_the_place_of_the_old(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert (path.read_bytes() if path.exists() else None) == before
    assert tree(tmp_path) == {"file": b"new"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_bytes(b"ne")
        raise error
    assert tree(tmp_path) == {"file": b"old"}


def test_it_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename may reach the disk before the bytes that it names, unless these were synced first."""
    path, synced = tmp_path / "file", []
    fsync, replace = os.fsync, Path.replace

    def note_sync(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(os.fstat(descriptor).st_ino)

    def check_replace(source: Path, target: Path) -> Path:
        assert synced == [source.stat().st_ino]
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", check_replace)
    with replacing(path) as temporary:
        temporary.write_bytes(b"new")
    assert [path.stat().st_ino] == synced


@pytest.mark.parametrize("victim", ["os.fsync", "pathlib.Path.replace"])
def test_a_kill_leaves_the_old_file_and_a_leftover(tmp_path: Path, victim: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    script = (
        "import os, pathlib, sys\n"
        "from minigan.files import replacing\n"
        f"{victim} = lambda *_: os._exit(9)  # as kill -9 would, there and then\n"
        "with replacing(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'new')\n"
    )
    assert subprocess.run([sys.executable, "-c", script, path], check=False).returncode == 9
    (leftover,) = leftovers(tmp_path)
    assert tree(tmp_path) == {"file": b"old", leftover.name: b"new"}


def test_only_leftovers_are_leftovers(tmp_path: Path) -> None:
    for name in ("file", ".hidden", ".notes.tmp", "file.1.tmp"):
        (tmp_path / name).touch()
    assert not list(leftovers(tmp_path))
    assert not list(leftovers(tmp_path / "absent"))


def test_an_error_of_the_system_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for path, expected in (
        (tmp_path / "absent" / "file", FileNotFoundError),
        (tmp_path / "file" / "file", NotADirectoryError),
        (tmp_path / "folder", IsADirectoryError),
    ):
        with pytest.raises(expected) as caught, replacing(path) as temporary:
            temporary.write_bytes(b"new")
        assert caught.value.filename == str(path)
        assert caught.value.filename2 is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with limited_file_size(1000), pytest.raises(OSError) as caught, replacing(path) as temporary:
        temporary.write_bytes(b"x" * 2000)
    assert (caught.value.filename, caught.value.strerror) == (str(path), "File too large")
    assert tree(tmp_path) == {"file": b"old"}


def test_json_is_sorted_readable_and_ends_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"b": [1, None], "a": "λ"})
    text = path.read_text(encoding="utf-8")
    assert text == '{\n  "a": "λ",\n  "b": [\n    1,\n    null\n  ]\n}\n'
    assert json.loads(text) == {"a": "λ", "b": [1, None]}


def test_json_has_no_nan(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="nan"):
        write_json(path, {"a": float("nan")})
    assert tree(tmp_path) == {"file.json": b"old"}


# -- locks ----------------------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from minigan.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_keeps_others_out_and_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert not is_locked(path)
    assert not path.exists()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert is_locked(path)
    with pytest.raises(BlockingIOError), locked(path, wait=False):
        pass
    holder.kill()
    with locked(path) as file:  # waits for the kill to have had its effect
        file.write(b"mine")
        assert is_locked(path)
    holder.communicate()
    assert not is_locked(path)
    assert path.read_bytes() == b"mine"
