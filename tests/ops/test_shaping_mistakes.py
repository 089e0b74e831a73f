"""What functions that move elements refuse."""

from typing import Any

import numpy as np
import pytest

import minigan as mg


@pytest.mark.parametrize(
    ("source", "destination"),
    [((0, 1), (1, 1)), ((0, 0), (0, 1)), ((0, 1), (0,)), ((0, -2), (0, 1))],
)
def test_moveaxis_moves_each_axis_to_one_place(source: Any, destination: Any) -> None:
    x = np.zeros((2, 3))
    with pytest.raises(ValueError, match=r"repeated|same number"):
        np.moveaxis(x, source, destination)
    with pytest.raises(ValueError, match=r"^moveaxis: .* each named once"):
        mg.moveaxis(mg.tensor(x), source, destination)


def test_a_stack_of_nothing_says_so() -> None:
    with pytest.raises(ValueError, match="there is no tensor"):
        mg.stack([])
