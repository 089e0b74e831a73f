"""Layer normalization, dropout and embeddings against NumPy, gradients against differences."""

import math
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.random import Generator

RNG = np.random.default_rng(13)


def normalized(x: np.ndarray, axes: int, eps: float) -> np.ndarray:
    rows = x.reshape(*x.shape[: x.ndim - axes], math.prod(x.shape[x.ndim - axes :]))
    mean = rows.mean(-1, keepdims=True)
    deviation = rows - mean
    variance = (deviation**2).mean(-1, keepdims=True)
    return (deviation / np.sqrt(variance + eps)).reshape(x.shape)


@pytest.mark.parametrize("shape", [(3, 5), (7,), (2, 3, 4), (2, 1, 3, 5), (0, 4)])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("eps", [1e-5, 0.5])
def test_layer_norm(shape: tuple[int, ...], axes: int, eps: float) -> None:
    axes = min(axes, len(shape) - 1) or 1
    x, weight, bias = (RNG.normal(1, 2, s) for s in (shape, shape[-axes:], shape[-axes:]))
    expected = normalized(x, axes, eps) * weight + bias
    for dtype in (np.float32, np.float64):
        found = mg.layer_norm(*(mg.tensor(a.astype(dtype)) for a in (x, weight, bias)), axes, eps)  # fmt: skip
        assert found.dtype == dtype
        tolerance = 100 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(found.numpy(), expected, rtol=tolerance, atol=tolerance)
    tensors = [mg.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    mg.check_gradients(lambda x, w, b: mg.layer_norm(x, w, b, axes, eps), *tensors)
    mg.check_gradients(lambda x: mg.layer_norm(x, None, None, axes, eps), tensors[0])
    mg.check_gradients(lambda x, b: mg.layer_norm(x, None, b, axes, eps), tensors[0], tensors[2])  # fmt: skip
    mg.check_gradients(lambda x, w: mg.layer_norm(x, w, axes=axes, eps=eps), *tensors[:2])


@pytest.mark.parametrize("factor", [1e-30, 1e18, 1e30, 3e37])
def test_layer_norm_of_extreme_values(factor: float) -> None:
    rows = np.array([[1.0, 2, 4, -3], [5, 5, 5, 5]])
    x = mg.tensor((rows * factor).astype(np.float32), requires_grad=True)
    y = mg.layer_norm(x)
    y[:, 0].sum().backward()
    expected = normalized(x.numpy().astype(np.float64), 1, 1e-5)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert x.grad is not None and np.isfinite(x.grad.numpy()).all()


def test_dropout_keeps_the_mean() -> None:
    x = mg.full((200, 300), 2.0, dtype="float64", requires_grad=True)
    y = mg.dropout(x, 0.25, generator=Generator(3))
    kept = y.numpy() != 0
    assert (y.numpy()[kept] == 2 / 0.75).all()
    count, n = kept.sum(), kept.size
    assert abs(count - 0.75 * n) < 5 * np.sqrt(n * 0.25 * 0.75)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), np.where(kept, 1 / 0.75, 0))


def test_dropout_is_a_function_of_its_generator() -> None:
    x = mg.ones((50, 3))
    first, again, other = (mg.dropout(x, generator=Generator(s)).tolist() for s in (1, 1, 2))
    assert first == again != other
    generator = Generator(1)
    assert mg.dropout(x, generator=generator).tolist() == first
    assert mg.dropout(x, generator=generator).tolist() != first


def test_dropout_at_its_ends() -> None:
    x = mg.tensor([1.0, np.inf, np.nan], requires_grad=True)
    assert mg.dropout(x, training=False) is x and mg.dropout(x, 0) is x
    y = mg.dropout(x, 1.0)
    y.sum().backward()
    assert y.tolist() == [0, 0, 0] and x.grad is not None and x.grad.tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (0,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_embedding(shape: tuple[int, ...], dtype: Any) -> None:
    table = RNG.normal(size=(5, 3))
    indices = np.asarray(RNG.integers(0, 5, shape), dtype)
    weight = mg.tensor(table, requires_grad=True)
    for given in (indices, indices.tolist() if shape != (0,) else indices, mg.tensor(indices)):
        found = mg.embedding(given, weight)
        assert found.shape == (*shape, 3)
        for at in np.ndindex(*shape):
            assert (found.numpy()[at] == table[indices[at]]).all()
    mg.check_gradients(lambda w: mg.embedding(indices, w), weight)


def test_a_row_that_is_taken_twice_gets_both_gradients() -> None:
    weight = mg.zeros((3, 2), requires_grad=True)
    mg.embedding([2, 0, 2, 2], weight).sum().backward()
    assert weight.grad is not None and weight.grad.tolist() == [[1, 1], [0, 0], [3, 3]]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: mg.layer_norm(x, mg.ones(2)), ValueError, "shape"),
        (lambda x: mg.layer_norm(x, axes=3), ValueError, "1 … 2"),
        (lambda x: mg.layer_norm(x, eps=-1), ValueError, "at least 0"),
        (lambda x: mg.dropout(x, 1.5), ValueError, "probability"),
        (lambda x: mg.dropout(mg.ones(3, dtype="int64"), 0.5), TypeError, "int64"),
        (lambda x: mg.embedding([0, 2], x), IndexError, "0 … 1"),
        (lambda x: mg.embedding([-1], x), IndexError, "0 … 1"),
        (lambda x: mg.embedding([0.5], x), TypeError, "float64"),
        (lambda x: mg.embedding([True], x), TypeError, "bool"),
    ],
)
def test_what_cannot_be_meant_is_refused(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(mg.ones((2, 3)))
