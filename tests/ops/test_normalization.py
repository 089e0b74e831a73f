"""Batch norm by group: values and statistics against loops, within bounds that follow from the roundings."""

from typing import Any, NamedTuple

import bounds
import hypothesis.extra.numpy as hnp
import numpy as np
import oracles
import pytest
from bounds import assert_within, rounding
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Array, Example, arrays
from running_statistics import FLOATS, NAMES, running

import minigan as mg
from minigan.devices.contract.normalization import BatchNormalization
from minigan.devices.cpu import threads as cpu_threads
from minigan.ops import normalization

SLOPES = st.sampled_from([1.0, 0.1, 0.0])  # none, the paper's leaky ReLU, ReLU


class Batch(NamedTuple):
    """The normalized values, and how."""

    x: Array
    weight: Array
    bias: Array
    groups: int = 1
    epsilon: float = 1e-5
    slope: float = 1.0

    def runs(self) -> list[Array]:
        """Each group as (rows, channels)."""
        return [run.reshape(-1, run.shape[-1]) for run in np.split(self.x, self.groups)]

    def normalize(self, x: mg.Tensor, weight: mg.Tensor, bias: mg.Tensor) -> mg.Tensor:
        return mg.batch_norm(
            x, weight, bias, groups=NAMES[: self.groups],
            eps=self.epsilon, negative_slope=self.slope,
        )  # fmt: skip


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """One to three groups of images, or of vectors, two values a channel at least."""
    groups = draw(st.integers(1, 3))
    inner = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    least = 1 if np.prod(inner) > 1 else 2
    channels = draw(st.integers(1, 3))
    shape = (groups * draw(st.integers(least, 3)), *inner, channels)
    x, weight = (
        draw(arrays(shape, oracles.distinct)),
        draw(arrays((channels,), oracles.away_from_zero)),
    )
    slope, epsilon = draw(SLOPES), draw(st.sampled_from([1e-5, 0.1]))
    if slope == 1:
        bias = draw(arrays((channels,)))
    else:
        bias = oracles.off_the_kink(
            oracles.batch_norm(x, weight, np.zeros(channels), groups, epsilon)
        )
    return Batch(x, weight, bias, groups, epsilon, slope)


@st.composite
def inference(draw: st.DrawFn) -> Example:
    """By the running statistics of the second of two groups."""
    shape = (*draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=3)), draw(st.integers(1, 3)))
    x, weight = (
        draw(arrays(shape, oracles.distinct)),
        draw(arrays(shape[-1:], oracles.away_from_zero)),
    )
    mean, variance = draw(arrays(shape[-1:])), draw(arrays(shape[-1:], oracles.between(0.1, 2)))
    normalized = (x - mean) / np.sqrt(variance + 1e-5)
    slope = draw(SLOPES) if x[..., 0].size > 1 else 1.0
    bias = draw(arrays(shape[-1:])) if slope == 1 else oracles.off_the_kink(weight * normalized)
    both = running((mean + 1, variance + 1), (mean, variance))
    return Example(
        lambda x, weight, bias: mg.batch_norm(
            x, weight, bias, both, ["generated"], training=False, negative_slope=slope
        ),
        (x, weight, bias),
        lambda x, weight, bias: oracles.leaky_relu(weight * normalized + bias, slope),
    )


GRADIENTS: dict[str, dict[str, st.SearchStrategy[Example]]] = {
    "batch_norm": {
        "training": batches().map(lambda batch: Example(batch.normalize, batch[:3])),
        "inference": inference(),
    }
}


def test_every_operation_has_a_gradient_test() -> None:
    assert oracles.operations(normalization) == GRADIENTS.keys() | {"allocate_batch_statistics"}


@pytest.mark.parametrize("mode", GRADIENTS["batch_norm"])
@settings(max_examples=40)
@given(data=st.data())
def test_gradient(mode: str, data: st.DataObject) -> None:
    oracles.check_every_gradient(data.draw(GRADIENTS["batch_norm"][mode]))


