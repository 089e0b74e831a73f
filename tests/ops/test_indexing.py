"""Elements chosen by indices: values against NumPy's, gradients against central differences."""

from collections.abc import Callable

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
    assert oracles.operations(indexing) == {"argsort", "getitem", "sort", "take_along_axis"}


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
