"""Likelihoods against SciPy, gradients against differences, extremes, float32 within its roundings."""

from collections.abc import Callable, Sequence
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import oracles
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Array, Example, arrays, assert_within, between, rounding

import minigan as mg
from minigan.ops import likelihood, losses

FLOATS = (np.float32, np.float64)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, max_side=3)
REDUCE: dict[str, Callable[[Array], Any]] = {"mean": np.mean, "sum": np.sum, "none": np.asarray}
HALF_LOG_2PI = np.log(2 * np.pi) / 2
LAYOUTS = st.lists(
    st.builds(mg.Categorical, st.integers(1, 4))
    | st.builds(mg.Gaussian, st.sampled_from([0.25, 1.0, 3.0]))
    | st.just(mg.Gaussian(std=None)),
    min_size=1,
    max_size=4,
)


@st.composite
def binary_cross_entropy(draw: st.DrawFn) -> Example:
    """Targets of the logits' shape, broadcast to it, or one number that stands for all."""
    shape, reduction = draw(SHAPES), draw(st.sampled_from(sorted(REDUCE)))
    logits = draw(arrays(shape, lambda rng, shape: 3 * oracles.normal(rng, shape)))
    if draw(st.booleans()):
        target = draw(st.sampled_from([0, 1, 0.9]))
        return Example(
            lambda x: mg.binary_cross_entropy_with_logits(x, target, reduction),
            (logits,),
            lambda x: REDUCE[reduction](oracles.binary_cross_entropy_with_logits(x, target)),
        )
    narrow = tuple(draw(st.sampled_from([1, n])) for n in shape)[draw(st.integers(0, len(shape))) :]
    return Example(
        lambda x, t: mg.binary_cross_entropy_with_logits(x, t, reduction),
        (logits, draw(arrays(narrow, between(0, 1)))),
        lambda x, t: REDUCE[reduction](oracles.binary_cross_entropy_with_logits(x, t)),
    )


@st.composite
def logits_and_labels(draw: st.DrawFn) -> tuple[Array, Any]:
    """Labels as an array, a list or a tensor of integers."""
    shape, categories = draw(SHAPES), draw(st.integers(1, 4))
    labels = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, categories - 1)))
    form = draw(st.sampled_from([np.asarray, np.ndarray.tolist, mg.tensor]))
    return draw(arrays((*shape, categories))), form(labels)


@st.composite
def categorical(draw: st.DrawFn) -> Example:
    logits, labels = draw(logits_and_labels())
    return Example(
        lambda x: mg.categorical_log_likelihood(x, labels),
        (logits,),
        lambda x: oracles.categorical_log_likelihood(x, np.asarray(labels)),
    )


@st.composite
def cross_entropy(draw: st.DrawFn) -> Example:
    logits, labels = draw(logits_and_labels())
    reduction = draw(st.sampled_from(sorted(REDUCE)))
    return Example(
        lambda x: mg.cross_entropy(x, labels, reduction),
        (logits,),
        lambda x: REDUCE[reduction](-oracles.categorical_log_likelihood(x, np.asarray(labels))),
    )


def draw_codes(rng: np.random.Generator, batch: int, layout: Sequence[Any]) -> Array:
    """An index for a categorical code, a real number for a Gaussian one."""
    columns = [
        rng.integers(0, density.size, batch) if isinstance(density, mg.Categorical)
        else rng.uniform(-1, 1, batch)
        for density in layout
    ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32).astype(np.float64)  # exact in both dtypes


