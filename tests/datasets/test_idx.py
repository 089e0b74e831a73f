"""The IDX reader against a writer that follows the published description with `struct` alone."""

import gzip
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from minigan.datasets.idx import read_idx, read_images_and_labels
from minigan.errors import DatasetError

# NumPy's name of an element type: its code in the magic number, its letter in `struct`.
CODES = {
    "uint8": (0x08, "B"),
    "int8": (0x09, "b"),
    "int16": (0x0B, "h"),
    "int32": (0x0C, "i"),
    "float32": (0x0D, "f"),
    "float64": (0x0E, "d"),
}

ANY_ARRAY = st.sampled_from(sorted(CODES)).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0))
)


def idx_bytes(array: NDArray[Any]) -> bytes:
    code, letter = CODES[array.dtype.name]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + struct.pack(f">{array.size}{letter}", *array.ravel().tolist())


def write(path: Path, content: bytes | bytearray) -> Path:
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to overwrite, once for each example that Hypothesis tries."""
    return tmp_path_factory.mktemp("idx") / "array"


def assert_refused(path: Path, *words: str) -> None:
    """`read_idx` raises one sentence that begins with the file's path and has the words in it."""
    with pytest.raises(DatasetError) as caught:
        read_idx(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: expected ")
    assert message.endswith(".")
    assert "\n" not in message
    for word in words:
        assert word in message


@given(array=ANY_ARRAY, compressed=st.booleans())
def test_reads_back_what_was_written(path: Path, array: NDArray[Any], compressed: bool) -> None:
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if compressed else content)
    found = read_idx(path)
    assert found.shape == array.shape
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    assert found.flags.writeable
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, array)


def test_reads_bytes_written_by_hand(tmp_path: Path) -> None:
    content = bytes.fromhex("00000b02 00000002 00000003 0001 0002 0003 ffff 0100 8000")
    found = read_idx(write(tmp_path / "short", content))
    np.testing.assert_array_equal(found, np.array([[1, 2, 3], [-1, 256, -32768]], np.int16))


@pytest.mark.parametrize("name", ["labels.gz", "labels"])
def test_the_content_says_whether_it_is_compressed(tmp_path: Path, name: str) -> None:
    labels = np.arange(5, dtype=np.uint8)
    plain = write(tmp_path / name, idx_bytes(labels))
    np.testing.assert_array_equal(read_idx(plain), labels)
    compressed = write(tmp_path / name, gzip.compress(idx_bytes(labels)))
    np.testing.assert_array_equal(read_idx(str(compressed)), labels)


def test_no_such_file(tmp_path: Path) -> None:
    assert_refused(tmp_path / "absent", "No such file", "check the path")


def test_a_folder(tmp_path: Path) -> None:
    assert_refused(tmp_path, "Is a directory", "check the path")


def test_not_an_idx_file(tmp_path: Path) -> None:
    page = write(tmp_path / "page", b"<!DOCTYPE html><title>403 Forbidden</title>")
    assert_refused(page, "found 3c 21 44 4f", "give the path of an IDX file")


@pytest.mark.parametrize("code", [0x00, 0x07, 0x0A, 0x0F, 0xFF])
def test_unknown_element_type(tmp_path: Path, code: int) -> None:
    content = bytes([0, 0, code, 1]) + struct.pack(">I", 0)
    assert_refused(write(tmp_path / "type", content), "0x08, 0x09, 0x0B", f"found 0x{code:02X}")


@pytest.mark.parametrize("length", range(4))
def test_magic_number_cut_short(tmp_path: Path, length: int) -> None:
    content = idx_bytes(np.zeros(3, np.uint8))[:length]
    assert_refused(write(tmp_path / "cut", content), "4 bytes", f"only {length};", "again")


@pytest.mark.parametrize("length", range(4, 16))
def test_header_cut_short(tmp_path: Path, length: int) -> None:
    content = idx_bytes(np.zeros((2, 3, 4), np.uint8))[:length]
    assert_refused(
        write(tmp_path / "cut", content), "16 bytes for 3 dimensions", f"only {length};", "again"
    )


def test_too_few_bytes(tmp_path: Path) -> None:
    content = idx_bytes(np.zeros((2, 3), np.int32))[:-1]
    assert_refused(write(tmp_path / "few", content), "24 bytes", "int32", "(2, 3)", "found 23;")


def test_too_many_bytes(tmp_path: Path) -> None:
    content = idx_bytes(np.zeros((2, 3), np.int32)) + b"\0"
    assert_refused(write(tmp_path / "many", content), "24 bytes", "int32", "(2, 3)", "found 25;")


def test_sizes_whose_product_overflows(tmp_path: Path) -> None:
    # 2**22 * 2**22 * 2**20 is 0 in 64 bits, which would agree with the 0 bytes that follow.
    sizes = (2**22, 2**22, 2**20)
    content = bytes([0, 0, 0x08, 3]) + struct.pack(">3I", *sizes)
    assert_refused(write(tmp_path / "huge", content), f"expected {2**64} bytes", "found 0;")