def check_value(batch: Batch, dtype: Any) -> None:
    """Against the loops, group by group."""
    inputs = [a.astype(dtype) for a in batch[:3]]
    batch = batch._replace(**dict(zip(("x", "weight", "bias"), inputs, strict=True)))
    found = batch.normalize(*map(oracles.wrap, inputs))
    assert found.dtype == dtype
    assert found.shape == batch.x.shape
    x, weight, bias = (a.astype(np.float64) for a in inputs)
    expected = oracles.batch_norm(x, weight, bias, batch.groups, batch.epsilon, batch.slope)
    runs = [run.reshape(-1, x.shape[-1]) for run in np.split(expected, batch.groups)]
    results = [run.reshape(-1, x.shape[-1]) for run in np.split(found.numpy(), batch.groups)]
    for values, result, run in zip(batch.runs(), results, runs, strict=True):
        bound = bounds.batch_norm_bound(values, weight, bias, batch.epsilon, dtype)
        assert_within(result, run, bound)


@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=30)
@given(batch=batches())
def test_value_in_training(dtype: Any, batch: Batch) -> None:
    check_value(batch, dtype)


@settings(max_examples=30)
@given(example=inference())
def test_value_in_inference(example: Example) -> None:
    found = example.function(*map(oracles.wrap, example.inputs))
    assert example.reference is not None
    expected = example.reference(*example.inputs)
    # Ten roundings, as in `batch_norm_bound`, of |weight·x̂| + |bias|, at most |y before the activation| + 2|bias|.
    size = np.abs(expected / 0.1) + 2 * np.abs(example.inputs[2])
    assert_within(found, expected, rounding(10, np.float64) * size)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("shape", [(4, 1), (4, 300), (50, 5000), (7000, 3)])