@st.composite
def codes(draw: st.DrawFn) -> Example:
    layout, batch = draw(LAYOUTS), draw(st.integers(0, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = draw_codes(rng, batch, layout)
    return Example(
        lambda parameters: mg.code_log_likelihood(parameters, values, layout),
        (draw(arrays((batch, sum(density.columns for density in layout)))),),
        lambda parameters: oracles.code_log_likelihood(parameters, values, layout),
    )


@st.composite
def information(draw: st.DrawFn) -> Example:
    layout = draw(LAYOUTS.filter(bool))
    shape = (draw(st.integers(1, 4)), sum(density.columns for density in layout))
    entropy_weight = draw(st.sampled_from([1.0, 1.5, 0.0]))
    return Example(
        lambda first, second: mg.code_consistency_information(
            first, second, layout, entropy_weight
        ),
        (draw(arrays(shape)), draw(arrays(shape))),
        lambda first, second: oracles.code_consistency_information(
            first, second, layout, entropy_weight
        ),
    )


@st.composite
def gaussian(draw: st.DrawFn) -> Example:
    """σ 1, or a number, or a tensor, or predicted by its logarithm; operands that broadcast."""
    shapes = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3)
    ).input_shapes
    x, mean, log_std = (draw(arrays(shape)) for shape in shapes)
    std = draw(st.sampled_from([None, 1.0, 0.3, "tensor", "predicted"]))
    if std == "predicted":
        return Example(
            lambda x, mean, log_std: mg.gaussian_log_likelihood(x, mean, log_std=log_std),
            (x, mean, log_std),
            oracles.gaussian_log_likelihood,
        )
    if std == "tensor":
        return Example(
            mg.gaussian_log_likelihood,
            (x, mean, np.exp(log_std)),
            lambda x, mean, std: oracles.gaussian_log_likelihood(x, mean, np.log(std)),
        )
    return Example(
        lambda x, mean: mg.gaussian_log_likelihood(x, mean, std=std),
        (x, mean),
        lambda x, mean: oracles.gaussian_log_likelihood(x, mean, np.log(std or 1.0)),
    )


GRADIENTS: dict[str, st.SearchStrategy[Example]] = {
    "binary_cross_entropy_with_logits": binary_cross_entropy(),
    "categorical_log_likelihood": categorical(),
    "code_log_likelihood": codes(),
    "code_consistency_information": information(),
    "cross_entropy": cross_entropy(),
    "gaussian_log_likelihood": gaussian(),
}


def test_every_operation_has_a_gradient_test() -> None:
    tested = GRADIENTS.keys() | {"mse_loss"}  # test_losses.py has that one, and the weights
    assert oracles.operations(likelihood) | oracles.operations(losses) == tested


@pytest.mark.parametrize("name", GRADIENTS)
@settings(max_examples=40)
@given(data=st.data())
def test_gradient(name: str, data: st.DataObject) -> None:
    oracles.check_every_gradient(data.draw(GRADIENTS[name]))


# -- values -----------------------------------------------------------------------------------------


def cast(dtype: Any, *operands: Array) -> tuple[list[mg.Tensor], list[Array]]:
    """Tensors of that dtype, and their very values in float64."""
    narrow = [np.asarray(a).astype(dtype) for a in operands]
    return [oracles.wrap(a) for a in narrow], [a.astype(np.float64) for a in narrow]


@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=40)
@given(x=SHAPES.flatmap(arrays), data=st.data())
def test_binary_cross_entropy(dtype: Any, x: Array, data: st.DataObject) -> None:
    """max(x, 0) − x·t + log(1 + e⁻|ˣ|): `exp` and `log1p` of 4u each and the sum's three roundings."""
    targets = data.draw(
        arrays(x.shape, between(0, 1)) | st.sampled_from([np.float64(0), np.float64(1)])
    )
    (logits, t), (x, wide) = cast(dtype, 5 * x, targets)
    found = mg.binary_cross_entropy_with_logits(logits, t, "none")
    assert found.dtype == dtype
    size = np.maximum(x, 0) + np.abs(x * wide) + np.log1p(np.exp(-np.abs(x)))
    expected = oracles.binary_cross_entropy_with_logits(x, wide)
    assert_within(found, expected, rounding(12, dtype) * size)


