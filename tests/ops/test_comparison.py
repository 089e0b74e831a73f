"""Questions about elements, without a gradient: values and dtypes against NumPy's."""

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigan as mg
from minigan.ops import comparison, rounding

SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, max_side=4)
FLOATS = (np.float32, np.float64)
HALVES = st.sampled_from([-1.5, -1, -0.5, 0, -0.0, 0.5, 1, 1.5, np.nan, np.inf, -np.inf])

OPERANDS: dict[str, int] = {
    **dict.fromkeys(("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"), 2),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor", "isclose", "floor_divide"), 2),
    **dict.fromkeys(("logical_not", "isfinite", "isinf", "isnan", "signbit"), 1),
    **dict.fromkeys(("sign", "floor", "ceil", "round", "trunc"), 1),
}
BITS = {
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), 2),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift"), 2),
    "bitwise_invert": 1,
}
REDUCTIONS = ("all", "any", "count_nonzero")


def test_every_operation_is_tested() -> None:
    tested = OPERANDS.keys() | BITS.keys() | set(REDUCTIONS)
    elsewhere = {"allclose", "nextafter", "remainder", "searchsorted"}
    assert oracles.operations(comparison) | oracles.operations(rounding) == tested | elsewhere


@pytest.mark.parametrize("name", OPERANDS)
def test_an_operation_without_gradient_ends_the_graph(name: str) -> None:
    x = mg.tensor([1.5, -0.5], requires_grad=True)
    assert not getattr(mg, name)(*[x] * OPERANDS[name]).requires_grad


@pytest.mark.parametrize("name", OPERANDS)
@pytest.mark.filterwarnings("ignore:(invalid|divide)")
@settings(max_examples=10)
@given(data=st.data())
def test_value(name: str, data: st.DataObject) -> None:
    """On halves, which have ties, whole numbers and zeros among them; NaN and infinity too."""
    dtype, shape = data.draw(st.sampled_from(FLOATS)), data.draw(SHAPES)
    operands = [data.draw(hnp.arrays(dtype, shape, elements=HALVES)) for _ in range(OPERANDS[name])]
    found = getattr(mg, name)(*(oracles.wrap(x) for x in operands))
    expected = np.asarray(getattr(np, name)(*operands))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", BITS)
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_bits(name: str, dtype: Any) -> None:
    operands = [np.array([0, 1, 5, 6], dtype), np.array([3, 2, 1, 0], dtype)][: BITS[name]]
    found = getattr(mg, name)(*(oracles.wrap(x) for x in operands))
    np.testing.assert_array_equal(found, getattr(np, name)(*operands), strict=True)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), [1, -1], ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_reduction(name: str, axis: Any, keepdims: bool) -> None:
    x = np.random.default_rng(0).integers(0, 2, (3, 2, 4)).astype(np.float32)
    found = getattr(mg, name)(oracles.wrap(x), axis=axis, keepdims=keepdims)
    expected = getattr(np, name)(
        x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims
    )
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", [*OPERANDS, *BITS])
def test_an_operand_too_many_is_refused(name: str) -> None:
    count = (OPERANDS | BITS)[name]
    ones = [mg.ones(2, dtype=np.int64) for _ in range(3)]
    with pytest.raises(TypeError):
        getattr(mg, name)(*ones[: count + 1])
    assert all(t.tolist() == [1, 1] for t in ones)
