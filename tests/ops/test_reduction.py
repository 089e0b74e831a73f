"""Reductions: values against NumPy and SciPy, gradients against central differences, float32 against float64."""

from collections.abc import Callable
from typing import Any

import bounds
import hypothesis.extra.numpy as hnp
import numpy as np
import oracles
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Array, Example, arrays, away_from_zero, distinct, normal

import minigan as mg
from minigan.ops import exponentials, moments, reduction
from minigan.ops.reduction import weighted_sum

SHAPES = hnp.array_shapes(max_dims=4, max_side=3)
FLOATS = (np.float32, np.float64)
Axis = int | tuple[int, ...] | None


def axes(ndim: int) -> st.SearchStrategy[Axis]:
    """None, one axis counted from either end, or several."""
    return st.none() | st.integers(-ndim, ndim - 1) | hnp.valid_tuple_axes(ndim, min_size=1)


@st.composite
def reduced(
    draw: st.DrawFn,
    function: Callable[..., Any],
    reference: Callable[..., Array],
    fill: oracles.Fill = normal,
) -> Example:
    x = draw(arrays(draw(SHAPES), fill))
    settings = {"axis": draw(axes(x.ndim)), "keepdims": draw(st.booleans())}
    return Example(lambda x: function(x, **settings), (x,), lambda x: reference(x, **settings))


@st.composite
def spread(draw: st.DrawFn, name: str) -> Example:
    """`var` or `std` of two values or more, not all equal, biased or not."""
    function, reference = getattr(mg, name), getattr(np, name)
    shape = draw(hnp.array_shapes(max_dims=4, min_side=2, max_side=3))
    x = draw(arrays(shape, distinct))
    axis, keepdims, correction = draw(axes(x.ndim)), draw(st.booleans()), draw(st.integers(0, 1))
    return Example(
        lambda x: function(x, axis, keepdims, correction),
        (x,),
        lambda x: reference(x, axis=axis, keepdims=keepdims, ddof=correction),
    )


@st.composite
def along(
    draw: st.DrawFn, function: Callable[..., Any], reference: Callable[..., Array]
) -> Example:
    x = draw(arrays(draw(SHAPES)))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    return Example(lambda x: function(x, axis), (x,), lambda x: reference(x, axis))


GRADIENTS: dict[str, st.SearchStrategy[Example]] = {
    "cumsum": along(mg.cumsum, np.cumsum),
    "log_softmax": along(mg.log_softmax, scipy.special.log_softmax),
    "logsumexp": reduced(mg.logsumexp, scipy.special.logsumexp),
    "max": reduced(mg.max, np.max, distinct),
    "mean": reduced(mg.mean, np.mean),
    "min": reduced(mg.min, np.min, distinct),
    "norm": reduced(
        mg.norm, lambda x, **settings: np.sqrt(np.sum(x**2, **settings)), away_from_zero
    ),
    "prod": reduced(mg.prod, np.prod, away_from_zero),
    "softmax": along(mg.softmax, scipy.special.softmax),
    "std": spread("std"),
    "sum": reduced(mg.sum, np.sum),
    "var": spread("var"),
}

WITHOUT_GRADIENT = {"argmax", "argmin"}


def test_every_operation_has_a_gradient_test() -> None:
    found = set().union(*map(oracles.operations, (exponentials, moments, reduction)))
    assert found | {"cumsum"} == GRADIENTS.keys() | WITHOUT_GRADIENT


@pytest.mark.parametrize("name", GRADIENTS)
@settings(max_examples=30)
@given(data=st.data())
def test_gradient(name: str, data: st.DataObject) -> None:
    oracles.check_every_gradient(data.draw(GRADIENTS[name]))


