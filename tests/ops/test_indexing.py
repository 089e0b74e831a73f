"""Elements chosen by indices: values against NumPy's, gradients against central differences."""

from collections import UserList, deque
from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.ops import indexing

AXES = st.integers(-3, 2)


@st.composite
def distinct(draw: st.DrawFn) -> np.ndarray:
    """Numbers at least 0.1 apart, so that a small step changes no order."""
    shape = draw(hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=4))
    order = draw(st.permutations(range(int(np.prod(shape)))))
    return np.array(order, np.float64).reshape(shape) / 10


@settings(max_examples=30)
@given(x=distinct(), axis=AXES, data=st.data())
def test_take_along_axis(x: np.ndarray, axis: int, data: st.DataObject) -> None:
    """Negative and repeated indices, more of them than elements or fewer."""
    n = x.shape[axis]
    shape = list(x.shape)
    shape[axis] = data.draw(st.integers(1, 5))
    indices = data.draw(hnp.arrays(np.int64, tuple(shape), elements=st.integers(-n, n - 1)))
    found = mg.take_along_axis(mg.tensor(x), indices, axis)
    np.testing.assert_array_equal(found, np.take_along_axis(x, indices, axis))
    mg.check_gradients(
        lambda x: mg.take_along_axis(x, mg.tensor(indices), axis), mg.tensor(x, requires_grad=True)
    )


@settings(max_examples=30)
@given(x=distinct(), axis=AXES)
def test_sort(x: np.ndarray, axis: int) -> None:
    np.testing.assert_array_equal(mg.sort(mg.tensor(x), axis), np.sort(x, axis))
    np.testing.assert_array_equal(mg.argsort(mg.tensor(x), axis), np.argsort(x, axis))
    mg.check_gradients(lambda x: x.sort(axis), mg.tensor(x, requires_grad=True))


def test_equal_elements_keep_their_order() -> None:
    assert mg.argsort(mg.tensor([2.0, 1.0, 2.0, 1.0])).numpy().tolist() == [1, 3, 0, 2]


def test_every_operation_is_tested() -> None:
    assert oracles.operations(indexing) == {
        "argsort", "diagonal", "getitem", "nonzero", "scatter_add", "sort", "take", "take_along_axis", "trace",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x: mg.take_along_axis(x, [[2], [0]], 1),
            IndexError,
            r"^take_along_axis: .*2 elements",
        ),
        (lambda x: mg.take_along_axis(x, [[0]], 1), ValueError, r"\(2, 2\).*\(1, 1\)"),
        (lambda x: mg.take_along_axis(x, [[0.0], [1.0]], 1), ValueError, "integer"),
    ],
)
def test_wrong_indices(
    call: Callable[[mg.Tensor], mg.Tensor], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(mg.tensor(np.zeros((2, 2))))


X = np.random.default_rng(1).normal(size=(3, 4, 2))


@pytest.mark.parametrize(
    "indices", [2, [0, 0, 2], np.array([[1, 0], [2, 2]], np.uint8), np.array([], int)]
)
@pytest.mark.parametrize("axis", [0, -2, None])
def test_take(indices: object, axis: int | None) -> None:
    np.testing.assert_array_equal(mg.take(mg.tensor(X), indices, axis), np.take(X, indices, axis))
    mg.check_gradients(lambda x: mg.take(x, indices, axis), mg.tensor(X, requires_grad=True))


@pytest.mark.parametrize("offset", [-2, 0, 1, 5])
@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (2, -2)])
def test_diagonal_and_trace(offset: int, axes: tuple[int, int]) -> None:
    found = mg.diagonal(mg.tensor(X), offset, *axes)
    np.testing.assert_array_equal(found, np.diagonal(X, offset, *axes))
    np.testing.assert_allclose(mg.trace(mg.tensor(X), offset, *axes), np.trace(X, offset, *axes))
    mg.check_gradients(lambda x: mg.diagonal(x, offset, *axes), mg.tensor(X, requires_grad=True))


