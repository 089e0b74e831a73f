"""Small files in the official formats of data sets."""

import numpy as np
import pytest

from minigan.errors import DatasetError

RNG = np.random.default_rng(0)
RGB, GREY = (32, 32, 3), (32, 32, 1)


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, np.uint8)


def refusal(load: object, *arguments: object) -> str:
    with pytest.raises(DatasetError) as caught:
        load(*arguments)  # type: ignore[operator]
    message = str(caught.value)
    assert "\n" not in message
    return message
