"""Images of the user's own: a folder or zip archive of pictures, a NumPy array, or IDX files.

    a folder, or .zip     pictures of any sizes, each cut about its middle to the proportions that are wanted
    a folder              MNIST's four files, gzip or not (Fashion-MNIST, KMNIST, …), labels if they are there
    a file                .npy, .npz ("images" and, if they are there, "labels"), or one IDX file

Arrays are uint8, (N, height, width) or (N, height, width, 1 or 3). One that has the wanted shape is used as it lies;
others are resized, and kept by `cache.prepare`.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from minigan.datasets import Images, LabeledImages
from minigan.datasets.cache import Preparation, Source, prepare
from minigan.datasets.finding import facts_of
from minigan.datasets.idx import read_idx, read_images_and_labels
from minigan.datasets.pictures import Look, PictureFiles, Treatment
from minigan.errors import DatasetError

_PREFIX = {"train": "train", "test": "t10k"}


def load(
    path: Path,
    split: Literal["train", "test"],
    shape: tuple[int, int, int],
    preparation: Preparation,
) -> Images | None:
    """Return the images of the user's own at a path, with labels where there are some.

    Args:
        path: a folder or zip archive of pictures, a file of arrays, or a folder of MNIST's four
            files.
        split: "train" or "test"; only MNIST's four files have a test set.
        shape: (height, width, channels) of the images to return.
        preparation: where resized images are kept, and who hears of it.

    Returns:
        The images, uint8 (N, height, width, channels), and labels, uint8 (N,); or None for a test
        set that is not there.

    Raises:
        DatasetError: there is no image, a file cannot be read, or holds arrays of another kind.
    """
    if path.is_dir() and (images := _idx_file(path, split, "images-idx3")):
        labels = _idx_file(path, split, "labels-idx1")
        if labels is None:
            return _fitted(path, read_idx(images), None, shape, preparation)
        return _fitted(path, *read_images_and_labels(images, labels), shape, preparation)
    if split == "test":
        return None
    if (array := _read_array(path)) is not None:
        return _fitted(path, *array, shape, preparation)
    pictures = PictureFiles(path)
    return Images(pictures.prepared("images-train", Treatment(shape), preparation).images)


def look(path: Path) -> Look:
    """Return how many images there are at `path`, their sizes, and whether they are in colour.

    Args:
        path: as for `load`.

    Raises:
        DatasetError: there is no image, or a file cannot be read.
    """
    array = (read_idx(file),) if (file := _training_images(path)) else _read_array(path)
    if array is None:
        return PictureFiles(path).look()
    images = array[0]
    if images.ndim not in (3, 4) or not images.size:
        raise DatasetError(f"{path}: expected images (N, height, width), found {images.shape}")
    height, width = images.shape[1:3]
    return Look(len(images), (height, width), (height, width), images.shape[3:] == (3,))


def _training_images(path: Path) -> Path | None:
    return _idx_file(path, "train", "images-idx3") if path.is_dir() else None


def _read_array(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None] | None:
    """Return the images and labels of a file of arrays; None for pictures."""
    kind = path.suffix.lower()
    if not path.is_file() or kind == ".zip":
        return None
    if kind not in (".npy", ".npz"):
        return read_idx(path), None
    images, labels = _read_npz(path) if kind == ".npz" else (_read_npy(path), None)
    if images.ndim == 3 and images.shape[2] in (3, 4):
        raise DatasetError(
            f"{path}: expected images (N, height, width), found {images.shape}, which is one picture in colour; "
            "write images[numpy.newaxis]"
        )
    return images, labels


def _idx_file(folder: Path, split: str, content: str) -> Path | None:
    """MNIST's file of that name, whether compressed or not, and with a dash or a dot in it."""
    for name in (f"{_PREFIX[split]}-{content}-ubyte", f"{_PREFIX[split]}-{content.replace('-', '.')}-ubyte"):  # fmt: skip
        for suffix in ("", ".gz"):
            if (folder / (name + suffix)).is_file():
                return folder / (name + suffix)
    return None


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        # copy on write: as writable to whoever reads it as any array, and the file stays as it is
        array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DatasetError(
            f"{path}: expected a whole .npy file, found one that cannot be read ({error}); write it again with "
            "numpy.save"
        ) from error
    return np.asarray(array)


def _read_npz(path: Path) -> tuple[NDArray[Any], NDArray[Any] | None]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = archive.files
            chosen = "images" if "images" in names else names[0] if len(names) == 1 else None
            if chosen is None:
                raise DatasetError(
                    f"{path}: expected an array 'images', found {', '.join(names) or 'none'}; write it with "
                    "numpy.savez(path, images=…)"
                )
            return archive[chosen], archive["labels"] if "labels" in names else None
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(
            f"{path}: expected a whole .npz file, found one that cannot be read ({error}); write it again with "
            "numpy.savez"
        ) from error


def _fitted(
    path: Path,
    images: NDArray[Any],
    labels: NDArray[Any] | None,
    shape: tuple[int, int, int],
    preparation: Preparation,
) -> Images:
    """Images of the wanted shape: as they are, or resized and kept."""
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or not images.size:  # fmt: skip
        raise DatasetError(
            f"{path}: expected images as uint8 (N, height, width) or (N, height, width, 1 or 3), found "
            f"{images.dtype} {images.shape}; numbers in 0 … 1 become such by (255 * images).round().astype('uint8')"
        )
    if labels is not None and (labels.shape != (len(images),) or labels.dtype.kind not in "ui"):
        raise DatasetError(
            f"{path}: expected an integer label for each of the {len(images)} images, found {labels.dtype} "
            f"{labels.shape}"
        )
    if labels is not None and not (labels.min() >= 0 and labels.max() <= 255):
        raise DatasetError(
            f"{path}: expected labels 0 … 255, found {labels.min()} … {labels.max()}"
        )
    # a batch of a Fortran-ordered array lies scattered over the whole file
    images = np.ascontiguousarray(images)
    if images.shape[3] == 3 and shape[2] == 1:
        preparation.say(f"{path}: its images are in colour, and are read in grey")
    if images.shape[1:] != shape:
        images = _resized(path, images, shape, preparation)
    return Images(images) if labels is None else LabeledImages(images, labels.astype(np.uint8))


def _resized(
    path: Path, images: NDArray[np.uint8], shape: tuple[int, int, int], preparation: Preparation
) -> NDArray[np.uint8]:
    treatment = Treatment(shape)

    def read(start: int, stop: int) -> Iterator[NDArray[np.uint8]]:
        return (treatment.of_array(image) for image in images[start:stop])

    facts = f"{path.name} {facts_of(path)} {images.shape}"
    identity = ["array", treatment.identity, facts]
    return prepare(Source("array", shape, len(images), identity, read), preparation).images
