"""Tensors made from a shape, against NumPy's; NumPy's integers are integers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.tensor import Tensor

MAKERS: dict[str, Callable[[Any], Tensor]] = {
    "zeros": mg.zeros, "ones": mg.ones, "empty": mg.empty, "rand": mg.rand, "randn": mg.randn,
    "full": lambda shape: mg.full(shape, 2), "randint": lambda shape: mg.randint(0, 5, shape),
}  # fmt: skip


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_shapes(make: Callable[[Any], Tensor]) -> None:
    n, m = np.int64(3), np.uint8(2)
    shapes: list[tuple[Any, tuple[int, ...]]] = [
        (n, (3,)), ((n, m), (3, 2)), ([2, 3], (2, 3)), (np.array([4, 1]), (4, 1)), ((), ()), (0, (0,)),
    ]  # fmt: skip
    for given, expected in shapes:
        assert make(given).shape == expected
    for wrong in (2.5, (2, 0.5), "23", None):
        with pytest.raises(TypeError, match="a length is an integer"):
            make(wrong)
    with pytest.raises(ValueError, match="negative"):
        make((2, -1))


@pytest.mark.parametrize("name", ["zeros_like", "ones_like", "full_like"])
def test_like_another_and_of_another_dtype(name: str) -> None:
    value = [7] if name == "full_like" else []
    for like in (mg.ones((2, 0, 3), dtype=np.int8), np.ones(3), [1, 2], 5.0):
        array = np.asarray(like)
        for dtype in (None, np.float64, "uint8"):
            found = getattr(mg, name)(like, *value, dtype)
            expected = getattr(np, name)(array, *value, dtype)
            np.testing.assert_array_equal(found, expected)
            assert dtype is None or found.dtype == dtype
        assert getattr(mg, name)(like, *value, np.float64, requires_grad=True).requires_grad
    assert getattr(mg, name)(mg.ones(1, dtype=np.int8), *value).dtype == np.int8


def test_a_grid_of_lists() -> None:
    for found, expected in zip(mg.meshgrid([1, 2], [3.0]), np.meshgrid([1, 2], [3.0]), strict=True):  # type: ignore[arg-type]
        np.testing.assert_array_equal(found, expected)
    assert [t.shape for t in mg.broadcast_arrays([1], np.ones((2, 1)), 3)] == [(2, 1)] * 3  # type: ignore[arg-type]
    assert mg.meshgrid() == []


def test_eye_and_meshgrid() -> None:
    np.testing.assert_array_equal(mg.eye(2, 3, 1), np.eye(2, 3, 1))
    vectors = [np.arange(n, dtype=np.float64) for n in (2, 3, 4)]
    for indexing in ("xy", "ij"):
        found = mg.meshgrid(*map(mg.tensor, vectors), indexing=indexing)
        for a, b in zip(found, np.meshgrid(*vectors, indexing=indexing), strict=True):  # type: ignore[call-overload]
            np.testing.assert_array_equal(a, b)


def test_one_hot() -> None:
    labels = mg.tensor([[0, 2], [1, 1]])
    np.testing.assert_array_equal(mg.one_hot(labels, 3), np.eye(3)[labels.numpy()])
    with pytest.raises(ValueError, match="outside 0 … 1"):
        mg.one_hot(labels, 2)
    with pytest.raises(TypeError, match="integers"):
        mg.one_hot(mg.ones(2), 2)


def test_random_integers_and_permutations() -> None:
    mg.manual_seed(3)
    drawn = mg.randint(-2, 3, 5000).numpy()
    assert set(drawn.tolist()) == {-2, -1, 0, 1, 2} and drawn.dtype == np.int64
    assert np.abs(np.bincount(drawn + 2) / 5000 - 0.2).max() < 0.03  # five standard deviations
    first, second = mg.randperm(50).numpy(), mg.randperm(50).numpy()
    assert sorted(first.tolist()) == list(range(50)) and (first != second).any()
    with pytest.raises(ValueError, match="low < high"):
        mg.randint(3, 3, 2)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128, "datetime64[s]", object, "U3"])
def test_what_is_no_real_number_is_refused_by_name(dtype: Any) -> None:
    values = np.zeros(2, dtype)
    for call in (
        lambda: mg.tensor(values),
        lambda: mg.ones(2) * values,
        lambda: mg.ones(2).astype(dtype),
    ):
        with pytest.raises(TypeError, match=r"complex|datetime64|object|<U"):
            call()


@pytest.mark.parametrize("make", [mg.rand, mg.randn])
@pytest.mark.parametrize("dtype", ["int32", "float16", "bool"])
def test_random_numbers_are_float32_or_float64(make: Any, dtype: str) -> None:
    with pytest.raises(TypeError, match=r"float32.*float64"):
        make(3, dtype=dtype)


def test_rand_takes_whole_numbers_as_bounds() -> None:
    x = mg.rand(100, -1, 2.5).numpy()
    assert x.shape == (100,)
    assert -1 <= x.min() < 0
    assert 1 < x.max() < 2.5