def test_nonzero() -> None:
    x = np.array([[0, 1.5], [2, 0]])
    for found, expected in zip(mg.nonzero(mg.tensor(x)), np.nonzero(x), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "index", [([0, 0, 2],), (slice(None), [1, 1]), (np.array([True, False, True]),), (1,)]
)
def test_scatter_add(index: tuple[object, ...]) -> None:
    values = np.random.default_rng(2).normal(size=X[index].shape)
    expected = X.copy()
    np.add.at(expected, index, values)
    np.testing.assert_array_equal(mg.scatter_add(mg.tensor(X), index, values), expected)
    mg.check_gradients(
        lambda x, v: mg.scatter_add(x, index, v),
        *(mg.tensor(a, requires_grad=True) for a in (X, values)),
    )


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint32, np.int64])
def test_an_index_of_any_dtype(dtype: object) -> None:
    x = mg.tensor(np.arange(200.0), requires_grad=True)
    index = np.array([1, 1, 120], dtype)  # type: ignore[call-overload]
    for y in (x[index], x[mg.tensor(index)], mg.take_along_axis(x, index, 0), x.take(index)):
        assert y.tolist() == [1.0, 1.0, 120.0]
        x.grad = None
        y.sum().backward()
        assert x.grad is not None and x.grad[1].item() == 2.0


def test_assignment_by_index() -> None:
    x, expected = mg.zeros((3, 4), requires_grad=True), np.zeros((3, 4), np.float32)
    with mg.no_grad():
        for index in (
            (1,),
            (slice(None), -1),
            ([0, 2], [1, 1]),
            (np.array([True, False, True]), 0),
        ):
            x[index] = mg.tensor(2.0)
            expected[index] = 2.0
    np.testing.assert_array_equal(x.numpy(), expected)
    with pytest.raises(RuntimeError, match="not differentiable"):
        x[0] = 1.0


def test_an_index_can_be_a_tensor() -> None:
    x = mg.tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)
    rows = mg.tensor(np.array([2, 0, 2]))
    x[rows, 1].backward(np.array([1.0, 2.0, 3.0]))
    expected = np.zeros((4, 3))
    expected[2, 1], expected[0, 1] = 1 + 3, 2
    np.testing.assert_array_equal(x.grad, expected)
    np.testing.assert_array_equal(x.detach()[x.detach() > 9], [10, 11])


def test_an_element_taken_twice_has_the_sum_of_both_gradients() -> None:
    for index in ([0, 0], ((0, 0),), np.array([0, 0]), ([0, 0], ...), mg.tensor(np.array([0, 0]))):
        x = mg.tensor([1.0, 2.0], requires_grad=True)
        x[index].sum().backward()
        np.testing.assert_array_equal(x.grad, [2, 0])


class Counter:
    """A number that changes after it was an index."""

    value = 0

    def __index__(self) -> int:
        return self.value


@pytest.mark.parametrize(
    "index",
    [
        range(2), deque([0, 0, 2]), UserList([2, 2]), True, False, np.True_, (True, slice(1, 3)), (None, range(2)),
        (range(2), range(1, 3)), (slice(None), range(2)), (deque([1, 1]), None, [0, 1]), (..., True), [], (),
    ],
)  # fmt: skip
def test_what_numpy_reads_as_an_index_array_is_one(index: Any) -> None:
    values = np.arange(12.0).reshape(3, 4)
    x = mg.tensor(values, requires_grad=True)
    y = x[index]
    np.testing.assert_array_equal(y.numpy(), values[index])
    (y * y).sum().backward()
    expected = np.zeros_like(values)
    places = np.arange(12).reshape(3, 4)[index]
    np.add.at(expected.reshape(-1), places, 2 * values[index])
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), expected)


def test_an_index_that_changes_after_it_was_used() -> None:
    x = mg.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    start, stop, number = mg.tensor(0), np.array(2), Counter()
    y = x[start:stop].sum() + x[number]  # type: ignore[misc]
    start.copy_(1)
    stop += 1
    number.value = 3
    y.backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), [2, 1, 0, 0])
