"""The cache of prepared images."""

import json
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from files_of_users import RGB, noise, refusal
from PIL import Image

from minigan.datasets import (
    cache,
    folder,
)
from minigan.datasets.cache import Preparation, Source, prepare
from minigan.datasets.pictures import Treatment


def counting(images: np.ndarray, reads: list[int], stop_at: int | None = None) -> Source:
    def read(start: int, stop: int):  # type: ignore[no-untyped-def]
        for i in range(start, stop):
            if i == stop_at:
                raise KeyboardInterrupt
            reads.append(i)
            yield images[i]

    return Source("numbers", images.shape[1:], len(images), ["numbers"], read)  # type: ignore[arg-type]


def test_images_are_read_once_and_mapped(how: Preparation) -> None:
    images, reads = noise(5, 3, 4, 1), list[int]()
    first = prepare(counting(images, reads), how)
    second = prepare(counting(images, reads), how)
    assert reads == list(range(5))
    np.testing.assert_array_equal(second.images, images)
    np.testing.assert_array_equal(np.load(first.path), images)  # an .npy file like any other
    assert isinstance(second.images.base, np.memmap)
    second.images[0] = 0  # stays in this process
    np.testing.assert_array_equal(np.load(first.path), images)
    assert {p.suffix for p in first.path.parent.iterdir()} == {".npy", ".json"}


def test_it_goes_on_where_it_was_stopped(how: Preparation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_AT_ONCE", 4)
    images, reads = noise(11, 3, 4, 1), list[int]()
    with pytest.raises(KeyboardInterrupt):
        prepare(counting(images, reads, stop_at=6), how)
    reads.clear()
    shown: list[tuple[int, int]] = []
    found = prepare(
        counting(images, reads), Preparation(how.folder, progress=lambda *at: shown.append(at))
    )
    assert reads == list(range(4, 11))
    assert shown[-1] == (11, 11)
    np.testing.assert_array_equal(found.images, images)


def test_a_killed_preparation_goes_on(tmp_path: Path, how: Preparation) -> None:
    script = (
        "import os, sys, pathlib, numpy as np\n"
        "from minigan.datasets import cache\n"
        "cache._AT_ONCE = 2\n"
        "images = np.load(sys.argv[1])\n"
        "def read(start, stop):\n"
        "    for i in range(start, stop):\n"
        "        if i == 5: os._exit(9)\n"
        "        yield images[i]\n"
        "source = cache.Source('numbers', images.shape[1:], len(images), ['numbers'], read)\n"
        "cache.prepare(source, cache.Preparation(pathlib.Path(sys.argv[2])))\n"
    )
    images, reads = noise(9, 3, 4, 1), list[int]()
    np.save(tmp_path / "images.npy", images)
    command = [sys.executable, "-c", script, tmp_path / "images.npy", str(how.folder)]
    assert subprocess.run(command, check=False).returncode == 9
    found = prepare(counting(images, reads), how)
    assert reads == list(range(4, 9))
    np.testing.assert_array_equal(found.images, images)


def test_a_damaged_cache_is_told(how: Preparation) -> None:
    images = noise(5, 3, 4, 1)
    path = prepare(counting(images, []), how).path
    content = bytearray(path.read_bytes())
    time = path.stat().st_mtime_ns
    content[-1] ^= 1
    path.write_bytes(content)
    assert "its checksum does not match; delete the file" in refusal(
        prepare, counting(images, []), how
    )
    os.utime(path, ns=(time, time))  # a bit that turned on the disk: found when asked for
    prepare(counting(images, []), how)
    thorough = Preparation(how.folder, verify=True)
    assert "checksum" in refusal(prepare, counting(images, []), thorough)
    path.write_bytes(content[:-3])
    assert "185 bytes, and not 188" in refusal(prepare, counting(images, []), how)
    notes = path.with_suffix(".json")
    kept = json.loads(notes.read_text())
    notes.write_text(json.dumps({**kept, "sha256": None}))
    assert "does not tell of it" in refusal(prepare, counting(images, []), how)
    path.unlink()
    np.testing.assert_array_equal(prepare(counting(images, []), how).images, images)


def test_a_small_disk_is_known_before_it_starts(
    how: Preparation, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: usage(9, 9, 59))  # type: ignore[attr-defined]
    reads: list[int] = []
    assert "preparing 5 images needs" in refusal(prepare, counting(noise(5, 3, 4, 1), reads), how)
    assert not reads


def test_a_changed_file_is_prepared_anew(tmp_path: Path, how: Preparation) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 8, 8), np.uint8))
    folder.load(tmp_path / "a.npy", "train", (4, 4, 1), how)
    np.save(tmp_path / "a.npy", np.full((2, 8, 8), 9, np.uint8))
    os.utime(tmp_path / "a.npy", ns=(1, 1))
    found = folder.load(tmp_path / "a.npy", "train", (4, 4, 1), how)
    assert found is not None
    assert (found.images == 9).all()


def test_a_treatment_leaves_what_fits() -> None:
    image = noise(32, 32, 3)
    assert Treatment(RGB).of_array(image) is image
    np.testing.assert_array_equal(Treatment(RGB).pixels(Image.fromarray(image)), image)


def same_times(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (1_500_000_000, 1_500_000_000))


def test_files_of_one_name_size_and_time_are_not_mistaken(tmp_path: Path, how: Preparation) -> None:
    """As archives leave them that keep no times."""
    places = [tmp_path / "p", tmp_path / "q"]
    for value, place in zip((10, 200), places, strict=True):
        place.mkdir()
        np.save(place / "images.npy", np.full((3, 8, 8), value, np.uint8))
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(place / "x.bmp")
        same_times(*place.iterdir())
    for name in ("images.npy", "."):
        found = [folder.load(place / name, "train", (4, 4, 1), how) for place in places]
        assert [f.images.max() for f in found if f is not None] == [10, 200]


def test_a_file_that_was_replaced_with_its_time_kept(tmp_path: Path, how: Preparation) -> None:
    path, new = tmp_path / "images.npy", tmp_path / "new.npy"
    for value in (10, 200):
        np.save(new, np.full((3, 8, 8), value, np.uint8))
        new.replace(path)
        same_times(path)
        found = folder.load(path, "train", (4, 4, 1), how)
        assert found is not None and found.images.max() == value


def test_one_picture_in_colour_is_no_row_of_grey_ones(tmp_path: Path, how: Preparation) -> None:
    for name in ("x.npy", "x.NPZ"):
        with (tmp_path / name).open("wb") as file:
            save = np.save if name.endswith("npy") else np.savez
            save(file, np.zeros((8, 8, 3), np.uint8))
        found = refusal(folder.load, tmp_path / name, "train", RGB, how)
        assert "one picture in colour" in found
