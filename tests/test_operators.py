"""Python's operators have their usual meaning."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigan as mg

AUGMENTED: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(operator, name)
    for name in ("iadd", "isub", "imul", "itruediv", "ipow", "ifloordiv", "imod", "imatmul")
}
BITS = {name: getattr(operator, name) for name in ("iand", "ior", "ixor", "ilshift", "irshift")}


def test_equality_is_elementwise() -> None:
    labels, x = mg.tensor([1, 3]), mg.tensor([1.0, 2.0])
    assert (labels == 3).tolist() == [False, True] and (labels != 3).tolist() == [True, False]
    assert x[labels == 3].tolist() == [2.0]
    assert (np.array([1.0, 3.0]) == x).tolist() == [True, False]
    assert bool(mg.tensor(np.nan) != mg.tensor(np.nan))
    assert 1.0 in x and 5.0 not in x
    assert len({x, x, labels}) == 2 and {x: 1}[x] == 1


def test_no_element_is_none() -> None:
    x = mg.arange(3)
    assert (x == None).tolist() == [False] * 3  # noqa: E711
    assert (x != None).tolist() == [True] * 3  # noqa: E711
    assert (x == "a").tolist() == [False] * 3 and "a" not in x
    assert mg.tensor([1.0]) not in [None, object()]


def test_a_range_is_an_operand() -> None:
    assert (mg.arange(3) * range(3)).tolist() == [0, 1, 4]


@pytest.mark.parametrize("name", AUGMENTED | BITS)
def test_augmented_assignment_writes_in_place(name: str) -> None:
    dtype = np.int64 if name in BITS else np.float64
    values, other = np.array([[4, 2], [3, 5]], dtype), np.array([[2, 1], [1, 2]], dtype)
    x = view = mg.tensor(values)
    x = (AUGMENTED | BITS)[name](x, mg.tensor(other))
    assert x is view
    np.testing.assert_array_equal(x, (AUGMENTED | BITS)[name](values, other), strict=True)


@pytest.mark.parametrize("name", AUGMENTED)
def test_augmented_assignment_in_a_graph_is_refused(name: str) -> None:
    function, one = AUGMENTED[name], mg.ones((1, 1))
    leaf = mg.ones((1, 1), requires_grad=True)
    for x, other in ((leaf, one), (leaf * 2, one), (one, leaf)):
        with pytest.raises(RuntimeError, match=r"in place.*no_grad"):
            function(x, other)
    with mg.no_grad():
        assert function(leaf, mg.full((1, 1), 1)) is leaf


def test_a_parameter_is_updated_and_its_graph_notices() -> None:
    p = mg.tensor([1.0, 2.0], requires_grad=True)
    loss = (p * p).sum()
    loss.backward()
    later = (p * p).sum()
    with mg.no_grad():
        p -= 0.1 * p.grad
    np.testing.assert_allclose(p.numpy(), [0.8, 1.6], rtol=1e-6)
    with pytest.raises(RuntimeError, match="changed in place"):
        later.backward()


def test_what_does_not_fit_in_place_is_refused() -> None:
    with pytest.raises(TypeError, match="float64 of shape"):
        operator.iadd(mg.tensor([1, 2]), 0.5)
    with pytest.raises(TypeError, match=r"shape \(2, 2\)"):
        operator.iadd(mg.ones(2), mg.ones((2, 2)))
    with pytest.raises(ValueError, match="read"):
        operator.iadd(mg.from_dlpack(np.broadcast_to(np.float32(1), (2,))), 1)


def test_unary_operators_and_numbers() -> None:
    x = mg.tensor([1.5, -2.5])
    assert (+x).tolist() == [1.5, -2.5] and (+x) is not x
    assert (~mg.tensor([True, False])).tolist() == [False, True]
    assert (~mg.tensor([0, 5])).tolist() == [-1, -6]
    assert round(x).tolist() == [2.0, -2.0]
    assert f"{mg.tensor(2.0):.3f}" == "2.000" and f"{mg.tensor([2])[0]:03d}" == "002"
    assert f"{x}" == str(x)
    with pytest.raises(TypeError, match="one element, not 2"):
        f"{x:.3f}"
    assert (
        [10, 20, 30][mg.tensor(2)] == 30
        and int(mg.tensor(2.7)) == 2
        and bool(mg.tensor([0])) is False
    )
    for wrong in (mg.tensor(1.0), mg.tensor([1])):
        with pytest.raises(TypeError, match="integer scalar"):
            operator.index(wrong)
    for many in (x, mg.zeros(0)):
        with pytest.raises(ValueError, match="any"):
            bool(many)


def test_iteration_is_linear_in_backward() -> None:
    """The gradients of n rows are added to one array: n rows cost n, not n², of memory and of time."""
    x = mg.tensor(np.ones((3000, 500)), requires_grad=True)
    total = sum((row.sum() for row in x), start=mg.tensor(0.0, dtype="float64"))
    total.backward()  # n arrays of x's size would be 36 GB written
    assert x.grad is not None and (x.grad.numpy() == 1).all()
