"""The second names: each stands for the function that it stands for in NumPy."""

import numpy as np
import pytest

import minigan as mg
from minigan.ops import aliases

NAMES = {
    "abs": "absolute", "acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh",
    "atan": "arctan", "atan2": "arctan2", "atanh": "arctanh", "concat": "concatenate",
    "permute_dims": "transpose", "pow": "power",
}  # fmt: skip


def test_every_alias_is_tested() -> None:
    assert set(aliases.__all__) == NAMES.keys()


@pytest.mark.parametrize("alias", NAMES)
def test_an_alias_is_the_function_itself_here_and_in_numpy(alias: str) -> None:
    assert getattr(mg, alias) is getattr(mg, NAMES[alias])
    assert getattr(np, alias) is getattr(np, NAMES[alias])
