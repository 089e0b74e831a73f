"""What division leaves: values against NumPy's, gradients against central differences."""

from typing import Any

import numpy as np
import oracles
import pytest

import minigan as mg

X = np.array([[5.5, -5.5, 0.25], [-7.25, 3.75, 9.0]])
Y = np.array([2.0, -3.0, 0.7])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_remainder(dtype: Any) -> None:
    x, y = X.astype(dtype), Y.astype(dtype)
    np.testing.assert_array_equal(
        mg.remainder(oracles.wrap(x), oracles.wrap(y)), np.remainder(x, y), strict=True
    )


def test_gradient_of_remainder() -> None:
    x, y = (mg.tensor(a, requires_grad=True) for a in (X, Y))
    mg.check_gradients(mg.remainder, x, y)


def test_operators() -> None:
    x, y = mg.tensor(X), mg.tensor(Y)
    np.testing.assert_array_equal(x // y, X // Y)
    np.testing.assert_array_equal(x % y, X % Y)
    np.testing.assert_array_equal(7.5 % y, 7.5 % Y)
    np.testing.assert_array_equal(7.5 // y, 7.5 // Y)
    for pair, expected in (
        (divmod(x, y), divmod(X, Y)),
        (divmod(7.5, y), divmod(7.5, Y)),
        (divmod(X, y), divmod(X, Y)),
    ):
        np.testing.assert_array_equal(pair[0], expected[0])
        np.testing.assert_array_equal(pair[1], expected[1])
    np.testing.assert_array_equal(round(mg.tensor(np.array([1.25, 0.5])), 1), [1.2, 0.5])