@pytest.mark.parametrize("offset", [0, 1000])
def test_statistics_by_group(
    monkeypatch: pytest.MonkeyPatch, offset: float, shape: tuple[int, int], threads: int, dtype: Any
) -> None:
    """More rows than a block, more threads than rows; a large mean, which costs the variance no
    digits."""
    monkeypatch.setattr(cpu_threads, "thread_count", lambda: threads)
    x = (np.random.default_rng(0).standard_normal(shape) + offset).astype(dtype)
    means, variances = mg.get_device("cpu").batch_norm_statistics(x, 2)
    assert means.dtype == variances.dtype == dtype
    for run, mean, variance in zip(np.split(x, 2), means, variances, strict=True):
        wide = run.astype(np.float64)
        error = bounds.mean_bound(run, dtype)
        assert_within(mean, wide.mean(axis=0), error)
        exact = wide.var(axis=0)
        assert_within(variance, exact, bounds.variance_bound(exact, error, len(run), dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_running_statistics_move_by_group(dtype: Any) -> None:
    """To 0.9·running + 0.1·batch, with the unbiased variance; a group that is not named stays."""
    rng = np.random.default_rng(0)
    averages = running(
        ([1.0, 2.0], [3.0, 4.0]), ([0.0, 0.0], [1.0, 1.0]), ([5.0, 5.0], [6.0, 6.0]), dtype=dtype
    )
    expected = {name: [np.array(a) for a in pair] for name, pair in averages.items()}
    ones = mg.tensor(np.ones(2), dtype=dtype)
    allowed = np.zeros(2)
    for _ in range(3):
        x = (rng.standard_normal((6, 2, 1, 2)) * 3 + 1).astype(dtype)
        mg.batch_norm(mg.tensor(x), ones, ones, averages, groups=("generated", "real"))
        errors = []
        for name, run in zip(("generated", "real"), np.split(x.reshape(-1, 2), 2), strict=True):
            wide = run.astype(np.float64)
            moved = (wide.mean(axis=0), wide.var(axis=0, ddof=1))
            expected[name] = [
                0.9 * old + 0.1 * new for old, new in zip(expected[name], moved, strict=True)
            ]
            error = bounds.mean_bound(run, dtype)
            spread = bounds.variance_bound(wide.var(axis=0), error, len(run), dtype) * 6 / 5
            errors.append(np.maximum(error, spread))
        # Of each step: the batch's error, and five roundings of numbers below 20.
        allowed = 0.9 * allowed + 0.1 * np.max(errors, axis=0) + rounding(5, dtype) * 20
        for name in ("generated", "real"):
            for found, value in zip(averages[name], expected[name], strict=True):
                assert found.dtype == dtype
                assert_within(found, value, allowed)
    np.testing.assert_array_equal(averages["other"].mean, [5, 5])
    np.testing.assert_array_equal(averages["other"].variance, [6, 6])


def test_inference_reads_the_named_group_and_changes_nothing() -> None:
    averages = running(([0.0], [1.0]), ([10.0], [4.0]))
    x, weight, bias = (mg.tensor([a], dtype=np.float64) for a in ([12.0], 3.0, 1.0))
    settings = {"training": False, "eps": 0.0}
    for name, value in (("real", 3 * 12 + 1), ("generated", 3 * (12 - 10) / 2 + 1)):
        found = mg.batch_norm(x, weight, bias, averages, [name], **settings)
        np.testing.assert_array_equal(found, [[value]])
    assert averages["generated"].mean.item() == 10
    assert averages["generated"].variance.item() == 4


def test_training_after_inference_leaves_the_gradient_of_inference_alone() -> None:
    averages = running(([0.0], [1.0]))
    x = mg.tensor([[3.0], [5.0]], dtype=np.float64, requires_grad=True)
    weight, bias = (mg.tensor([a], dtype=np.float64, requires_grad=True) for a in (2.0, 0.0))
    y = mg.batch_norm(x, weight, bias, averages, ["real"], training=False, eps=0.0)
    mg.batch_norm(x.detach(), weight, bias, averages, ["real"])
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [[2], [2]])
    np.testing.assert_array_equal(weight.grad, [3 + 5])


def test_a_momentum_of_one_s_own() -> None:
    averages = running(([0.0], [1.0]))
    x = mg.tensor([[1.0], [3.0]], dtype=np.float64)
    one = mg.tensor([1.0], dtype=np.float64)
    mg.batch_norm(x, one, one, averages, ["real"], momentum=0.75)
    assert averages["real"].mean.item() == 0.75 * 2
    assert averages["real"].variance.item() == 0.25 + 0.75 * 2


def test_the_subgradient_at_the_kink_is_the_slope() -> None:
    averages = running(([0.0], [1.0]))
    x, one, zero = (np.full(shape, value) for shape, value in (((1, 1), 0.0), (1, 1.0), (1, 0.0)))

    def normalize(*inputs: mg.Tensor) -> mg.Tensor:
        settings = {"training": False, "eps": 0.0, "negative_slope": 0.25}
        return mg.batch_norm(*inputs, averages, ["real"], **settings)

    dx, _, db = oracles.gradients(normalize, [x, one, zero], np.ones((1, 1)))
    np.testing.assert_array_equal(dx, [[0.25]])
    np.testing.assert_array_equal(db, [0.25])


@pytest.mark.parametrize("slope", [1.0, 0.1])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("rows", "channels"), [(12, 1), (600, 70), (64, 300)])
def test_value_in_float32(rows: int, channels: int, groups: int, slope: float) -> None:
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((rows, channels)) * 2 + 5).astype(np.float32)
    weight, bias = rng.standard_normal((2, channels)).astype(np.float32)
    check_value(Batch(x, weight, bias, groups, slope=slope), np.float32)