def bound(name: str, example: Example, x: Array, expected: Array, dtype: Any) -> Any:
    """By how much rounding may change a reduction of x; each is made of x.size numbers at most."""
    n = x.size
    if name in ("max", "min"):
        return 0
    if name in (
        "sum",
        "mean",
        "cumsum",
        "prod",
        "norm",
    ):  # with the root and the square of the norm
        assert example.reference is not None
        return bounds.rounding(n + 3, dtype) * example.reference(np.abs(x))
    if name in ("logsumexp", "softmax", "log_softmax"):
        roundings = bounds.softmax_roundings(x) + np.abs(x).max()  # to which logsumexp adds its sum
        return bounds.rounding(roundings, dtype)
    error = bounds.mean_bound(x.reshape(-1, 1), dtype)
    return {"std": bounds.std_bound, "var": bounds.variance_bound}[name](expected, error, n, dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", GRADIENTS)
@settings(max_examples=20)
@given(data=st.data())
def test_value(name: str, dtype: Any, data: st.DataObject) -> None:
    example = data.draw(GRADIENTS[name])
    x = example.inputs[0].astype(dtype)
    found = example.function(oracles.wrap(x))
    assert example.reference is not None
    wide = x.astype(np.float64)
    expected = np.asarray(example.reference(wide))
    assert found.dtype == dtype
    bounds.assert_within(found, expected, bound(name, example, wide, expected, dtype))


@pytest.mark.parametrize("name", GRADIENTS)
@settings(max_examples=10)
@given(data=st.data())
def test_gradient_in_float32(name: str, data: st.DataObject) -> None:
    example = data.draw(GRADIENTS[name])
    x = example.inputs[0].astype(np.float32)
    dy = np.ones(example.function(oracles.wrap(x)).shape)
    (found,) = oracles.gradients(example.function, [x], dy)
    (expected,) = oracles.gradients(example.function, [x.astype(np.float64)], dy)
    assert found.dtype == np.float32
    if name in ("sum", "max", "min", "cumsum"):
        np.testing.assert_array_equal(found, expected)
    elif name in ("mean", "logsumexp", "softmax", "log_softmax"):
        # Differences of dy and sums of dy, weighted by probabilities.
        roundings = bounds.softmax_roundings(x) + np.abs(x).max() + 3
        bounds.assert_within(found, expected, 2 * bounds.rounding(roundings, np.float32) * x.size)


@pytest.mark.parametrize("name", sorted(WITHOUT_GRADIENT))
@settings(max_examples=20)
@given(data=st.data())
def test_index_of_an_extreme(name: str, data: st.DataObject) -> None:
    """Whole numbers tie: the first one counts, as in NumPy."""
    x = data.draw(arrays(data.draw(SHAPES), oracles.whole))
    axis = data.draw(st.none() | st.integers(-x.ndim, x.ndim - 1))
    found = getattr(mg, name)(oracles.wrap(x, requires_grad=True), axis)
    assert not found.requires_grad
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, getattr(np, name)(x, axis))


# -- float32 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("offset", [0, 100])
def test_a_long_sum_in_float32_rounds_once_an_addition(axis: int | None, offset: float) -> None:
    """More numbers than one block of a pairwise sum, along either axis and both."""
    x = (np.random.default_rng(0).standard_normal((300, 257)) + offset).astype(np.float32)
    wide = x.astype(np.float64)
    n = x.size if axis is None else x.shape[axis]
    sums, total = np.asarray(wide.sum(axis)), np.abs(wide).sum(axis)
    rounding = bounds.rounding(
        n, np.float32
    )  # one more than the additions: the division of the mean
    bounds.assert_within(mg.sum(mg.tensor(x), axis), sums, rounding * total)
    bounds.assert_within(mg.mean(mg.tensor(x), axis), sums / n, rounding * total / n)
    variance = np.asarray(wide.var(axis))
    rows = wide.reshape(-1, 1) if axis is None else np.moveaxis(wide, axis, 0)
    error = bounds.mean_bound(rows, np.float32).reshape(variance.shape)
    limit = bounds.variance_bound(variance, error, n, np.float32)
    bounds.assert_within(mg.var(mg.tensor(x), axis), variance, limit)


