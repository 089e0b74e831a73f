"""CelebA: faces of celebrities (Liu et al. 2015), the aligned and cropped JPEG files of 178×218.

The middle 108×108 of each is resized, as in public DCGAN code: it holds the face and little else.
"""

from __future__ import annotations

import codecs
from pathlib import Path, PurePosixPath
from typing import Literal

from minigan.datasets import Images
from minigan.datasets.cache import Preparation
from minigan.datasets.pictures import PictureFiles, Treatment
from minigan.errors import DatasetError

SIZE, CUT = (178, 218), (108, 108)
_PARTITIONS = ("list_eval_partition.txt", "list_eval_partition.csv")
_SPLITS = {"train": "0", "test": "2"}  # 1 is for validation


def load(
    path: Path,
    split: Literal["train", "test"],
    shape: tuple[int, int, int],
    preparation: Preparation,
) -> Images | None:
    """Load the faces in img_align_celeba/, in the folder that it is in, or in img_align_celeba.zip.

    list_eval_partition.txt (or .csv) says which are for training and which for tests. It is in the
    folder, beside it, in Eval/ beside it, or one folder higher. Without it all are for training.

    Args:
        path: that folder or archive; the archive is read in place.
        split: "train" or "test".
        shape: (height, width, channels) of the images to return.
        preparation: where resized images are kept, and who hears of it.

    Returns:
        The images, uint8 (N, height, width, channels), or None for a test set that is not there.

    Raises:
        DatasetError: there is no picture, one cannot be read, or the partition does not fit them.

    Reference: Liu et al. (2015), "Deep learning face attributes in the wild".
    """
    inner = path / "img_align_celeba"
    place = inner if inner.is_dir() else path
    partition = _find_partition(place)
    if partition is None and split == "test":
        return None
    pictures = PictureFiles(place)
    if partition is not None:
        split_of = _read_partition(partition)
        mine = [n for n in pictures.names if split_of.get(PurePosixPath(n).name) == _SPLITS[split]]
        if not mine:
            if split == "test":
                return None
            raise DatasetError(
                f"{partition} names none of the {len(pictures.names):,} pictures in {place} as one to train on; "
                "give the file and the folder of one release"
            )
        pictures.keep(mine)
    treatment = Treatment(shape, CUT, SIZE)
    return Images(pictures.prepared(f"celeba-{split}", treatment, preparation).images)


def _find_partition(place: Path) -> Path | None:
    """Find the partition file beside the pictures: also Kaggle's .csv, with a folder of the same name around them."""
    above = place.parent
    for folder in (place, above, above / "Eval", above.parent, above.parent / "Eval"):
        for name in _PARTITIONS:
            if (folder / name).is_file():
                return folder / name
    return None


def _read_partition(path: Path) -> dict[str, str]:
    """Return the split of each picture, "0", "1" or "2"."""
    splits: dict[str, str] = {}
    for number, line in enumerate(_text(path).splitlines(), 1):
        match line.replace(",", " ").replace('"', " ").split():
            case [name, ("0" | "1" | "2") as split]:
                splits[name] = split
            case [] | ["image_id", "partition"]:
                pass
            case _:
                raise DatasetError(
                    f"{path}, line {number}: expected a picture's name and 0, 1 or 2, found '{line[:60]}'; copy or "
                    "download the file again"
                )
    return splits


def _text(path: Path) -> str:
    """Return a text in UTF-8 or, if it starts with the mark of that, UTF-16."""
    content = path.read_bytes()
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if marked else "utf-8-sig", errors="replace")
