"""The result of a loader: images, and their labels or factors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FactoredImages", "Images", "LabeledImages"]


@dataclass(frozen=True, eq=False)  # arrays have no single truth value, so none of these has ==
class Images:
    """Images: uint8 (N, height, width, channels), 0 to 255."""

    images: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LabeledImages(Images):
    """Images and the class of each: `labels` is uint8 (N,)."""

    labels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class FactoredImages(Images):
    """Images and the factors of each: `factors` is float64 (N, factors), and `names` names them."""

    factors: NDArray[np.float64]
    names: tuple[str, ...]