@pytest.mark.parametrize("batch_statistics", [True, False])
@pytest.mark.parametrize("slope", [1.0, 0.1])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("rows", "channels"), [(12, 1), (600, 70), (64, 300)])
def test_gradients_in_float32(
    rows: int, channels: int, groups: int, slope: float, batch_statistics: bool
) -> None:
    """The kernel in float32 on statistics that both have, against its formula in float64.

    x̂ takes eight roundings (ε, the sum, the root, the reciprocal, the difference, the product, and
    the slope and its product in g). A sum of n terms g·x̂ then takes n + 1. dx adds its scale, the
    means and their differences.
    """
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((rows, channels)) * 2 + 1).astype(np.float32)
    dy = rng.standard_normal(x.shape).astype(np.float32)
    weight = oracles.away_from_zero(rng, (channels,)).astype(np.float32)
    mean, variance = mg.get_device("cpu").batch_norm_statistics(x, groups)

    def split(a: Array) -> Array:
        return a.astype(np.float64).reshape(groups, -1, channels)

    inverse = 1 / np.sqrt(variance.astype(np.float64)[:, None] + 1e-5)
    normalized = (split(x) - mean[:, None]) * inverse
    bias = oracles.off_the_kink(weight * normalized).astype(np.float32)
    g = split(dy) * np.where(weight * normalized + bias > 0, 1, slope)
    found = mg.get_device("cpu").batch_norm_backward(
        dy, x, BatchNormalization(mean, variance, weight, bias, 1e-5, slope), batch_statistics, True
    )

    def gradients(g: Array, normalized: Array, sign: int) -> list[Array]:
        """dx, dweight and dbias; or, with + for −, the sums of absolute terms that the bounds need."""
        means = [(a.mean(axis=1, keepdims=True) * batch_statistics) for a in (g, g * normalized)]
        dx = inverse * (g + sign * means[0] + sign * normalized * means[1])
        return [dx.reshape(rows, channels), (g * normalized).sum(axis=(0, 1)), g.sum(axis=(0, 1))]

    expected = gradients(g, normalized, -1)
    sizes = gradients(np.abs(g), np.abs(normalized), 1)
    scales = (weight.astype(np.float64), 1, 1)
    for result, exact, size, scale in zip(found, expected, sizes, scales, strict=True):
        assert result.dtype == np.float32
        assert_within(result, scale * exact, rounding(rows + 20, np.float32) * np.abs(scale) * size)


@pytest.mark.parametrize(
    ("shapes", "chosen", "message"),
    [
        (((4, 3), (2,), (3,)), {}, r"x of shape \(4, 3\) .*weight \(2,\) and bias \(3,\)"),
        (((4, 3), (3,), (2,)), {}, r"x of shape \(4, 3\) .*weight \(3,\) and bias \(2,\)"),
        (((3,), (3,), (3,)), {}, r"x of shape \(3,\) has its channels last"),
        (((5, 3), (3,), (3,)), {"groups": NAMES[:2]}, "batch of 5 does not divide into 2 groups"),
        (((4, 3), (3,), (3,)), {"groups": ()}, "does not divide into 0 groups"),
        (((2, 3), (3,), (3,)), {"groups": NAMES[:2]}, r"a group of \(2, 3\) has 1 value a channel"),
        (((4, 3), (3,), (3,)), {"training": False}, "inference needs running statistics"),
        (((4, 3), (3,), (3,)), {"running": {}, "groups": NAMES[:2], "training": False}, "names one group"),
        (((4, 3), (3,), (3,)), {"running": running(([0], [1])), "groups": ["fake"]}, "no group 'fake'; there is real"),
        (((4, 3), (3,), (3,)), {"running": running(([0], [1])), "groups": ["fake"], "training": False}, "no group 'fake'"),
    ],
)  # fmt: skip
def test_mistakes_are_named(shapes: Any, chosen: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^batch_norm: .*{message}"):
        mg.batch_norm(*(mg.tensor(np.ones(shape)) for shape in shapes), **chosen)


@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.int64, np.int64)])
def test_mixed_dtypes_and_integers_are_named(dtypes: Any) -> None:
    x, weight = (mg.tensor(np.ones(s, t)) for s, t in zip(((4, 3), (3,)), dtypes, strict=True))
    with pytest.raises(ValueError, match=r"^batch_norm: the operands are .*int64|float32, float64"):
        mg.batch_norm(x, weight, weight)


def test_an_unknown_group_changes_no_running_statistics() -> None:
    averages = running(([0.0], [1.0]))
    one = mg.tensor([1.0], dtype=np.float64)
    with pytest.raises(ValueError, match="no group 'fake'"):
        mg.batch_norm(mg.tensor(np.ones((4, 1))), one, one, averages, ["real", "fake"])
    assert averages["real"].mean.item() == 0