@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=40)
@given(example=logits_and_labels())
def test_categorical_log_likelihood(dtype: Any, example: tuple[Array, Any]) -> None:
    (logits,), (x,) = cast(dtype, example[0])
    found = mg.categorical_log_likelihood(logits, example[1])
    assert found.dtype == dtype
    expected = oracles.categorical_log_likelihood(x, np.asarray(example[1]))
    assert_within(found, expected, rounding(oracles.softmax_roundings(x, -1), dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=40)
@given(data=st.data())
def test_gaussian_log_likelihood(dtype: Any, data: st.DataObject) -> None:
    example = data.draw(gaussian())
    tensors, wide = cast(dtype, *example.inputs)
    found = example.function(*tensors)
    assert found.dtype == dtype
    assert example.reference is not None
    expected = example.reference(*wide)
    log_std: Any = np.log(0.3)  # the smallest fixed one
    if len(wide) == 3:
        log_std = np.log(wide[2]) if example.function is mg.gaussian_log_likelihood else wide[2]
    # ½z² is at most |value| + |log σ| + ½ log 2π.
    size = np.abs(expected) + 2 * (np.abs(log_std) + HALF_LOG_2PI)
    assert_within(found, expected, rounding(oracles.gaussian_roundings(log_std), dtype) * size)


def check_codes(parameters: Array, values: Array, layout: Sequence[Any], dtype: Any) -> None:
    """The matrix of log-likelihoods, and its gradient by the parameters, with a λ for each code."""
    (tensor,), (wide,) = cast(dtype, parameters)
    found = mg.code_log_likelihood(tensor, values, layout)
    assert found.dtype == dtype
    expected = oracles.code_log_likelihood(wide, values, layout)
    weights = np.arange(1.0, len(layout) + 1) * np.ones_like(expected)
    (gradient,) = oracles.gradients(
        lambda p: mg.code_log_likelihood(p, values, layout), [parameters.astype(dtype)], weights
    )
    assert gradient.dtype == dtype
    at = 0
    for i, density in enumerate(layout):
        own = slice(at, at + density.columns)
        at += density.columns
        columns, code, value = wide[:, own], values[:, i], expected[:, i]
        if isinstance(density, mg.Categorical):
            n = oracles.softmax_roundings(columns, 1) if len(columns) else 1
            size: Any = 1
            slopes = np.eye(density.size)[code.astype(int)] - scipy.special.softmax(columns, axis=1)
            slope_sizes: Any = 1
        else:
            log_std = columns[:, 1] if density.std is None else np.log(density.std)
            n = oracles.gaussian_roundings(log_std)
            size = np.abs(value) + 2 * (np.abs(log_std) + HALF_LOG_2PI)
            z = (code - columns[:, 0]) * np.exp(-log_std)
            slopes = np.stack([z * np.exp(-log_std), z**2 - 1][: density.columns], axis=1)
            slope_sizes = np.stack([np.abs(slopes[:, 0]), z**2 + 1][: density.columns], axis=1)
        assert_within(found.numpy()[:, i], value, rounding(n, dtype) * size)
        bound = rounding(n + 2, dtype) * slope_sizes
        assert_within(gradient[:, own], (i + 1) * slopes, (i + 1) * bound)


@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=60)
@given(layout=LAYOUTS, batch=st.integers(0, 4), seed=st.integers(0, 2**32 - 1))
def test_code_log_likelihood(dtype: Any, layout: list[Any], batch: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parameters = 2 * rng.standard_normal((batch, sum(density.columns for density in layout)))
    check_codes(parameters, draw_codes(rng, batch, layout), layout, dtype)


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_codes_of_mnist(dtype: Any) -> None:
    layout = [mg.Categorical(10), mg.Gaussian(), mg.Gaussian(None)]
    rng = np.random.default_rng(0)
    check_codes(rng.standard_normal((128, 13)), draw_codes(rng, 128, layout), layout, dtype)


@pytest.mark.parametrize("dtype", FLOATS)
def test_code_consistency_information(dtype: Any) -> None:
    """Against SciPy; log K at most, where both views are as sure as can be of all K; nothing where they know nothing."""
    layout = [mg.Categorical(7), mg.Gaussian(0.5), mg.Gaussian(None), mg.Categorical(2)]
    rng = np.random.default_rng(0)
    first = (3 * rng.standard_normal((50, 12))).astype(dtype)
    near = first + (0.1 * rng.standard_normal(first.shape)).astype(dtype)
    for second in (near, -first):
        found = mg.code_consistency_information(mg.tensor(first), mg.tensor(second), layout)
        wide = (a.astype(np.float64) for a in (first, second))
        assert found.dtype == dtype
        # Terms of at most some 20 nats cancel to what is found.
        assert_within(
            found, oracles.code_consistency_information(*wide, layout), rounding(100, dtype) * 20
        )
    sure = np.tile(200 * np.eye(4), (3, 1)).astype(dtype)
    four = [mg.Categorical(4)]
    found = mg.code_consistency_information(mg.tensor(sure), mg.tensor(sure), four)
    assert_within(found, np.log([4.0]), rounding(100, dtype) * 10)
    never = mg.tensor(np.tile([0, 0, 0, -5e3], (12, 1)).astype(dtype), requires_grad=True)
    found = mg.code_consistency_information(
        never, never.detach(), four
    )  # a category with no probability
    assert_within(found.detach(), [0.0], rounding(100, dtype) * 10)
    found.sum().backward()
    assert never.grad is not None
    assert_within(never.grad, np.zeros((12, 4)), rounding(100, dtype))
    found = mg.code_consistency_information(mg.tensor(0 * sure), mg.tensor(0 * sure), four)
    assert_within(found, [0.0], rounding(100, dtype) * 10)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("reduction", sorted(REDUCE))
def test_reductions(reduction: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((40, 5)).astype(dtype), rng.integers(0, 5, 40)
    logits = mg.tensor(x)
    for values, found in (
        (
            -mg.categorical_log_likelihood(logits, labels),
            mg.cross_entropy(logits, labels, reduction),
        ),
        (
            mg.binary_cross_entropy_with_logits(logits, 1, "none"),
            mg.binary_cross_entropy_with_logits(logits, 1, reduction),
        ),
    ):
        wide = values.numpy().astype(np.float64)
        expected = REDUCE[reduction](wide)
        assert found.dtype == dtype
        assert_within(found, expected, rounding(wide.size, dtype) * REDUCE[reduction](np.abs(wide)))


def test_the_mean_is_the_default() -> None:
    x = mg.tensor([[1.0, 2.0], [0.0, 5.0]])
    assert mg.cross_entropy(x, [0, 1]).item() == mg.cross_entropy(x, [0, 1], "mean").item()
    default = mg.binary_cross_entropy_with_logits(x, 1)
    assert default.item() == mg.binary_cross_entropy_with_logits(x, 1, "mean").item()


def test_a_scalar_logit() -> None:
    """The values of a 0-dimensional tensor are an array too."""
    x, t = mg.tensor(0.5, dtype=np.float64), mg.tensor(0.25, dtype=np.float64)
    found = mg.binary_cross_entropy_with_logits(x, t, "none")
    expected = oracles.binary_cross_entropy_with_logits(np.array(0.5), 0.25)
    assert_within(found, expected, rounding(12, np.float64) * 2)


@pytest.mark.parametrize("dtypes", [(int, np.float32), (np.float32, int), (int, int)])
def test_the_density_of_integers_has_the_std_that_was_asked_for(dtypes: Any) -> None:
    """Its logarithm is no integer."""
    x, mean = (mg.tensor(np.array(a, t)) for a, t in zip(([1, 2], [0, 0]), dtypes, strict=True))
    found = mg.gaussian_log_likelihood(x, mean, std=0.5)
    expected = oracles.gaussian_log_likelihood(np.array([1, 2]), 0, np.log(0.5))
    assert_within(found, expected, rounding(20, np.float32) * np.abs(expected))


# -- extremes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("offset", [0, -1e4, 1e4])
def test_an_offset_of_all_logits_changes_nothing(dtype: Any, offset: float) -> None:
    """It is subtracted before anything is rounded: these sums are exact in float32 too."""
    x = np.array([[0, 1, 2.5], [0.5, -4, 4], [-1, 0, -2]])
    labels = np.arange(3)
    moved = mg.tensor(x + offset, dtype=dtype, requires_grad=True)
    values = mg.categorical_log_likelihood(moved, labels)
    np.testing.assert_array_equal(
        values.numpy(), mg.categorical_log_likelihood(mg.tensor(x, dtype=dtype), labels)
    )
    values.sum().backward()
    bound = rounding(oracles.softmax_roundings(x, 1) + 1, dtype)
    assert_within(moved.grad, np.eye(3) - scipy.special.softmax(x, axis=1), bound)


@pytest.mark.parametrize("dtype", FLOATS)
def test_logits_of_ten_thousand(dtype: Any) -> None:
    logits = np.array([[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4]], dtype)
    x = mg.tensor(logits, requires_grad=True)
    values = mg.categorical_log_likelihood(x, [1, 1, 1])
    np.testing.assert_array_equal(values.numpy(), np.array([-2e4, 0, -np.log(2)], dtype))
    values.sum().backward()
    np.testing.assert_array_equal(x.grad, [[-1, 1], [0, 0], [-0.5, 0.5]])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [100, 1e4])
def test_binary_cross_entropy_of_extreme_logits(dtype: Any, size: float) -> None:
    x = mg.tensor(np.array([size, -size, size, -size], dtype), requires_grad=True)
    targets = np.array([1, 0, 0, 1], dtype)
    values = mg.binary_cross_entropy_with_logits(x, targets, "none")
    # e⁻¹⁰⁰ is a subnormal number in float32, which keeps few of its digits.
    bound = np.exp(-size) * (1 + rounding(12, dtype)) + np.finfo(dtype).smallest_subnormal
    assert_within(values.numpy(), np.array([0, 0, size, size]), bound)
    values.sum().backward()
    assert_within(x.grad, np.array([0, 0, 1, -1]), bound)


@pytest.mark.parametrize("dtype", FLOATS)
def test_gaussians_far_away_narrow_and_wide(dtype: Any) -> None:
    parameters = np.array([[1e4, 0.0], [0.5, -15.0], [0.5, 15.0], [0.0, 80.0]])
    values = np.zeros((4, 1))
    check_codes(parameters, values, [mg.Gaussian(None)], dtype)
    check_codes(parameters[:, :1], values, [mg.Gaussian(std=1e-3)], dtype)


# -- mistakes ---------------------------------------------------------------------------------------

LAYOUT = [mg.Categorical(3), mg.Gaussian()]
PARAMETERS, CODES = np.zeros((2, 4)), np.zeros((2, 2))


@pytest.mark.parametrize("label", [-1, 3, 100, 0.5, np.nan])
def test_a_label_that_is_no_category_is_named(label: float) -> None:
    values = CODES.copy()
    values[1, 0] = label
    with pytest.raises(ValueError, match=r"code_log_likelihood: code 0 holds .*categories 0 … 2"):
        mg.code_log_likelihood(mg.tensor(PARAMETERS), values, LAYOUT)
    with pytest.raises(ValueError, match=r"categories 0 … 2"):
        mg.cross_entropy(mg.tensor(PARAMETERS[:, :3]), values[:, 0])


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: mg.code_consistency_information(mg.tensor(PARAMETERS), PARAMETERS[:1], LAYOUT),
         r"code_consistency_information: .*\(batch, 4\).*\(2, 4\) and \(1, 4\)"),
        (lambda: mg.code_consistency_information(mg.tensor(PARAMETERS[:, :3]), PARAMETERS[:, :3], LAYOUT),
         r"code_consistency_information: .*\(batch, 4\).*\(2, 3\) and \(2, 3\)"),
        (lambda: mg.code_consistency_information(mg.tensor(PARAMETERS[:0]), PARAMETERS[:0], LAYOUT),
         "code_consistency_information: there must be a row"),
        (lambda: mg.code_log_likelihood(mg.tensor(PARAMETERS[:, :3]), CODES, LAYOUT),
         r"code_log_likelihood: the layout has 2 codes in 4 columns.*\(2, 2\).*\(2, 3\)"),
        (lambda: mg.code_log_likelihood(mg.tensor(PARAMETERS), CODES[:, :1], LAYOUT),
         r"code_log_likelihood: the layout has 2 codes in 4 columns.*\(2, 1\).*\(2, 4\)"),
        (lambda: mg.code_log_likelihood(mg.tensor(PARAMETERS), CODES[:1], LAYOUT),
         r"code_log_likelihood: .*\(2, 4\) and \(1, 2\)"),
        (lambda: mg.code_log_likelihood(mg.tensor(PARAMETERS), mg.tensor(CODES, requires_grad=True), LAYOUT),
         "code_log_likelihood: the codes are data"),
        (lambda: mg.code_log_likelihood(mg.tensor(PARAMETERS.astype(int)), CODES, LAYOUT), "int64"),
        (lambda: mg.categorical_log_likelihood(mg.tensor(PARAMETERS), [0, 1, 2]),
         r"categorical_log_likelihood: logits \(2, 4\) need labels \(2,\); got \(3,\)"),
        (lambda: mg.cross_entropy(mg.tensor(PARAMETERS), [0, 1], "average"), "reduction is .*'average'"),
        (lambda: mg.binary_cross_entropy_with_logits(mg.tensor(PARAMETERS), CODES),
         r"binary_cross_entropy.*\(2, 4\) and \(2, 2\)"),
        (lambda: mg.binary_cross_entropy_with_logits(mg.tensor(PARAMETERS.astype(int)), 1), "int64"),
        (lambda: mg.gaussian_log_likelihood(mg.tensor(PARAMETERS), mg.tensor(CODES)),
         r"gaussian_log_likelihood: .*\(2, 4\) and \(2, 2\)"),
        (lambda: mg.gaussian_log_likelihood(mg.tensor(CODES), 0.0, std=0), "std must be positive; got 0"),
        (lambda: mg.gaussian_log_likelihood(mg.tensor(CODES), 0.0, std=1, log_std=0.0), "not both"),
        (lambda: mg.Gaussian(std=-1), "Gaussian: std must be positive, or None; got -1"),
        (lambda: mg.Categorical(0), "Categorical: a code needs a category; got size 0"),
    ],
)  # fmt: skip
def test_mistakes_are_named(mistake: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mistake()
