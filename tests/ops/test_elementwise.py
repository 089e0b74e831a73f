"""Elementwise operations: values against NumPy and SciPy, gradients against central differences."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bounds
import hypothesis.extra.numpy as hnp
import numpy as np
import oracles
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Example, arrays, away_from_zero, between, distinct, normal

import minigan as mg
from minigan import ops
from minigan.ops import activations, arithmetic, elementwise

MODULES = (activations, arithmetic, elementwise)  # that this file tests
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, max_side=4)
FLOATS = (np.float32, np.float64)


@st.composite
def one(draw: st.DrawFn, function: Callable[..., Any], fill: oracles.Fill = normal) -> Example:
    """A function of one operand."""
    return Example(function, (draw(arrays(draw(SHAPES), fill)),))


@st.composite
def several(draw: st.DrawFn, function: Callable[..., Any], *fills: oracles.Fill) -> Example:
    """A function of operands with shapes that broadcast."""
    shapes = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=len(fills), max_dims=3, max_side=4)
    ).input_shapes
    pairs = zip(shapes, fills, strict=True)
    return Example(function, tuple(draw(arrays(shape, fill)) for shape, fill in pairs))


@st.composite
def without_ties(draw: st.DrawFn, function: Callable[..., Any]) -> Example:
    """Two operands that are never equal: x in the first halves of tenths, y in the second ones."""
    x, y = draw(several(function, distinct, normal)).inputs
    return Example(function, (x, np.round(y, 1) + 0.075))


@st.composite
def one_or_the_other(draw: st.DrawFn) -> Example:
    """`where`; its condition broadcasts too."""
    shapes = draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
    condition, x, y = (draw(arrays(shape)) for shape in shapes.input_shapes)
    return Example(lambda x, y: mg.where(mg.tensor(condition > 0), x, y), (x, y))


@st.composite
def clipped(draw: st.DrawFn) -> Example:
    """Two bounds, one or none."""
    low, high = draw(st.sampled_from([(-1.0, 1.0), (-1.0, None), (None, 1.0), (None, None)]))
    (x,) = draw(one(mg.clip, away_from_zero)).inputs
    x = x + 0.1 * np.sign(np.abs(x) - 1) * np.sign(x)  # away from −1 and 1
    return Example(lambda x: mg.clip(x, low, high), (x,))


GRADIENTS: dict[str, st.SearchStrategy[Example]] = {
    "absolute": one(mg.absolute, away_from_zero),
    "add": several(mg.add, normal, normal),
    "arccos": one(mg.arccos, between(-0.9, 0.9)),
    "arccosh": one(mg.arccosh, between(1.2, 4)),
    "arcsin": one(mg.arcsin, between(-0.9, 0.9)),
    "arcsinh": one(mg.arcsinh),
    "arctan": one(mg.arctan),
    # Away from the origin, and from the cut along negative x, where the angle jumps by 2π.
    "arctan2": several(mg.arctan2, away_from_zero, normal),
    "arctanh": one(mg.arctanh, between(-0.9, 0.9)),
    "astype": one(lambda x: mg.astype(x, np.float64)),
    "clip": clipped(),
    "cos": one(mg.cos),
    "cosh": one(mg.cosh),
    "divide": several(mg.divide, normal, away_from_zero),
    "exp": one(mg.exp),
    "exp2": one(mg.exp2),
    "expm1": one(mg.expm1),
    "leaky_relu": st.floats(0, 1).flatmap(
        lambda slope: one(lambda x: mg.leaky_relu(x, slope), away_from_zero)
    ),
    "log": one(mg.log, between(0.2, 3)),
    "log10": one(mg.log10, between(0.2, 3)),
    "log1p": one(mg.log1p, between(-0.8, 3)),
    "log2": one(mg.log2, between(0.2, 3)),
    "logaddexp": several(mg.logaddexp, normal, normal),
    "maximum": without_ties(mg.maximum),
    "minimum": without_ties(mg.minimum),
    "multiply": several(mg.multiply, normal, normal),
    "negative": one(mg.negative),
    "positive": one(mg.positive),
    "power": several(mg.power, between(0.2, 2), normal),
    "reciprocal": one(mg.reciprocal, away_from_zero),
    "relu": one(mg.relu, away_from_zero),
    "sigmoid": one(mg.sigmoid),
    "sin": one(mg.sin),
    "sinh": one(mg.sinh),
    "softplus": one(mg.softplus),
    "sqrt": one(mg.sqrt, between(0.2, 3)),
    "square": one(mg.square),
    "subtract": several(mg.subtract, normal, normal),
    "tan": one(mg.tan, between(-1.2, 1.2)),
    "tanh": one(mg.tanh),
    "where": one_or_the_other(),
}


def test_every_operation_has_a_gradient_test() -> None:
    assert set().union(*map(oracles.operations, MODULES)) == GRADIENTS.keys()


def test_every_module_of_operations_has_its_tests() -> None:
    paths = Path(ops.__file__).parent.glob("[!_]*.py")
    modules = {path.stem for path in paths if "__all__" in path.read_text("utf-8")}
    tests = list(Path(__file__).parent.glob("test_*.py"))
    tested = {path.stem.removeprefix("test_") for path in tests}
    imports = [line for path in tests for line in path.read_text("utf-8").splitlines()]
    imports = [line for line in imports if line.startswith("from minigan.ops import ")]
    tested |= {name.strip(",") for line in imports for name in line.split()[3:]}
    assert modules <= tested | {module.__name__.split(".")[-1] for module in MODULES}


@pytest.mark.parametrize("name", GRADIENTS)
@settings(max_examples=30)
@given(data=st.data())
def test_gradient(name: str, data: st.DataObject) -> None:
    oracles.check_every_gradient(data.draw(GRADIENTS[name]))


@pytest.mark.parametrize("name", GRADIENTS)
@settings(max_examples=10)
@given(data=st.data())
def test_gradient_in_float32(name: str, data: st.DataObject) -> None:
    """A rule has at most 16 roundings, and the numbers that cancel in one, as in 1 − y², are about 1."""
    example = data.draw(GRADIENTS[name])
    function = example.function
    inputs = [x.astype(np.float32) for x in np.broadcast_arrays(*example.inputs)]
    dy = np.ones_like(function(*map(oracles.wrap, inputs)).numpy())
    found = oracles.gradients(function, inputs, dy)
    exact = oracles.gradients(function, [x.astype(np.float64) for x in inputs], dy)
    for gradient, expected in zip(found, exact, strict=True):
        assert gradient.dtype == np.float32
        scale = np.maximum(np.abs(expected), 1)
        bounds.assert_within(gradient, expected, bounds.rounding(16, np.float32) * scale)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (1, 1), ()])
@pytest.mark.parametrize("function", [mg.add, mg.multiply, mg.maximum, mg.arctan2, mg.power])
def test_what_is_broadcast_to_nothing_has_the_gradient_0(
    function: Callable[..., Any], shape: tuple[int, ...]
) -> None:
    inputs = [np.ones((0, 3)), np.ones(shape)]
    of_nothing, gradient = oracles.gradients(function, inputs, np.ones((0, 3)))
    assert of_nothing.shape == (0, 3)
    np.testing.assert_array_equal(gradient, np.zeros(shape))


@pytest.mark.parametrize("function", [mg.exp, mg.sigmoid, mg.relu, mg.absolute, mg.softplus])
def test_nothing_has_an_empty_gradient(function: Callable[..., Any]) -> None:
    (gradient,) = oracles.gradients(function, [np.ones((2, 0))], np.ones((2, 0)))
    assert gradient.shape == (2, 0)


# -- values -----------------------------------------------------------------------------------------

# NumPy has most of them, by the same name.
REFERENCES: dict[str, Callable[..., Any]] = {
    "leaky_relu": lambda x: oracles.leaky_relu(x, 0.1),
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": scipy.special.expit,
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "astype": lambda x: x,
    "clip": lambda x: np.clip(x, -1, 1),
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "astype": lambda x: mg.astype(x, np.float64),
    "clip": lambda x: mg.clip(x, -1, 1),
}


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", sorted(GRADIENTS.keys() - {"where"}))
@settings(max_examples=10)
@given(data=st.data())
def test_value(name: str, dtype: Any, data: st.DataObject) -> None:
    """In both dtypes, from float64's own arguments: a few roundings apart, each of a few units."""
    inputs = [x.astype(dtype) for x in data.draw(GRADIENTS[name]).inputs]
    found = FUNCTIONS.get(name, getattr(mg, name))(*(oracles.wrap(x) for x in inputs))
    reference = REFERENCES.get(name) or getattr(np, name)
    expected = np.asarray(reference(*(x.astype(np.float64) for x in inputs)))
    assert found.dtype == (np.float64 if name == "astype" else dtype)
    # A sum's rounding is relative to its terms, which may cancel: the operands are about 1 or less.
    bounds.assert_within(
        found, expected, bounds.rounding(8, dtype) * np.maximum(np.abs(expected), 1)
    )


