"""Rounding of sums: float32 against float64, within bounds that follow from the number of additions."""

from collections.abc import Callable
from typing import Any

import bounds
import numpy as np
import pytest

import minigan as mg
from minigan.devices import get_device
from minigan.ops.summation import sum_over

RNG = np.random.default_rng(0)
UNIT = 2.0**-24  # of float32: the relative error of one rounding
MANY = 20_000_000


def additions(terms: int) -> int:
    """At most so many, one after another, does a term of a CPU's sum go through.

    Blocks of 128 are added one by one, at most 128 of a row's neighbours side by side pairwise, and the rest pairwise.
    """
    return 128 + 7 + int(np.ceil(np.log2(max(terms, 2))))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    "shape", [(300, 5), (7, 150, 3), (2, 200, 1, 140), (1, 129), (129, 1), (0, 3), (3, 0)]
)
def test_every_choice_of_axes(shape: tuple[int, ...], keepdims: bool) -> None:
    x = RNG.normal(size=shape).astype(np.float32)
    device = get_device("cpu")
    for choice in np.ndindex(*[2] * len(shape)):
        axes = [i - len(shape) * (i % 2) for i, chosen in enumerate(choice) if chosen]
        found = sum_over(device, x, axes, keepdims)
        expected = np.sum(x, axis=tuple(axes), keepdims=keepdims, dtype=np.float64)
        total = np.sum(np.abs(x), axis=tuple(axes), keepdims=keepdims, dtype=np.float64)
        assert found.dtype == np.float32
        assert found.shape == expected.shape
        bounds.assert_within(found, expected, additions(x.size) * UNIT * total + 1e-30)


@pytest.mark.parametrize("order", ["C", "F"])
def test_views_and_orders(order: Any) -> None:
    x = np.asarray(RNG.normal(size=(200, 6, 10)).astype(np.float32), order=order)[::-1, ::2]
    for axes in ((0,), (1,), (2,), (0, 2)):
        found = sum_over(get_device("cpu"), x, axes)
        bounds.assert_within(
            found, x.sum(axis=axes, dtype=np.float64), 200 * UNIT * np.abs(x).sum()
        )


# Of 2·10⁷ equal terms naive float32 sums lose everything above 2²⁴ of them.


@pytest.fixture(scope="module")
def columns() -> np.ndarray[Any, Any]:
    return RNG.uniform(0.5, 1.5, (MANY, 2)).astype(np.float32)


@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("transposed", [False, True])
def test_sum_and_mean_of_many(
    columns: np.ndarray[Any, Any], axis: int | None, transposed: bool
) -> None:
    values = columns.T if transposed else columns
    exact = values.sum(axis=axis, dtype=np.float64)
    x = mg.tensor(values)
    bound = additions(values.size) * UNIT
    bounds.assert_within(x.sum(axis=axis), exact, bound * exact)
    average = exact / (values.size / exact.size)
    bounds.assert_within(x.mean(axis=axis), average, (bound + UNIT) * average)


def test_the_gradient_of_a_broadcast_operand_of_many(columns: np.ndarray[Any, Any]) -> None:
    x, b = mg.tensor(columns), mg.tensor(np.zeros(2, np.float32), requires_grad=True)
    (x + b).backward(x)
    exact = columns.sum(axis=0, dtype=np.float64)
    bounds.assert_within(b.grad, exact, additions(MANY) * UNIT * exact)


@pytest.mark.parametrize("function", [mg.var, mg.std, mg.norm, mg.logsumexp])
def test_moments_norm_and_logsumexp_of_many(
    columns: np.ndarray[Any, Any], function: Callable[..., Any]
) -> None:
    """Every term is positive, so the relative error of a sum of squares or exponentials is that of its additions and terms."""
    exact = function(mg.tensor(columns.astype(np.float64)), axis=0)
    # A square of a deviation has a few roundings, and the mean those of its sum, relative to the mean itself: 1, not 1/√12.
    bound = (5 * additions(MANY) + 16) * UNIT
    bounds.assert_within(function(mg.tensor(columns), axis=0), exact.numpy(), bound * exact.numpy())


def test_the_deviation_of_equal_values_of_many_is_0() -> None:
    x = np.tile(np.float32([100, -100]), (MANY, 1))
    np.testing.assert_array_equal(mg.std(mg.tensor(x), axis=0).numpy(), [0, 0])
