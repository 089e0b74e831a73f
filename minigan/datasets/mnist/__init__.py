"""MNIST: handwritten digits, 60,000 to train on and 10,000 to test with.

The four files lie beside this module, with their checksums and their licence (README.md), so
nothing is ever downloaded.
"""

import hashlib
from pathlib import Path
from typing import Literal

from minigan.datasets.idx import read_images_and_labels
from minigan.datasets.images import LabeledImages
from minigan.errors import DatasetError

__all__ = ["load"]

_PACKAGED = Path(__file__).parent
_CHECKSUMS = "SHA256SUMS"
_FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


def load(split: Literal["train", "test"], directory: Path | None = None) -> LabeledImages:
    """Load the training digits (N = 60,000) or the test digits (N = 10,000) of MNIST.

    Args:
        split: "train" or "test".
        directory: a folder with the same four names and their own SHA256SUMS; None for the files
            that come with minigan.

    Returns:
        The images, uint8 (N, 28, 28, 1), ink 255 on paper 0, and the labels, uint8 (N,), 0 to 9.

    Raises:
        DatasetError: the split is unknown, or a file is missing or differs from its checksum.

    Reference: LeCun et al. (1998), "Gradient-based learning applied to document recognition".
    """
    if split not in _FILES:
        raise DatasetError(f"MNIST has the splits 'train' and 'test', not {split!r}; give one.")
    home = _PACKAGED if directory is None else directory
    remedy = (
        "reinstall minigan" if directory is None else "copy the files and their SHA256SUMS again"
    )
    images_path, labels_path = (home / name for name in _FILES[split])
    for path in (images_path, labels_path):
        _verify(path, remedy)
    images, labels = read_images_and_labels(images_path, labels_path)
    return LabeledImages(images, labels)


def _verify(path: Path, remedy: str) -> None:
    """Raise `DatasetError` unless the file has the digest that SHA256SUMS beside it records."""
    checksums = path.with_name(_CHECKSUMS)
    try:
        lines = checksums.read_text(encoding="ascii", errors="replace").splitlines()
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DatasetError(
            f"{error.filename or path}: expected a file of MNIST, found none to read "
            f"({error.strerror}); {remedy}."
        ) from error
    expected = _recorded_digest(lines, path.name)
    if expected is None:
        raise DatasetError(
            f"{checksums}: expected the SHA-256 digest of {path.name}, found no line for it; "
            f"{remedy}."
        )
    if found != expected:
        raise DatasetError(
            f"{path}: expected the SHA-256 digest {expected}, found {found}; {remedy}."
        )


def _recorded_digest(lines: list[str], name: str) -> str | None:
    """Return the digest of `name` in the lines that sha256sum wrote, or None if none is about it."""
    for line in lines:
        match line.split():
            # sha256sum puts a star before the name of a file that it read in binary mode.
            case [digest, file] if file.removeprefix("*") == name:
                return digest
    return None