@given(data=st.data())
@settings(max_examples=25)
def test_where(data: st.DataObject) -> None:
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3))
    condition, x, y = (data.draw(arrays(shape)) for shape in shapes.input_shapes)
    found = mg.where(oracles.wrap(condition > 0), oracles.wrap(x), oracles.wrap(y))
    np.testing.assert_array_equal(found, np.where(condition > 0, x, y))


@pytest.mark.parametrize("dtype", FLOATS)
def test_operands_that_are_numbers_keep_the_dtype(dtype: Any) -> None:
    x = mg.tensor([1.0, 2.0], dtype=dtype, requires_grad=True)
    results = [x + 1, 1.5 - x, 3 * x, 2 / x, x**2, x**0.5, 2.0**x, mg.maximum(x, 1.5)]
    results += [mg.where(x > 1, x, 0.0), mg.clip(x, 0, 1.5), mg.leaky_relu(x, 0.2)]
    expected = [x.numpy() + 1, 1.5 - x.numpy(), 3 * x.numpy(), 2 / x.numpy(), x.numpy() ** 2]
    for result, value in zip(results, expected, strict=False):
        np.testing.assert_array_equal(result.numpy(), value)
    for result in results:
        x.grad = None
        result.sum().backward()
        assert result.dtype == dtype
        assert x.grad.dtype == dtype


