"""The data sets that minigan reads: where each comes from, its licence and size, and how it is opened.

Nothing is ever downloaded: MNIST is inside, scenes are drawn, and for the others a user gives the path of their copy.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from minigan.errors import DatasetError

if TYPE_CHECKING:
    from minigan.datasets import Images
    from minigan.datasets.cache import Preparation

SCENES = "scenes"  # in place of a path: pictures that minigan draws itself


@dataclass(frozen=True)
class Entry:
    """A data set that minigan reads.

    Attributes:
        name: its name.
        what: the objects in the images.
        source: where it is from.
        licence: its licence.
        size: the number of images and bytes.
        place: what to give as --data.
        module: the module of `minigan.datasets` that loads it.
        drawn: whether minigan can draw scenes in its place.
    """

    name: str
    what: str
    source: str
    licence: str
    size: str
    place: str
    module: str
    drawn: bool = False


CATALOGUE = {
    entry.name: entry
    for entry in (
        Entry(
            "mnist",
            "handwritten digits, 28×28 grey",
            "inside minigan; http://yann.lecun.com/exdb/mnist/",
            "CC BY-SA 3.0",
            "60,000 + 10,000 images, 11 MB",
            "nothing; or whatever 'images' takes, Fashion-MNIST's folder of four IDX files for one",
            "folder",
        ),
        Entry(
            "svhn",
            "house numbers, 32×32 RGB",
            "http://ufldl.stanford.edu/housenumbers/, format 2",
            "non-commercial use only",
            "73,257 images, 182 MB (extra: 531,131, 1.3 GB; test: 26,032, 64 MB)",
            "train_32x32.mat, or a folder with it, and extra_32x32.mat and test_32x32.mat if you have them",
            "svhn",
        ),
        Entry(
            "celeba",
            "faces of celebrities, resized to 32×32 RGB",
            "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, Align&Cropped Images",
            "non-commercial research only",
            "202,599 images, 1.4 GB",
            "img_align_celeba.zip or the folder img_align_celeba, with list_eval_partition.txt beside it",
            "celeba",
        ),
        Entry(
            "faces",
            "renders of heads, 32×32 grey",
            "renders that you make of the Basel Face Model, https://faces.dmi.unibas.ch",
            "the model's: research only, renders may not be passed on",
            "yours",
            "a folder or zip archive of renders (and factors.csv, if you have the factors); or scenes",
            "faces",
            drawn=True,
        ),
        Entry(
            "chairs",
            "renders of chairs, resized to 64×64 grey",
            "https://www.di.ens.fr/willow/research/seeing3Dchairs/",
            "see its page; made from models of the 3D Warehouse",
            "86,366 images",
            "the folder rendered_chairs, unpacked from rendered_chairs.tar; or scenes",
            "chairs",
            drawn=True,
        ),
        Entry(
            "images",
            "any images of your own",
            "yours",
            "yours",
            "yours",
            "a folder or zip archive of pictures, a .npy or .npz array, or IDX files",
            "folder",
        ),
    )
}


def open_images(
    name: str,
    data: str,
    split: Literal["train", "test"],
    shape: tuple[int, int, int],
    preparation: Preparation,
) -> Images | None:
    """Return the images of a data set by its name.

    Args:
        name: one of the `CATALOGUE`.
        data: the path of the user's copy, "" for data inside minigan, or "scenes" for data that it
            draws.
        split: "train" or "test".
        shape: (height, width, channels) of the images to return.
        preparation: where resized images are kept, and who hears of it.

    Returns:
        The images, uint8 (N, height, width, channels), with labels or factors where there are some;
        or None if there is no such split.

    Raises:
        DatasetError: there is no such data set, or its files are not there, damaged or of another
            kind.
    """
    if name not in CATALOGUE:
        raise DatasetError(f"there is no data set '{name}'; there is {', '.join(CATALOGUE)}")
    entry = CATALOGUE[name]
    if data == SCENES:
        return _open_scenes(entry, split, preparation)
    if data:
        module = importlib.import_module(f"minigan.datasets.{entry.module}")
        found: Images | None = module.load(Path(data), split, shape, preparation)
        return found
    if name == "mnist":
        from minigan.datasets import mnist

        return mnist.load(split)
    raise DatasetError(f"{name} is not inside minigan; give --data PATH: {entry.place}")


def _open_scenes(entry: Entry, split: str, preparation: Preparation) -> Images | None:
    if not entry.drawn:
        drawn = ", ".join(e.name for e in CATALOGUE.values() if e.drawn)
        raise DatasetError(
            f"there are no scenes of {entry.name}, only of {drawn}; give --data PATH"
        )
    from minigan.datasets import scenes

    return scenes.load(entry.name, preparation) if split == "train" else None
