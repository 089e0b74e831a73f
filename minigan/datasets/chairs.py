"""The rendered chairs of Aubry et al. (2014): 1,393 chairs from 62 sides, 600×600, white around.

The middle 400×400 of each is resized, as Dosovitskiy et al. (2015) did; what each shows is in its name:

    rendered_chairs/CHAIR/renders/image_NNN_pELEVATION_tAZIMUTH_rDISTANCE.png     degrees
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import numpy as np

from minigan.datasets import FactoredImages
from minigan.datasets.cache import Preparation
from minigan.datasets.pictures import PictureFiles, Treatment
from minigan.errors import DatasetError

SIZE, CUT = (600, 600), (400, 400)
NAMES = ("shape", "elevation", "azimuth")
_NAME = re.compile(r"(?:.*/)?([^/]+)/renders/image_\d+_p(\d+)_t(\d+)_r\d+\.png")


def load(
    path: Path,
    split: Literal["train", "test"],
    shape: tuple[int, int, int],
    preparation: Preparation,
) -> FactoredImages | None:
    """Load the chairs in rendered_chairs/ (or a zip archive of it), with their factors.

    Args:
        path: that folder or archive.
        split: "train" or "test"; there is no test set.
        shape: (height, width, channels) of the images to return.
        preparation: where resized images are kept, and who hears of it.

    Returns:
        The images, uint8 (N, height, width, channels), and the shape, elevation and azimuth of
        each, (N, 3); or None for the test set. A shape is the chair's number in the order of names;
        angles are in degrees.

    Raises:
        DatasetError: there is no chair, or a picture cannot be read.

    Reference: Aubry et al. (2014), "Seeing 3D chairs: exemplar part-based 2D-3D alignment using a
    large dataset of CAD models".
    """
    if split == "test":
        return None
    pictures = PictureFiles(path)
    matches = {name: match for name in pictures.names if (match := _NAME.fullmatch(name))}
    if not matches:
        raise DatasetError(
            f"{path} holds no chairs: expected pictures like NAME/renders/image_001_p020_t011_r096.png, found "
            f"{pictures.names[0]}; give the folder rendered_chairs"
        )
    pictures.keep(matches)  # and not the sheets of thumbnails that lie beside them
    prepared = pictures.prepared("chairs-train", Treatment(shape, CUT, SIZE), preparation)
    chairs = {name: i for i, name in enumerate(sorted({m[1] for m in matches.values()}))}
    factors = [(chairs[m[1]], int(m[2]), int(m[3])) for m in matches.values()]
    kept = np.delete(np.array(factors, np.float64), list(prepared.left_out), axis=0)
    return FactoredImages(prepared.images, kept, NAMES)
