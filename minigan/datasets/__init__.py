"""Images to train on, and what is known about them.

`minigan.datasets.idx` reads the IDX format; `minigan.datasets.mnist` is MNIST itself, the data
included. Each is imported by its own name, so nothing is read before it is asked for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LabeledImages"]


@dataclass(frozen=True, eq=False)  # arrays have no single truth value, so neither has ==
class LabeledImages:
    """Images and the class of each.

    `images` is uint8 (N, height, width, channels), 0 to 255; `labels` is uint8 (N,).
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
