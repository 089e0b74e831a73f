"""The result of a loader: images, and their labels or factors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FactoredImages", "Images", "LabeledImages"]


@dataclass(frozen=True, eq=False)  # arrays have no single truth value, so none of these has ==
class Images:
    """A set of images.

    Attributes:
        images: uint8 (N, height, width, channels), 0 to 255.
    """

    images: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LabeledImages(Images):
    """Images and the class of each.

    Attributes:
        images: uint8 (N, height, width, channels), 0 to 255.
        labels: uint8 (N,).
    """

    labels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class FactoredImages(Images):
    """Images and the factors of each.

    Attributes:
        images: uint8 (N, height, width, channels), 0 to 255.
        factors: float64 (N, factors).
        names: the names of the factors, in order.
    """

    factors: NDArray[np.float64]
    names: tuple[str, ...]
