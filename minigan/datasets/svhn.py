"""SVHN: house numbers from Google Street View (Netzer et al. 2011), the cropped digits in MATLAB files.

X   uint8 (32, 32, 3, N)     y   (N, 1), the digits 1 … 9, and 10 for a zero
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import LabeledImages
from minigan.datasets.cache import Preparation, Source, prepare
from minigan.datasets.finding import facts_of
from minigan.datasets.pictures import Treatment
from minigan.errors import DatasetError

_FILES = {"train": ("train_32x32.mat", "extra_32x32.mat"), "test": ("test_32x32.mat",)}
# What scipy.io raises for a file that is damaged, or of MATLAB's other formats.
_DAMAGE = (OSError, ValueError, TypeError, KeyError, IndexError, NotImplementedError, zlib.error)


def load(
    path: Path,
    split: Literal["train", "test"],
    shape: tuple[int, int, int],
    preparation: Preparation,
) -> LabeledImages | None:
    """Load the digits in a folder of the official files, or in one of them; a zero's label is 0.

    The split "train" of a folder is train_32x32.mat and, if it is there, extra_32x32.mat after it.
    The test set lies beside the file or in the folder.

    Args:
        path: that folder or file.
        split: "train" or "test".
        shape: (height, width, channels) of the images to return.
        preparation: where resized images are kept, and who hears of it.

    Returns:
        The images, uint8 (N, height, width, channels), and the labels, uint8 (N,), 0 … 9; or None
        for a test set that is not there.

    Raises:
        DatasetError: a file is missing, damaged or not SVHN's.

    Reference: Netzer et al. (2011), "Reading digits in natural images with unsupervised feature
    learning".
    """
    files = _files(path, split)
    if not files:
        return None
    treatment = Treatment(shape)
    sizes = [_shapes(file)["X"][3] for file in files]
    starts = np.cumsum([0, *sizes])
    read_file = functools.lru_cache(maxsize=1)(_images)  # one of them in memory at a time

    def read(start: int, stop: int) -> Iterator[NDArray[np.uint8]]:
        for place in range(start, stop):
            number = int(np.searchsorted(starts, place, side="right")) - 1
            yield treatment.of_array(read_file(files[number])[place - starts[number]])

    facts = [f"{f.name} {facts_of(f)}" for f in files]
    identity = ["svhn", treatment.identity, *facts]
    prepared = prepare(Source(f"svhn-{split}", shape, int(starts[-1]), identity, read), preparation)
    return LabeledImages(prepared.images, np.concatenate([_labels(file) for file in files]))


def _files(path: Path, split: str) -> list[Path]:
    if path.is_dir():
        files = [path / name for name in _FILES[split] if (path / name).is_file()]
        if split == "train" and not files:
            raise DatasetError(
                f"{path} holds no {_FILES['train'][0]}; give the folder that it is in"
            )
        return files
    if not path.is_file():
        raise DatasetError(f"{path}: there is no such file; give SVHN's train_32x32.mat")
    if split == "train":
        return [path]
    return [other for other in [path.with_name(_FILES["test"][0])] if other.is_file()]


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of X and y, from the file's headers alone."""
    from scipy.io import whosmat
    from scipy.io.matlab import MatReadError

    try:
        found = {name: (tuple(shape), kind) for name, shape, kind in whosmat(path)}
    except (MatReadError, *_DAMAGE) as error:
        raise _damaged(path, error) from error
    X, y = found.get("X", ((), "")), found.get("y", ((), ""))
    if len(X[0]) != 4 or X[0][:3] != (32, 32, 3) or X[1] != "uint8" or y[0] != (X[0][3], 1):
        inside = ", ".join(f"{n} {k} {s}" for n, (s, k) in found.items()) or "nothing"
        raise DatasetError(
            f"{path}: expected SVHN's X, uint8 (32, 32, 3, N), and y, (N, 1), found {inside}; give a whole train_32x32.mat"
        )
    return {name: shape for name, (shape, _) in found.items()}


def _images(path: Path) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] = np.moveaxis(_variable(path, "X"), 3, 0)
    return images


def _labels(path: Path) -> NDArray[np.uint8]:
    digits = _variable(path, "y").reshape(-1)
    if not np.isin(digits, np.arange(1, 11)).all():
        raise DatasetError(
            f"{path}: expected digits 1 … 10 in y, found {digits.min()} … {digits.max()}; copy the file again"
        )
    return (digits % 10).astype(np.uint8)


def _variable(path: Path, name: str) -> NDArray[Any]:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        array: NDArray[Any] = loadmat(path, variable_names=[name])[name]
    except (MatReadError, *_DAMAGE) as error:
        raise _damaged(path, error) from error
    return array


def _damaged(path: Path, error: Exception) -> DatasetError:
    return DatasetError(
        f"{path}: expected a whole MATLAB file of SVHN, found one that cannot be read ({error}); copy or download "
        "it again"
    )
