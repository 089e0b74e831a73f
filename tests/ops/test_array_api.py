"""Functions of the array API standard: NumPy's values, and gradients against numerical estimates."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from device_list import DEVICES

import minigan as mg

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4))
Y = RNG.normal(size=(3, 4))
Z = RNG.normal(size=(4, 3, 5))
EMPTY = np.zeros((2, 0, 3))

# the call, with NumPy or minigan, and its arrays; each has a gradient
CALLS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "tile a number": (lambda xp, x: xp.tile(x, 3), [X]),
    "tile with fewer counts than axes": (lambda xp, x: xp.tile(x, (2, 1)), [X]),
    "tile with more counts than axes": (lambda xp, x: xp.tile(x, (2, 1, 3)), [Y]),
    "tile no times": (lambda xp, x: xp.tile(x, (0, 2)), [Y]),
    "tile of no axes": (lambda xp, x: xp.tile(x, (2, 2)), [np.array(1.5)]),
    "repeat flattened": (lambda xp, x: xp.repeat(x, 2), [X]),
    "repeat of no axes": (lambda xp, x: xp.repeat(x, 3), [np.array(1.5)]),
    "repeat each its own times": (lambda xp, x: xp.repeat(x, [2, 0, 1], axis=1), [X]),
    "repeat one count in a list": (lambda xp, x: xp.repeat(x, [2], axis=-1), [X]),
    "roll along two axes": (lambda xp, x: xp.roll(x, (1, -2), (0, 2)), [X]),
    "roll two axes by one": (lambda xp, x: xp.roll(x, 1, (1, 2)), [X]),
    "roll twice along an axis": (lambda xp, x: xp.roll(x, (1, 2), (1, 1)), [X]),
    "moveaxis of several": (lambda xp, x: xp.moveaxis(x, (0, 2), (-1, 0)), [X]),
    "matrix_transpose": (lambda xp, x: xp.matrix_transpose(x), [X]),
    "permute_dims": (lambda xp, x: xp.permute_dims(x, (2, 0, 1)), [X]),
    "concat": (lambda xp, x, y: xp.concat([x, y[None]], axis=0), [X, Y]),
    "broadcast_arrays": (lambda xp, x, y: xp.broadcast_arrays(x, y)[1] * 2, [X, Y]),
    "vecdot": (lambda xp, x, y: xp.vecdot(x, y), [X, Y]),
    "tensordot over two": (lambda xp, x, y: xp.tensordot(x, y), [X, Y]),
    "tensordot over none": (lambda xp, x, y: xp.tensordot(x, y, 0), [Y, np.ones(2)]),
    "tensordot of named axes": (lambda xp, x, y: xp.tensordot(x, y, ([2, 1], [0, -2])), [X, Z]),
    "diff twice": (lambda xp, x: xp.diff(x, 2), [X]),
    "diff no times": (lambda xp, x: xp.diff(x, 0, 1), [X]),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CALLS)
def test_value(name: str, device: str) -> None:
    function, arrays = CALLS[name]
    found = function(mg, *(mg.tensor(a, device=device) for a in arrays)).numpy()
    expected = function(np, *arrays)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("name", [n for n in CALLS if n != "tile no times"])
def test_gradient(name: str) -> None:
    function, arrays = CALLS[name]
    mg.check_gradients(
        lambda *tensors: function(mg, *tensors), *(mg.tensor(a, requires_grad=True) for a in arrays)
    )


def test_tensordot_and_vecdot_over_any_axis_and_with_empty_ones() -> None:
    x = mg.tensor(EMPTY, requires_grad=True)
    result = mg.tensordot(x, mg.tensor(EMPTY), ([0, 1], [0, 1]))
    np.testing.assert_array_equal(result.numpy(), np.zeros((3, 3)))
    result.sum().backward()
    assert x.grad is not None and x.grad.shape == x.shape
    np.testing.assert_allclose(
        mg.vecdot(mg.tensor(X), mg.tensor(X), axis=1).numpy(), (X * X).sum(1)
    )


def test_einsum_takes_a_length_of_one_for_any_forward_and_backward() -> None:
    narrow = mg.tensor(RNG.normal(size=(1, 1, 3)), requires_grad=True)
    wide = mg.tensor(RNG.normal(size=(2, 4, 5)), requires_grad=True)
    mg.check_gradients(lambda a, b: mg.einsum("abc,bda->cd", a, b), narrow, wide)


@pytest.mark.parametrize("function", ["argmax", "argmin"])
@pytest.mark.parametrize("axis", [None, 1, -1])
def test_the_place_of_an_extreme_keeps_its_axis_if_asked(function: str, axis: Any) -> None:
    found = getattr(mg, function)(mg.tensor(X), axis=axis, keepdims=True).numpy()
    np.testing.assert_array_equal(found, getattr(np, function)(X, axis=axis, keepdims=True))


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side: str) -> None:
    row, values = np.array([0.0, 1.0, 1.0, 2.5]), np.array([[1.0, -1.0], [3.0, 2.0]])
    found = mg.searchsorted(mg.tensor(row), mg.tensor(values), side=side)
    np.testing.assert_array_equal(found.numpy(), np.searchsorted(row, values, side=side))


def test_allclose_is_one_answer() -> None:
    x = mg.tensor(X)
    assert mg.allclose(x, x + 1e-9) is True
    assert mg.allclose(x, x + 1e-3) is False
    assert mg.allclose(x * np.nan, x * np.nan, equal_nan=True) is True


def test_nextafter_moves_by_one_number() -> None:
    x = mg.tensor([1.0, -0.0, 2.0], requires_grad=True)
    y = mg.tensor([2.0, 1.0, 2.0], requires_grad=True)
    result = mg.nextafter(x, y)
    np.testing.assert_array_equal(result.numpy(), np.nextafter(x.numpy(), y.numpy()))
    result.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1.0, 1.0, 0.0]
    assert y.grad is not None and y.grad.tolist() == [0.0, 0.0, 0.0]


def test_logsumexp_of_nothing_is_minus_infinity() -> None:
    x = mg.tensor(EMPTY, requires_grad=True)
    result = mg.logsumexp(x, axis=1)
    np.testing.assert_array_equal(result.numpy(), np.full((2, 3), -np.inf))
    result.backward(mg.ones((2, 3), dtype="float64"))
    assert x.grad is not None and x.grad.shape == x.shape


def test_clip_to_a_bound_that_is_nan_has_no_gradient() -> None:
    x = mg.tensor([np.inf, 1.0], requires_grad=True)
    mg.clip(x, None, mg.tensor([np.nan, 2.0])).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: mg.einsum("ij->i", x, dim=0),
        lambda x: mg.outer(x, x, dim=0),
        lambda x: mg.tile(x, 2, dim=0),
        lambda x: mg.vecdot(x, x, dim=0),
        lambda x: mg.argmax(x, dim=0),
        lambda x: mg.categorical_log_likelihood(x, x, dim=0),
        lambda x: mg.gaussian_log_likelihood(x, x, x, dim=0),
    ],
)
def test_an_axis_by_pytorchs_name_is_advised(call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="PyTorch's 'dim' is axis here"):
        call(mg.tensor(Y))


@pytest.mark.parametrize("n", [20_000, 65_504, 65_520, 70_000])
def test_moments_of_more_terms_than_float16_counts(n: int) -> None:
    x = np.random.default_rng(n).normal(size=(n, 2)).astype(np.float16)
    for name in ("sum", "mean", "var", "std", "norm"):
        for axis in (0, 1, None):
            wide = mg.tensor(x, dtype="float64")
            found, expected = (getattr(t, name)(axis=axis) for t in (mg.tensor(x), wide))
            assert found.dtype == np.float16
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-3, atol=0.02)
    assert mg.ones((30_000, 2), dtype="float16").sum(axis=0).tolist() == [30_000, 30_000]


def test_gradients_through_float16() -> None:
    x = mg.ones(70_000, requires_grad=True)
    x.astype("float16").mean().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), np.float16(1 / 70_000))
    for name in ("exp", "softmax", "std", "layer_norm", "gelu", "logsumexp"):
        wide = mg.tensor(np.linspace(-1, 2, 12).reshape(3, 4), dtype="float32", requires_grad=True)
        gradients = []
        for dtype in ("float16", "float32"):
            wide.grad = None
            y = getattr(mg, name)(wide.astype(dtype))
            assert y.dtype == dtype
            (y * np.arange(y.size, dtype=dtype).reshape(y.shape)).sum().astype("float32").backward()
            assert wide.grad is not None
            gradients.append(wide.grad.numpy().copy())
        np.testing.assert_allclose(*gradients, rtol=0.01, atol=0.02)
    many = mg.tensor(np.random.default_rng(0).normal(size=65_520), dtype="float16")
    normal = mg.layer_norm(many).numpy().astype(float)
    assert abs(normal.std() - 1) < 1e-3


def test_exponentials_of_more_terms_than_float16_counts() -> None:
    x = mg.zeros(70_000, dtype=np.float16)
    assert mg.logsumexp(x).item() == np.float16(np.log(70_000))
    assert mg.log_softmax(x)[0].item() == np.float16(-np.log(70_000))
    assert mg.softmax(x)[0].item() == np.float16(1 / 70_000)
    assert {f(x).dtype for f in (mg.logsumexp, mg.softmax, mg.log_softmax)} == {np.dtype("float16")}
