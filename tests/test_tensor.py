"""Operators, dtypes, and how values come into a tensor and leave it."""

import operator
from typing import Any

import numpy as np
import pytest
from graphs import assert_grad, leaf

import minigan as mg
from minigan.tensor import Tensor

BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow,
    operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip
A = np.array([[1.5, 2.0, 0.5], [3.0, 1.0, 2.5]])
B = np.array([1.5, 0.5, 2.0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
@pytest.mark.parametrize("scalar", [2.0, 2, np.float32(2)], ids=lambda v: type(v).__name__)
def test_binary_operators_are_numpys(op: Any, dtype: Any, scalar: Any) -> None:
    a, b = A.astype(dtype), B.astype(dtype)
    for left, right in [(a, b), (b, a), (a, scalar), (scalar, a)]:
        expected = op(left, right)
        wrapped = [mg.tensor(v) if isinstance(v, np.ndarray) else v for v in (left, right)]
        mixtures = [wrapped]
        if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
            mixtures += [[wrapped[0], right], [left, wrapped[1]]]  # ndarray*tensor asks the tensor
        for x, y in mixtures:
            result = op(x, y)
            assert isinstance(result, Tensor)
            assert result.dtype == expected.dtype
            np.testing.assert_array_equal(result.numpy(), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matrix_product_operator(dtype: Any) -> None:
    a, b = A.astype(dtype), A.T.astype(dtype)
    for x, y in [(mg.tensor(a), mg.tensor(b)), (mg.tensor(a), b), (a, mg.tensor(b))]:
        result = x @ y
        assert isinstance(result, Tensor) and result.dtype == dtype
        np.testing.assert_allclose(result.numpy(), a @ b, rtol=1e-6)


def test_unary_operators_and_transpose() -> None:
    x = mg.tensor(A - 2)
    for result, expected in [(-x, 2 - A), (abs(x), abs(A - 2)), (x.T, (A - 2).T)]:
        assert isinstance(result, Tensor)
        np.testing.assert_array_equal(result.numpy(), expected)


def test_reflected_operators_pass_gradients() -> None:
    for function, derivative in [
        (lambda x: 3.0 + x, 1.0),
        (lambda x: 3.0 - x, -1.0),
        (lambda x: 3.0 * x, 3.0),
        (lambda x: 3.0 / x, -0.75),
        (lambda x: 3.0**x, 9 * np.log(3.0)),
        (lambda x: np.array([3.0]) * x, 3.0),
        (lambda x: np.array([[3.0]]) @ x.reshape(1, 1), 3.0),
    ]:
        x = leaf(2.0)
        function(x).backward()
        assert_grad(x, derivative)


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        ([1.0, 2.0], np.float32),
        ([[1.0], [2]], np.float32),
        (3, np.int64),
        ([1, 2], np.int64),
        ([True, False], np.bool_),
        (np.ones(2), np.float64),
        (np.ones(2, np.float32), np.float32),
        (np.float64(1.5), np.float64),
        (np.ones(2, np.uint8), np.uint8),
        (mg.tensor(np.ones(2)), np.float64),
    ],
)
def test_arrays_keep_their_dtype_and_python_floats_are_float32(data: Any, dtype: Any) -> None:
    assert mg.tensor(data).dtype == dtype
    assert mg.tensor(data, dtype=np.float64).dtype == np.float64


def test_a_tensor_copies_its_data() -> None:
    array = np.zeros(2)
    x = mg.tensor(array)
    y = mg.tensor(x)
    array[:] = 1
    x.copy_([2.0, 2.0])
    assert x.numpy().tolist() == [2.0, 2.0]
    assert y.numpy().tolist() == [0.0, 0.0]


def test_scalars_do_not_promote_float32() -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = (2.0 * x + 1) ** 2 / 3.5 - 0.1
    assert y.dtype == np.float32
    loss = y.mean() * 2.0
    assert loss.dtype == np.float32
    loss.backward()
    assert x.grad is not None and x.grad.dtype == np.float32


def test_a_mixed_expression_gives_each_its_own_dtype() -> None:
    x, w = mg.tensor([1.0, 2.0], requires_grad=True), leaf(3.0, 4.0)
    y = x * w
    assert y.dtype == np.float64
    y.sum().backward()
    assert_grad(x, 3.0, 4.0)
    assert_grad(w, 1.0, 2.0)


def test_numpy_is_the_tensors_own_memory() -> None:
    x = leaf(1.0, 2.0)
    x.detach().numpy()[0] = 5.0
    assert x.numpy().tolist() == [5.0, 2.0]
    with pytest.raises(TypeError, match="NumPy would lose its gradient"):
        np.asarray(x)
    assert np.asarray(x.detach()).tolist() == [5.0, 2.0]
    assert np.array(x.detach(), dtype=np.float32).dtype == np.float32


def test_numpy_of_what_a_graph_may_have_saved_is_read_only() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    for tensor in (x, y):
        with pytest.raises(ValueError, match="read-only"):
            tensor.numpy()[0] = 5.0
    y.sum().backward()
    assert_grad(x, 2.0, 4.0)
    mg.tensor([1.0]).numpy()[0] = 5.0


def test_item() -> None:
    for value in (2.5, [2.5], [[2.5]]):
        assert mg.tensor(value).item() == 2.5
    assert type(mg.tensor(3).item()) is int
    assert type(mg.tensor([1.0]).item()) is float
    assert mg.tensor([1.0]) > 0
    assert not mg.tensor([1.0]) > 2
    assert float(mg.tensor(2.5)) == 2.5
    assert int(mg.tensor(2.5)) == 2
    with pytest.raises(ValueError, match=r"shape \(2,\) has 2 elements, not 1"):
        mg.tensor([1.0, 2.0]).item()


def test_shape_size_and_iteration() -> None:
    x = mg.tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    assert (x.shape, x.ndim, x.size, len(x)) == ((3, 2), 2, 6, 3)
    assert [row.numpy().tolist() for row in x] == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    first, *_ = x
    first.sum().backward()
    assert_grad(x, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    for use in (len, iter):
        with pytest.raises(TypeError, match="0-dimensional"):
            use(mg.tensor(1.0))


def test_repr() -> None:
    assert repr(mg.tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
    assert repr(leaf(1.0)) == "tensor([1.], dtype=float64, requires_grad=True)"
    y = mg.tensor([1.0], requires_grad=True) * 2
    assert repr(y) == "tensor([2.], made by multiply, requires_grad=True)"


class Foreign:
    """Another library's array: nothing but the DLPack protocol."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **settings: Any) -> Any:
        return self.array.__dlpack__(**settings)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def test_dlpack_shares_memory_both_ways() -> None:
    array = np.array([1.0, 2.0])
    x = mg.from_dlpack(Foreign(array))
    array[0] = 5.0
    assert x.numpy().tolist() == [5.0, 2.0]
    exported = np.from_dlpack(Foreign(x))
    x.zero_()
    assert exported.tolist() == [0.0, 0.0]
    assert x.__dlpack_device__() == (1, 0)  # kDLCPU
    y = x.requires_grad_()
    (y * 3).sum().backward()
    assert_grad(y, 3.0, 3.0)


def test_an_exported_array_keeps_its_memory() -> None:
    device = mg.get_device("cpu")
    x = Tensor(device.ones((100, 100), np.float64), device)
    exported = np.from_dlpack(x)
    del x
    others = [device.zeros((100, 100), np.float64) for _ in range(4)]
    assert exported.all() and not any(o.any() for o in others)
