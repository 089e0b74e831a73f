"""The MNIST in the package: the facts about it, and the errors when it is damaged."""

import gzip
import hashlib
import shutil
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytest

from minigan.datasets import LabeledImages, mnist
from minigan.errors import DatasetError

PACKAGED = Path(mnist.__file__).parent
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


@pytest.fixture(scope="module")
def train() -> LabeledImages:
    return mnist.load("train")


@pytest.fixture(scope="module")
def held_out() -> LabeledImages:
    return mnist.load("test")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy, to be damaged, of the test digits and the checksums."""
    for name in (*FILES["test"], "SHA256SUMS"):
        shutil.copy(PACKAGED / name, tmp_path)
    return tmp_path


def refusal(split: str, directory: Path | None = None) -> str:
    """The sentence that `load` raises."""
    with pytest.raises(DatasetError) as caught:
        mnist.load(cast("Any", split), directory)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_shapes_and_types(train: LabeledImages, held_out: LabeledImages) -> None:
    for digits, count in ((train, 60_000), (held_out, 10_000)):
        assert digits.images.shape == (count, 28, 28, 1)
        assert digits.labels.shape == (count,)
        assert digits.images.dtype == digits.labels.dtype == np.uint8


def test_label_counts(train: LabeledImages, held_out: LabeledImages) -> None:
    assert np.bincount(train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    assert np.bincount(held_out.labels).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip


def test_first_labels(train: LabeledImages, held_out: LabeledImages) -> None:
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert held_out.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_mean_and_deviation_of_the_pixels(train: LabeledImages) -> None:
    # The 0.1307 and 0.3081 that everyone normalises MNIST with.
    assert train.images.mean() == pytest.approx(33.318, abs=1e-3)
    assert train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert train.images.std() / 255 == pytest.approx(0.3081, abs=5e-5)


def test_digits_stand_upright_with_ink_high(train: LabeledImages) -> None:
    ones = train.images[train.labels == 1, :, :, 0].mean(axis=0)
    assert ones[[0, -1]].max() < 1 < ones.max()  # paper is 0 at the top and at the bottom
    rows, columns = (ones.sum(axis=1) > 100).sum(), (ones.sum(axis=0) > 100).sum()
    assert rows > columns  # a 1 is taller than wide
    sevens = train.images[train.labels == 7, :, :, 0].mean(axis=0)
    assert sevens[8, :].sum() > 1.5 * sevens[20, :].sum()  # a 7 has its bar at the top


def test_images_and_labels_belong_together(train: LabeledImages, held_out: LabeledImages) -> None:
    # 82.03% of the test set lies nearest to its class's mean. Mismatched labels, a wrong byte
    # order of pixels or a shifted file would give 10%.
    means = np.stack(
        [train.images[train.labels == digit].mean(axis=0).ravel() for digit in range(10)]
    )
    flat = held_out.images.reshape(10_000, -1).astype(np.float64)
    distances = (means**2).sum(axis=1) - 2 * flat @ means.T
    assert (distances.argmin(axis=1) == held_out.labels).sum() == 8203


@pytest.mark.parametrize(
    ("name", "md5"),
    [
        ("train-images-idx3-ubyte.gz", "6bbc9ace898e44ae57da46a324031adb"),
        ("train-labels-idx1-ubyte.gz", "a25bea736e30d166cdddb491f175f624"),
        ("t10k-images-idx3-ubyte.gz", "2646ac647ad5339dbf082846283269ea"),
        ("t10k-labels-idx1-ubyte.gz", "27ae3e4e09519cfbb04c329615203637"),
    ],
)
def test_the_content_is_what_the_authors_published(name: str, md5: str) -> None:
    content = gzip.decompress((PACKAGED / name).read_bytes())
    assert hashlib.md5(content, usedforsecurity=False).hexdigest() == md5
    assert f"{md5}  {name.removesuffix('.gz')}" in (PACKAGED / "README.md").read_text("utf-8")


def test_a_directory_of_ones_own(copy: Path, held_out: LabeledImages) -> None:
    # The same content compressed otherwise, and checksums as `sha256sum --binary` writes them.
    for name in FILES["test"]:
        content = gzip.decompress((copy / name).read_bytes())
        (copy / name).write_bytes(gzip.compress(content, compresslevel=1))
    lines = [f"{sha256(copy / name)} *{name}\n" for name in FILES["test"]]
    (copy / "SHA256SUMS").write_text("".join(lines))
    digits = mnist.load("test", copy)
    np.testing.assert_array_equal(digits.images, held_out.images)
    np.testing.assert_array_equal(digits.labels, held_out.labels)


@pytest.mark.parametrize("split", ["t10k", "TRAIN", ""])
def test_unknown_split(split: str) -> None:
    message = refusal(split)
    assert "'train' and 'test'" in message
    assert repr(split) in message


@pytest.mark.parametrize("name", FILES["test"])
@pytest.mark.parametrize("position", [0, 5, -1])  # byte 5 is gzip's time stamp: harmless to gzip
def test_one_flipped_byte(copy: Path, name: str, position: int) -> None:
    damaged = copy / name
    expected = sha256(damaged)
    content = bytearray(damaged.read_bytes())
    content[position] ^= 1
    damaged.write_bytes(content)
    message = refusal("test", copy)
    assert message.startswith(f"{damaged}: expected the SHA-256 digest {expected}, ")
    assert f"found {sha256(damaged)};" in message
    assert "copy the files and their SHA256SUMS again" in message


@pytest.mark.parametrize("name", FILES["test"])
def test_a_file_cut_short(copy: Path, name: str) -> None:
    damaged = copy / name
    expected = sha256(damaged)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    message = refusal("test", copy)
    assert message.startswith(f"{damaged}: ")
    assert expected in message
    assert sha256(damaged) in message


@pytest.mark.parametrize("name", [*FILES["test"], "SHA256SUMS"])
def test_a_missing_file(copy: Path, name: str) -> None:
    (copy / name).unlink()
    message = refusal("test", copy)
    assert message.startswith(f"{copy / name}: ")
    assert "No such file" in message


def test_a_file_without_checksum(copy: Path) -> None:
    sums = copy / "SHA256SUMS"
    images, labels = FILES["test"]
    sums.write_text(f"{sha256(copy / images)}  {images}\n\nnot a checksum at all\n{labels}\n")
    message = refusal("test", copy)
    assert message.startswith(f"{sums}: ")
    assert labels in message


def test_checksums_that_are_no_text(copy: Path) -> None:
    sums = copy / "SHA256SUMS"
    sums.write_bytes(b"\xff\x00\xfe" + sums.read_bytes()[:40])
    assert refusal("test", copy).startswith(f"{sums}: ")


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_damaged_installation_says_to_reinstall(
    split: Literal["train", "test"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(PACKAGED / "SHA256SUMS", tmp_path)
    for name in FILES[split]:
        (tmp_path / name).write_bytes(b"damaged")
    monkeypatch.setattr(mnist, "_PACKAGED", tmp_path)
    message = refusal(split)
    assert message.startswith(f"{tmp_path / FILES[split][0]}: ")
    assert message.endswith("reinstall minigan.")
