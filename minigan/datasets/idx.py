"""The IDX format: one array a file, as MNIST is published.

    0, 0, element type, number of dimensions n      4 bytes, the "magic number"
    size of dimension 1 ... size of dimension n     n big-endian uint32
    elements                                        big-endian, the last dimension fastest

Source: "The IDX file format" in http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigan.errors import DatasetError

_ELEMENT_TYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),  # the format has no 0x0A
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_MAGIC_BYTES = 4
_SIZE = np.dtype(">u4")

_WRONG_FILE = "give the path of an IDX file"
_DAMAGED_FILE = "copy or download the file again"


def read_idx(path: Path | str) -> NDArray[Any]:
    """Read the array in an IDX file, compressed with gzip or not.

    The file's first bytes say whether it is compressed; its name does not matter. The array has the
    file's shape and element type (uint8, int8, int16, int32, float32 or float64) in the machine's
    own byte order, and is writable. Raises `DatasetError` if the file cannot be read or is not, to
    the last byte, an IDX file.
    """
    content = _read_uncompressed(path)

    if len(content) < _MAGIC_BYTES:
        raise _error(path, "a magic number of 4 bytes", f"only {len(content)}", _DAMAGED_FILE)
    zeros, type_code, dimensions = content[:2], content[2], content[3]
    if zeros != b"\0\0":
        magic = content[:_MAGIC_BYTES].hex(" ")
        raise _error(path, "an IDX magic number, 00 00 first", magic, _WRONG_FILE)
    if type_code not in _ELEMENT_TYPES:
        known = ", ".join(f"0x{code:02X}" for code in _ELEMENT_TYPES)
        raise _error(path, f"an element type among {known}", f"0x{type_code:02X}", _WRONG_FILE)

    dtype = _ELEMENT_TYPES[type_code]
    header_bytes = _MAGIC_BYTES + dimensions * _SIZE.itemsize
    if len(content) < header_bytes:
        raise _error(
            path,
            f"a header of {header_bytes} bytes for {dimensions} dimensions",
            f"only {len(content)}",
            _DAMAGED_FILE,
        )
    sizes = np.frombuffer(content, _SIZE, count=dimensions, offset=_MAGIC_BYTES)
    shape = tuple(sizes.tolist())  # Python integers: a damaged header's product cannot overflow

    expected_bytes = math.prod(shape) * dtype.itemsize
    found_bytes = len(content) - header_bytes
    if found_bytes != expected_bytes:
        raise _error(
            path,
            f"{expected_bytes} bytes of data for {dtype.name} of shape {shape}",
            f"{found_bytes}",
            _DAMAGED_FILE,
        )

    elements = np.frombuffer(content, dtype, offset=header_bytes)
    try:
        array = elements.reshape(shape)
    except ValueError as error:
        # Right number of bytes, yet not an array. It has too many dimensions, or a size of 0 beside
        # sizes with a product that no machine could address.
        raise _error(
            path, "a shape that NumPy can hold", f"{shape} ({error})", _DAMAGED_FILE
        ) from error
    return array.astype(dtype.newbyteorder("="))  # a copy, since `elements` is read-only


def read_images_and_labels(
    images_path: Path | str, labels_path: Path | str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read a pair of IDX files in MNIST's manner: grey images, and the label of each.

    Returns the images as uint8 (N, height, width, 1) and the labels as uint8 (N,). Raises
    `DatasetError` if either file cannot be read. The files must hold uint8 (N, height, width) and
    uint8 (N,) with the same N, or it is raised too.
    """
    images, labels = read_idx(images_path), read_idx(labels_path)
    if (
        images.dtype != np.uint8
        or labels.dtype != np.uint8
        or images.ndim != 3
        or labels.ndim != 1
        or len(images) != len(labels)
    ):
        raise DatasetError(
            f"Expected uint8 images (N, height, width) in {images_path} and as many uint8 labels "
            f"(N,) in {labels_path}, found {images.dtype} {images.shape} and "
            f"{labels.dtype} {labels.shape}; give an image file and its own label file, in "
            "that order."
        )
    return images[..., np.newaxis], labels


def _read_uncompressed(path: Path | str) -> bytes:
    """Return the bytes of a file, decompressed if they begin as gzip does (RFC 1952, section 2.3.1)."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        reason = f"none to read ({error.strerror})"
        raise _error(path, "an IDX file", reason, "check the path and its permissions") from error
    if not content.startswith(b"\x1f\x8b"):  # an IDX file begins with zeros, so this tells
        return content
    try:
        return gzip.decompress(content)
    except EOFError as error:
        raise _error(path, "a whole gzip file", "one that is cut short", _DAMAGED_FILE) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _error(
            path, "a gzip file in order", f"a damaged one ({error})", _DAMAGED_FILE
        ) from error


def _error(path: Path | str, expected: str, found: str, remedy: str) -> DatasetError:
    return DatasetError(f"{path}: expected {expected}, found {found}; {remedy}.")
