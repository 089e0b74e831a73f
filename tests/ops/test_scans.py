"""Running sums and products, and triangles: values against NumPy's, gradients against central differences."""

from collections.abc import Callable
from typing import Any

import numpy as np
import oracles
import pytest

import minigan as mg
from minigan.ops import scans

X = np.random.default_rng(5).normal(size=(3, 4, 2))
WITH_ZEROS = np.where(np.abs(X) < 0.5, 0, X)

CASES: dict[str, list[tuple[Callable[[Any], Any], Callable[[Any], Any]]]] = {
    "cumprod": [
        (lambda x, a=a: mg.cumprod(x, a), lambda x, a=a: np.cumprod(x, a)) for a in (0, 1, -1)
    ],  # type: ignore[misc]
    "cumulative_prod": [
        (
            lambda x: mg.cumulative_prod(x, 1, True),
            lambda x: np.cumulative_prod(x, axis=1, include_initial=True),
        ),
    ],
    "cumulative_sum": [
        (
            lambda x: mg.cumulative_sum(x, -2, True),
            lambda x: np.cumulative_sum(x, axis=-2, include_initial=True),
        ),
        (lambda x: mg.cumulative_sum(x.flatten()), lambda x: np.cumulative_sum(x.ravel())),
    ],
    "diff": [(lambda x: mg.diff(x, axis=1), lambda x: np.diff(x, axis=1)), (mg.diff, np.diff)],
    "tril": [(lambda x, k=k: mg.tril(x, k), lambda x, k=k: np.tril(x, k)) for k in (-1, 0, 1)],  # type: ignore[misc]
    "triu": [(lambda x, k=k: mg.triu(x, k), lambda x, k=k: np.triu(x, k)) for k in (-1, 0, 1)],  # type: ignore[misc]
}


def test_every_operation_is_tested() -> None:
    assert oracles.operations(scans) - {"cumsum"} == CASES.keys()  # it is with the reductions


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("x", [X, WITH_ZEROS, X[:, :0]], ids=["any", "zeros", "empty"])
def test_value_and_gradient(name: str, x: Any) -> None:
    for function, reference in CASES[name]:
        np.testing.assert_allclose(
            function(oracles.wrap(x)).numpy(), reference(x), rtol=1e-14, atol=1e-15
        )
        mg.check_gradients(function, mg.tensor(x, requires_grad=True))


def test_a_matrix_needs_an_axis() -> None:
    with pytest.raises(ValueError, match="name the axis"):
        mg.cumulative_sum(mg.ones((2, 2)))


@pytest.mark.usefixtures("unwatched")
def test_running_sums_do_not_gather_rounding() -> None:
    n = 3_000_000
    x = mg.full((n, 1), 0.1, requires_grad=True)
    y = mg.cumsum(x, axis=0)
    (y * x.detach()).sum().backward()
    assert x.grad is not None
    wide = np.arange(1, n + 1) * np.float64(np.float32(0.1))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy()[:, 0], wide, rtol=1e-6)
    np.testing.assert_allclose(x.grad.numpy()[::-1, 0], wide, rtol=1e-6)
    assert mg.cumsum(mg.tensor([100, 100], dtype="int8"), 0).tolist() == [100, 200]
