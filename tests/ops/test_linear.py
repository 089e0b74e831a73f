"""Matrix products: values exact on whole numbers, gradients against differences, float32 within its roundings."""

from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import oracles
import pytest
from bounds import assert_rounded_once_a_term
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Example, arrays

import minigan as mg
from minigan.devices.cpu import threads as cpu_threads
from minigan.ops import linear

FLOATS = (np.float32, np.float64)
SIDE = st.integers(1, 4)


@st.composite
def matmul(draw: st.DrawFn, fill: oracles.Fill = oracles.normal) -> Example:
    """Matrices, vectors, and stacks of matrices that broadcast."""
    m, k, n = draw(SIDE), draw(SIDE), draw(SIDE)
    stacks = draw(
        st.sampled_from(
            [((), ()), ((2,), (2,)), ((2,), ()), ((), (3,)), ((2, 1), (3,)), ((1,), (2,))]
        )
    )
    a, b = (*stacks[0], m, k), (*stacks[1], k, n)
    if not stacks[0] and draw(st.booleans()):
        a = (k,)
    if not stacks[1] and draw(st.booleans()):
        b = (k,)
    return Example(mg.matmul, (draw(arrays(a, fill)), draw(arrays(b, fill))), np.matmul)


@st.composite
def dense(draw: st.DrawFn, fill: oracles.Fill = oracles.normal) -> Example:
    """`linear` of one axis of rows or more, or of no rows, with a bias or without, and an activation or none."""
    rows = draw(hnp.array_shapes(max_dims=3, min_side=0, max_side=3))
    k, n = draw(SIDE), draw(SIDE)
    x, w = draw(arrays((*rows, k), fill)), draw(arrays((k, n), fill))
    if draw(st.booleans()):
        return Example(mg.linear, (x, w), lambda x, w: x @ w)
    slope = draw(st.sampled_from([1.0, 0.5, 0.0]))
    if slope != 1:
        bias = oracles.off_the_kink(x @ w) if fill is oracles.normal else draw(arrays((n,), fill))
        return Example(
            lambda *inputs: mg.linear(*inputs, negative_slope=slope), (x, w, bias),
            lambda x, w, b: oracles.leaky_relu(x @ w + b, slope),
        )  # fmt: skip
    return Example(mg.linear, (x, w, draw(arrays((n,), fill))), lambda x, w, b: x @ w + b)


GRADIENTS: dict[str, Callable[..., st.SearchStrategy[Example]]] = {
    "linear": dense,
    "matmul": matmul,
}


def test_every_operation_has_a_gradient_test() -> None:
    assert oracles.operations(linear) == GRADIENTS.keys()


@pytest.mark.parametrize("name", GRADIENTS)
@settings(max_examples=40)
@given(data=st.data())
def test_gradient(name: str, data: st.DataObject) -> None:
    oracles.check_every_gradient(data.draw(GRADIENTS[name]()))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", GRADIENTS)
@settings(max_examples=30)
@given(data=st.data())
def test_value_of_whole_numbers_is_exact(name: str, dtype: Any, data: st.DataObject) -> None:
    example = data.draw(GRADIENTS[name](oracles.whole))
    found = example.function(*(oracles.wrap(x.astype(dtype, order="K")) for x in example.inputs))
    assert example.reference is not None
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, example.reference(*example.inputs), strict=False)
    assert found.shape == example.reference(*example.inputs).shape


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 200, 5), (130, 7, 1), (1, 64, 300), (67, 150, 71)]
)
def test_float32_rounds_once_a_term(shape: tuple[int, int, int]) -> None:
    """Value and gradients; the matrices are too large for one thread's tile, or too small for two."""
    m, k, n = shape
    rng = np.random.default_rng(m)
    x, w, b, dy = (
        rng.standard_normal(s).astype(np.float32) for s in ((m, k), (k, n), (n,), (m, n))
    )
    y = mg.linear(*map(mg.tensor, (x, w, b))).numpy()
    dx, dw, db = oracles.gradients(mg.linear, [x, w, b], dy)
    assert_rounded_once_a_term(y, lambda x, w, b: x @ w + b, (x, w, b), k + 1)
    assert_rounded_once_a_term(dx, lambda dy, w: dy @ w.T, (dy, w), n)
    assert_rounded_once_a_term(dw, lambda x, dy: x.T @ dy, (x, dy), m)
    assert_rounded_once_a_term(db, lambda dy: dy.sum(axis=0), (dy,), m)


