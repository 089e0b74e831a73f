"""Likelihoods against SciPy, gradients against differences, extremes, float32 within its roundings."""

from collections.abc import Callable, Sequence
from typing import Any

import bounds
import hypothesis.extra.numpy as hnp
import numpy as np
import oracles
import pytest
from bounds import assert_within, rounding
from code_checks import FLOATS, HALF_LOG_2PI, cast, check_codes
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Array, Example, arrays, between

import minigan as mg
from minigan.ops import likelihood, losses

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, max_side=3)
REDUCE: dict[str, Callable[[Array], Any]] = {"mean": np.mean, "sum": np.sum, "none": np.asarray}
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
    assert_within(found, expected, rounding(bounds.softmax_roundings(x, -1), dtype))


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
    assert_within(found, expected, rounding(bounds.gaussian_roundings(log_std), dtype) * size)


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
        # Terms of at most some 20 nats cancel in the result.
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