def test_operands_of_two_dtypes_each_get_a_gradient_of_their_own() -> None:
    x = mg.tensor([1.0, 2.0], dtype=np.float32, requires_grad=True)
    y = mg.tensor([3.0, 4.0], dtype=np.float64, requires_grad=True)
    (x * y).sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)
    np.testing.assert_array_equal(x.grad, [3, 4])
    np.testing.assert_array_equal(y.grad, [1, 2])


@pytest.mark.parametrize("name", ["sigmoid", "leaky_relu", "relu", "softplus", "exp"])
def test_integers_become_float64(name: str) -> None:
    """As NumPy's functions make them; a kernel on integers would cut the fractions off."""
    whole, real = (getattr(mg, name)(mg.tensor(np.array([-2, 0, 3], t))) for t in (int, float))
    assert whole.dtype == np.float64
    np.testing.assert_array_equal(whole, real)


def test_astype_casts_the_gradient_back() -> None:
    x = mg.tensor([1.0, 2.0], dtype=np.float64, requires_grad=True)
    y = x.astype(np.float32)
    assert y.dtype == np.float32
    y.backward(np.array([3, 4], np.float32))
    assert x.grad.dtype == np.float64
    np.testing.assert_array_equal(x.grad, [3, 4])


# -- kinks, ties, extremes --------------------------------------------------------------------------


def derivative(function: Callable[..., Any], *values: float) -> list[float]:
    """By each operand, at one point."""
    grads = oracles.gradients(function, [np.array([v]) for v in values], np.ones(1))
    return [float(g[0]) for g in grads]