# -- weighted sums ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(3,), (5, 3), (2, 4, 3), (300, 33), (0, 3)], ids=str)
def test_a_weighted_sum(shape: tuple[int, ...], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x, weights = (rng.standard_normal(s).astype(dtype) for s in (shape, shape[-1:]))
    found = weighted_sum(oracles.wrap(x), oracles.wrap(weights), divisor=7)
    products = x.astype(np.float64) * weights
    limit = bounds.rounding(x.size + 3, dtype) * np.abs(products).sum() / 7
    assert found.shape == () and found.dtype == dtype
    bounds.assert_within(found, np.asarray(products.sum() / 7), limit)
    (gradient,) = oracles.gradients(
        lambda x: weighted_sum(x, oracles.wrap(weights), divisor=7), [x], np.asarray(2, dtype)
    )
    expected = np.broadcast_to(2 * weights.astype(np.float64) / 7, shape)
    bounds.assert_within(gradient, expected, bounds.rounding(3, dtype) * np.abs(expected))


def test_weights_that_do_not_fit_are_refused() -> None:
    x = mg.tensor(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"^weighted_sum: .*one for each column"):
        weighted_sum(x, mg.tensor(np.ones(2)))
    with pytest.raises(ValueError, match=r"^weighted_sum: the operands are float32, float64"):
        weighted_sum(x, mg.tensor(np.ones(3, np.float32)))


# -- ties, zeros, extremes --------------------------------------------------------------------------


@pytest.mark.parametrize("function", [mg.max, lambda x, axis=None: -mg.min(-x, axis)])
def test_elements_that_tie_share_the_gradient(function: Callable[..., Any]) -> None:
    x = np.array([[3.0, 1.0, 3.0], [0.0, 2.0, 2.0]])
    (whole,) = oracles.gradients(function, [x], np.asarray(6.0))
    np.testing.assert_array_equal(whole, [[3, 0, 3], [0, 0, 0]])
    (rows,) = oracles.gradients(lambda x: function(x, 1), [x], np.array([6.0, 8.0]))
    np.testing.assert_array_equal(rows, [[3, 0, 3], [0, 4, 4]])


@pytest.mark.parametrize("zeros", [1, 2, 3])
def test_a_product_with_zeros_has_its_exact_gradient(zeros: int) -> None:
    x = np.array([2.0, 3.0, 5.0])
    x[:zeros] = 0
    mg.check_gradients(mg.prod, mg.tensor(x, requires_grad=True))
    (gradient,) = oracles.gradients(mg.prod, [x], np.asarray(1.0))
    np.testing.assert_array_equal(gradient, [15 if zeros == 1 else 0, 0, 0])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("offset", [-1e4, 1e4])
def test_the_softmax_family_does_not_overflow(dtype: Any, offset: float) -> None:
    """And loses nothing to an offset: it is subtracted before anything is rounded."""
    steps = np.array([[0, 1, 2.5], [0, -4, 4]])
    x = (steps + offset).astype(dtype)  # exact in float32: 1e4 leaves ten bits behind the point
    assert (x - dtype(offset) == steps).all()
    for function in (mg.softmax, mg.log_softmax):
        found, small = function(mg.tensor(x)), function(mg.tensor(steps.astype(dtype)))
        np.testing.assert_array_equal(found, small)
    total = scipy.special.logsumexp(steps, axis=1) + offset
    limit = bounds.rounding(2, dtype) * np.abs(total) + bounds.rounding(
        bounds.softmax_roundings(steps, 1), dtype
    )
    bounds.assert_within(mg.logsumexp(mg.tensor(x), 1), total, limit)
    for function in (mg.softmax, mg.log_softmax, mg.logsumexp):
        (gradient,) = oracles.gradients(function, [x], np.ones_like(function(mg.tensor(x)).numpy()))
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_softmax_of_opposite_extremes(dtype: Any) -> None:
    x = mg.tensor(np.array([1e4, -1e4, 1e4], dtype))
    np.testing.assert_array_equal(mg.softmax(x), [0.5, 0, 0.5])
    half = np.log(dtype(2))
    np.testing.assert_array_equal(mg.log_softmax(x), [-half, dtype(-2e4) - half, -half])
    np.testing.assert_array_equal(mg.logsumexp(x), dtype(1e4) + half)
    np.testing.assert_array_equal(mg.logsumexp(mg.tensor(np.array([-np.inf, 0], dtype))), 0)


def test_sums_of_integers_and_bool_are_numpy_s() -> None:
    x = np.array([[True, True], [True, False]])
    assert mg.sum(mg.tensor(x)).item() == 3
    assert mg.mean(mg.tensor(np.array([1, 2]))).item() == 1.5


# -- mistakes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(GRADIENTS.keys() - {"norm"} | WITHOUT_GRADIENT))
def test_an_axis_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: axis 2 is .*\(2, 3\)"):
        getattr(mg, name)(mg.tensor(np.ones((2, 3))), axis=2)


def test_a_variance_needs_more_values_than_its_correction() -> None:
    with pytest.raises(ValueError, match=r"^var: .*1 values .*correction 1 .*\(2, 1\)"):
        mg.var(mg.tensor(np.ones((2, 1))), axis=1, correction=1)


def test_the_gradient_of_a_norm_at_0_is_0() -> None:
    x = mg.tensor(np.array([[0.0, 0.0], [3.0, 4.0]]), requires_grad=True)
    x.norm(axis=1).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad, [[0, 0], [0.6, 0.8]])


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1000.1, 1e-30, 3e30])
@pytest.mark.parametrize("n", [3, 10, 1000, 100_003])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equal_values_do_not_vary_though_their_mean_is_rounded(
    value: float, n: int, dtype: str
) -> None:
    for shape, axis in (((n,), None), ((n, 2), 0), ((2, n), 1)):
        for spread in (mg.std, mg.var):
            x = mg.full(shape, value, dtype=dtype, requires_grad=True)
            y = spread(x, axis)
            y.sum().backward()
            assert x.grad is not None
            assert not y.numpy().any()
            assert not x.grad.numpy().any()
    assert not mg.layer_norm(mg.full((2, n), value, dtype=dtype)).numpy().any()