def test_a_transposed_operand_is_read_as_it_lies() -> None:
    a, b = np.arange(6.0).reshape(3, 2), np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(mg.tensor(a).T @ mg.tensor(b).T, a.T @ b.T)
    expected = np.ones((2, 4)) @ b
    (gradient, _) = oracles.gradients(lambda a, b: a.T @ b.T, [a, b], np.ones((2, 4)))
    np.testing.assert_array_equal(gradient, expected.T)


@pytest.mark.parametrize("threads", [1, 2, 7, 40])
def test_the_number_of_threads_does_not_change_a_product(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    """Tiles are rows, columns or both; the last ones of 40 are empty."""
    monkeypatch.setattr(cpu_threads, "thread_count", lambda: threads)
    x, w = (oracles.whole(np.random.default_rng(0), s) for s in ((33, 17), (17, 5)))
    np.testing.assert_array_equal(mg.linear(mg.tensor(x), mg.tensor(w)), x @ w)
    dx, dw, db = oracles.gradients(mg.linear, [x, w, np.zeros(5)], x @ w)
    np.testing.assert_array_equal(dx, x @ w @ w.T)
    np.testing.assert_array_equal(dw, x.T @ x @ w)
    np.testing.assert_array_equal(db, (x @ w).sum(axis=0))


def test_products_over_nothing_are_0() -> None:
    found = mg.tensor(np.ones((2, 0))) @ mg.tensor(np.ones((0, 3)))
    np.testing.assert_array_equal(found, np.zeros((2, 3)))


x23, w34 = np.zeros((2, 3)), np.zeros((3, 4))


@pytest.mark.parametrize(
    ("operation", "operands", "message"),
    [
        (mg.matmul, (x23, x23), r"^matmul: .*columns.*\(2, 3\) and \(2, 3\)"),
        (mg.matmul, (np.zeros((5, 2, 3)), x23), r"^matmul: .*\(5, 2, 3\) and \(2, 3\)"),
        (mg.linear, (x23, x23), r"^linear: .*\(2, 3\) and \(2, 3\)"),
        (mg.linear, (np.zeros((5, 2, 3)), x23), r"^linear: .*\(5, 2, 3\) and \(2, 3\)"),
        (mg.linear, (np.zeros(3), w34), r"^linear: .*\(3,\) and \(3, 4\)"),
        (mg.linear, (x23, w34, np.zeros(3)), r"^linear: b .*\(2, 3\) and \(3, 4\) and \(3,\)"),
        (mg.linear, (x23, w34.astype(np.float32)), r"^linear: .*float32, float64"),
        (mg.linear, (x23.astype(int), w34.astype(int)), r"^linear: .*int64"),
    ],
)
def test_mistakes_are_named(operation: Callable[..., Any], operands: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        operation(*map(mg.tensor, operands))


@pytest.mark.parametrize("pair", [(np.float32, np.float64), (np.int64, np.float32)])
def test_a_product_of_two_dtypes_is_numpy_s(pair: Any) -> None:
    a, b = np.ones((2, 3), pair[0]), np.ones((3, 2), pair[1])
    found = mg.tensor(a) @ mg.tensor(b, requires_grad=True)
    assert found.dtype == (a @ b).dtype
    np.testing.assert_array_equal(found.detach(), a @ b)


def test_a_dtype_that_has_no_kernel_is_numpys() -> None:
    a, b = np.ones((2, 3), np.float16), np.ones((3, 4), np.float16)
    product = mg.matmul(mg.tensor(a), mg.tensor(b))
    np.testing.assert_array_equal(product.numpy(), a @ b)
    assert product.dtype == np.float16


@pytest.mark.parametrize(
    ("rows", "features", "results"), [((2,), 0, 4), ((2,), 3, 0), ((0,), 0, 0), ((2, 0), 3, 4), ((2, 3), 0, 4)]
)  # fmt: skip
@pytest.mark.parametrize("negative_slope", [0.0, 1.0])
def test_no_rows_no_features_and_no_results(
    rows: tuple[int, ...], features: int, results: int, negative_slope: float
) -> None:
    x, w, b = (
        mg.full(shape, 2, requires_grad=True)
        for shape in ((*rows, features), (features, results), (results,))
    )
    y = mg.linear(x, w, b, negative_slope=negative_slope)
    np.testing.assert_array_equal(y.numpy(), np.full((*rows, results), 2 + 4 * features))
    y.sum().backward()
    n = int(np.prod(rows))
    for tensor, slope in ((x, 2 * results), (w, 2 * n), (b, n)):
        assert tensor.grad is not None
        np.testing.assert_array_equal(tensor.grad.numpy(), np.full(tensor.shape, slope))