def test_the_subgradients_at_kinks_are_those_of_the_docstrings() -> None:
    assert derivative(mg.absolute, 0.0) == [0]
    assert derivative(mg.relu, 0.0) == [0]
    assert derivative(lambda x: mg.leaky_relu(x, 0.3), 0.0) == [0.3]
    assert derivative(mg.maximum, 2.0, 2.0) == [0.5, 0.5]
    assert derivative(mg.minimum, 2.0, 2.0) == [0.5, 0.5]
    bounded = [derivative(lambda x: mg.clip(x, -1, 1), v) for v in (-1.5, -1.0, 0.0, 1.0, 1.5)]
    assert bounded == [[0], [1], [1], [1], [0]]


def test_a_power_at_base_0() -> None:
    assert derivative(mg.power, 0.0, 2.0) == [0, 0]
    assert derivative(mg.power, 0.0, 1.0) == [1, 0]
    assert derivative(mg.power, 0.0, 0.0) == [0, 0]
    assert derivative(lambda x: x**3, -2.0) == [
        12
    ]  # by the exponent it would be complex: not asked for
    with np.errstate(invalid="raise"):  # no logarithm of a negative base is taken
        assert derivative(lambda x: x**2, -2.0) == [-4]


@pytest.mark.parametrize("dtype", FLOATS)
def test_sigmoid_and_softplus_do_not_overflow(dtype: Any) -> None:
    x = np.array([-1000, -100, 0, 100, 1000], dtype)
    with np.errstate(all="raise", under="ignore"):
        sigmoid, softplus = mg.sigmoid(mg.tensor(x)).numpy(), mg.softplus(mg.tensor(x)).numpy()
    expected = scipy.special.expit(x.astype(np.float64))
    bounds.assert_within(
        sigmoid, expected, bounds.rounding(8, dtype) * expected + np.finfo(dtype).tiny
    )
    assert sigmoid[-1] == 1
    np.testing.assert_array_equal(softplus[-2:], x[-2:])
    assert softplus[0] == 0
    for function in (mg.sigmoid, mg.softplus):
        (gradient,) = oracles.gradients(function, [x], np.ones_like(x))
        assert np.isfinite(gradient).all()
        assert gradient[0] == 0


@pytest.mark.parametrize("dtype", FLOATS)
def test_logaddexp_does_not_overflow(dtype: Any) -> None:
    x, y = np.array([1000, -1000], dtype), np.array([999, -1001], dtype)
    found = mg.logaddexp(mg.tensor(x), mg.tensor(y))
    bounds.assert_within(
        found, np.logaddexp(x, y, dtype=np.float64), bounds.rounding(8, dtype) * 1000
    )
    by_x, by_y = oracles.gradients(mg.logaddexp, [x, y], np.ones_like(x))
    bounds.assert_within(by_x + by_y, np.ones(2), bounds.rounding(2000, dtype))


# -- mistakes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["add", "subtract", "multiply", "divide", "power", "maximum", "logaddexp", "less"]
)
def test_shapes_that_do_not_broadcast_are_named(name: str) -> None:
    x, y = mg.tensor(np.zeros((2, 3))), mg.tensor(np.zeros((4, 3)))
    with pytest.raises(ValueError, match=rf"^{name}: .*\(2, 3\) and \(4, 3\)"):
        getattr(mg, name)(x, y)


@pytest.mark.parametrize("shapes", [((3, 4), (4,), (3, 1)), ((4,), (3, 4), ()), ((2,), (), (2,))])
def test_clip_by_tensors(shapes: Any) -> None:
    rng = np.random.default_rng(1)
    x, low, high = (rng.permutation(np.arange(int(np.prod(s)))).reshape(s) * 1.0 for s in shapes)
    low, high = low - 0.35, high + 1.3
    found = mg.clip(*map(oracles.wrap, (x, low, high)))
    np.testing.assert_array_equal(found, np.clip(x, low, high))
    mg.check_gradients(mg.clip, *(mg.tensor(a, requires_grad=True) for a in (x, low, high)))