@pytest.mark.parametrize("shape", [(1,) * 255, (0, 2**32 - 1, 2**32 - 1, 2**32 - 1)])
def test_a_shape_that_numpy_cannot_hold(tmp_path: Path, shape: tuple[int, ...]) -> None:
    header = bytes([0, 0, 0x08, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    content = header + b"\0" * min(shape)
    assert_refused(write(tmp_path / "shape", content), "NumPy", str(shape), "again")


def test_gzip_cut_short(tmp_path: Path) -> None:
    compressed = gzip.compress(idx_bytes(np.arange(100, dtype=np.uint8)))
    for length in range(2, len(compressed)):  # 2 bytes are what tells gzip from IDX
        cut = write(tmp_path / "cut.gz", compressed[:length])
        assert_refused(cut, "a whole gzip file", "cut short", "again")


@pytest.mark.parametrize("content", [b"", b"\0\0\x08", b"\0\0\x08\x01\0\0\0\x05123", b"<html>"])
def test_a_whole_gzip_file_of_something_else(tmp_path: Path, content: bytes) -> None:
    assert_refused(write(tmp_path / "array.gz", gzip.compress(content)))


def test_gzip_with_a_damaged_byte(tmp_path: Path) -> None:
    damaged = bytearray(gzip.compress(idx_bytes(np.arange(100, dtype=np.uint8))))
    damaged[-8] ^= 1  # the first byte of the CRC-32
    assert_refused(write(tmp_path / "damaged.gz", damaged), "a gzip file in order", "CRC", "again")


def test_no_flipped_bit_of_a_gzip_file_changes_the_array(tmp_path: Path) -> None:
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    compressed = gzip.compress(idx_bytes(array))
    for bit in range(8 * len(compressed)):
        damaged = bytearray(compressed)
        damaged[bit // 8] ^= 1 << bit % 8
        path = write(tmp_path / "damaged.gz", damaged)
        # Some bits carry no data (the header's time, the padding behind the last block): to flip
        # one is harmless. To flip any other is an error.
        try:
            found = read_idx(path)
        except DatasetError:
            continue
        np.testing.assert_array_equal(found, array)


@given(content=st.binary() | st.binary().map(gzip.compress) | st.binary().map(b"\0\0\x08".__add__))
def test_any_bytes_are_an_array_or_a_dataset_error(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        array = read_idx(path)
    except DatasetError:
        return
    plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    assert idx_bytes(array) == plain


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([7, 1], np.uint8)


def test_images_and_labels(tmp_path: Path) -> None:
    images, labels = read_images_and_labels(
        write(tmp_path / "images", idx_bytes(IMAGES)), write(tmp_path / "labels", idx_bytes(LABELS))
    )
    assert images.dtype == labels.dtype == np.uint8
    np.testing.assert_array_equal(images, IMAGES.reshape(2, 3, 4, 1))
    np.testing.assert_array_equal(labels, LABELS)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        pytest.param(LABELS, IMAGES, id="swapped"),
        pytest.param(IMAGES[0], LABELS, id="images of 2 dimensions"),
        pytest.param(IMAGES[..., np.newaxis], LABELS, id="images of 4 dimensions"),
        pytest.param(IMAGES, LABELS[:, np.newaxis], id="labels of 2 dimensions"),
        pytest.param(IMAGES, np.array(7, np.uint8), id="a single label"),
        pytest.param(IMAGES.astype(np.int16), LABELS, id="images of int16"),
        pytest.param(IMAGES, LABELS.astype(np.int8), id="labels of int8"),
        pytest.param(IMAGES, LABELS[:1], id="too few labels"),
        pytest.param(IMAGES[:1], LABELS, id="too few images"),
    ],
)
def test_files_that_do_not_pair_up(
    tmp_path: Path, images: NDArray[Any], labels: NDArray[Any]
) -> None:
    images_path = write(tmp_path / "images", idx_bytes(images))
    labels_path = write(tmp_path / "labels", idx_bytes(labels))
    with pytest.raises(DatasetError) as caught:
        read_images_and_labels(images_path, labels_path)
    message = str(caught.value)
    assert str(images_path) in message
    assert str(labels_path) in message
    assert f"found {images.dtype} {images.shape} and {labels.dtype} {labels.shape};" in message


def test_a_damaged_file_of_a_pair_is_named(tmp_path: Path) -> None:
    images_path = write(tmp_path / "images", idx_bytes(IMAGES))
    labels_path = write(tmp_path / "labels", idx_bytes(LABELS)[:-1])
    with pytest.raises(DatasetError, match=f"^{re.escape(str(labels_path))}: expected 2 bytes"):
        read_images_and_labels(images_path, labels_path)
