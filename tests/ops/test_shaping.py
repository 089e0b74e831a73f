"""Operations that move elements: values against NumPy, gradients against central differences."""

from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Array, Example, arrays

import minigan as mg
from minigan.ops import joining, shaping

SHAPES = hnp.array_shapes(max_dims=4, max_side=3)
MAYBE_SCALAR_SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, max_side=3)


def axis_of(array: Array, more: int = 0) -> st.SearchStrategy[int]:
    """An axis counted from either end; `more` axes are still to come."""
    ndim = array.ndim + more
    return st.integers(-ndim, ndim - 1)


def like(
    name: str, x: Array, *arguments: Any, reference: Callable[..., Array] | None = None
) -> Example:
    """minigan's function of that name and NumPy's, with the same arguments."""
    function, numpy_function = getattr(mg, name), reference or getattr(np, name)
    return Example(lambda x: function(x, *arguments), (x,), lambda x: numpy_function(x, *arguments))


@st.composite
def reshape(draw: st.DrawFn) -> Example:
    x = draw(arrays(draw(MAYBE_SCALAR_SHAPES)))
    shape = [*draw(st.permutations(x.shape)), 1]
    if draw(st.booleans()):
        shape[draw(st.integers(0, x.ndim))] = -1
    return like("reshape", x, shape)


@st.composite
def flatten(draw: st.DrawFn) -> Example:
    x = draw(arrays(draw(SHAPES)))
    start = draw(axis_of(x))
    return like("flatten", x, start, reference=lambda x, a: x.reshape(*x.shape[:a], -1))


@st.composite
def transpose(draw: st.DrawFn) -> Example:
    x = draw(arrays(draw(MAYBE_SCALAR_SHAPES)))
    order = draw(st.permutations(range(x.ndim)))
    from_the_end = [axis - x.ndim for axis in order]
    return like("transpose", x, *draw(st.sampled_from([[], [order], [from_the_end]])))


@st.composite
def two_axes(draw: st.DrawFn, name: str) -> Example:
    x = draw(arrays(draw(SHAPES)))
    return like(name, x, draw(axis_of(x)), draw(axis_of(x)))


@st.composite
def squeeze(draw: st.DrawFn) -> Example:
    shape = draw(st.lists(st.sampled_from([1, 1, 2, 3]), max_size=4))
    x = draw(arrays(tuple(shape)))
    ones = [axis for axis, n in enumerate(shape) if n == 1]
    some = tuple(draw(st.lists(st.sampled_from(ones), unique=True))) if ones else ()
    return like(
        "squeeze", x, draw(st.sampled_from([None, some, *ones, *[a - x.ndim for a in ones]]))
    )


@st.composite
def expand_dims(draw: st.DrawFn) -> Example:
    x = draw(arrays(draw(MAYBE_SCALAR_SHAPES)))
    axes = draw(hnp.valid_tuple_axes(x.ndim + 2, min_size=2, max_size=2))
    return like("expand_dims", x, draw(axis_of(x, more=1) | st.just(axes)))


@st.composite
def broadcast_to(draw: st.DrawFn) -> Example:
    shape = draw(MAYBE_SCALAR_SHAPES)
    narrow = [draw(st.sampled_from([1, n])) for n in shape][draw(st.integers(0, len(shape))) :]
    return like("broadcast_to", draw(arrays(tuple(narrow))), shape)


@st.composite
def getitem(draw: st.DrawFn) -> Example:
    """Slices, integers, None and ..., arrays of integers (which take elements twice), masks, mixtures."""
    x = draw(arrays(draw(SHAPES)))
    n = x.shape[0]
    some = draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=4))
    others: list[Any] = [some, np.array(some), (some, ...), (None, some[0]), np.int64(some[0])]
    if x.ndim > 1:
        others += [(tuple(some), 0), (some, slice(1)), (slice(None), [0, 0])]
    index = draw(
        hnp.basic_indices(x.shape, allow_newaxis=True, allow_ellipsis=True)
        | hnp.integer_array_indices(x.shape)
        | hnp.arrays(bool, x.shape)
        | st.sampled_from(others)
    )
    return Example(lambda x: mg.getitem(x, index), (x,), lambda x: x[index])


@st.composite
def concatenate(draw: st.DrawFn) -> Example:
    shape = draw(SHAPES)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    around = (shape[: axis % len(shape)], shape[axis % len(shape) + 1 :])
    inputs = tuple(draw(arrays((*around[0], n, *around[1]))) for n in lengths)
    return Example(lambda *x: mg.concatenate(x, axis), inputs, lambda *x: np.concatenate(x, axis))


@st.composite
def stack(draw: st.DrawFn) -> Example:
    shape = draw(MAYBE_SCALAR_SHAPES)
    inputs = tuple(draw(arrays(shape)) for _ in range(draw(st.integers(1, 3))))
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    return Example(lambda *x: mg.stack(x, axis), inputs, lambda *x: np.stack(x, axis))


@st.composite
def split(draw: st.DrawFn) -> Example:
    """The pieces in reverse order, so that one that is cut wrongly shows."""
    x = draw(arrays(draw(SHAPES)))
    axis = draw(axis_of(x))
    divisors = [n for n in range(1, x.shape[axis] + 1) if x.shape[axis] % n == 0]
    positions = st.lists(st.integers(0, x.shape[axis]), max_size=3).map(sorted)
    sections = draw(st.sampled_from(divisors) | positions)
    return Example(
        lambda x: mg.concatenate(mg.split(x, sections, axis)[::-1], axis),
        (x,),
        lambda x: np.concatenate(np.split(x, sections, axis)[::-1], axis),
    )


@st.composite
def pad(draw: st.DrawFn) -> Example:
    x = draw(arrays(draw(SHAPES)))
    widths = [draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in x.shape]
    value = draw(st.sampled_from([0.0, -1.5]))
    return Example(
        lambda x: mg.pad(x, widths, value), (x,), lambda x: np.pad(x, widths, constant_values=value)
    )


@st.composite
def flip(draw: st.DrawFn) -> Example:
    x = draw(arrays(draw(SHAPES)))
    return like("flip", x, draw(st.none() | axis_of(x) | hnp.valid_tuple_axes(x.ndim)))


@st.composite
def roll(draw: st.DrawFn) -> Example:
    x = draw(arrays(draw(SHAPES)))
    return like("roll", x, draw(st.integers(-5, 5)), draw(st.none() | axis_of(x)))


@st.composite
def repeat(draw: st.DrawFn) -> Example:
    x = draw(arrays(draw(SHAPES)))
    return like("repeat", x, draw(st.integers(1, 3)), draw(st.none() | axis_of(x)))


@st.composite
def tile(draw: st.DrawFn) -> Example:
    x = draw(arrays(draw(MAYBE_SCALAR_SHAPES)))
    counts = st.integers(1, 3)
    return like("tile", x, draw(counts | st.lists(counts, min_size=1, max_size=4).map(tuple)))


@st.composite
def matrix_transpose(draw: st.DrawFn) -> Example:
    shape = (*draw(MAYBE_SCALAR_SHAPES), draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    return like("matrix_transpose", draw(arrays(shape)))


@st.composite
def broadcast_arrays(draw: st.DrawFn) -> Example:
    shape = draw(SHAPES)
    inputs = tuple(draw(arrays(shape[i:])) for i in range(draw(st.integers(1, len(shape)))))
    return Example(
        lambda *x: mg.stack(mg.broadcast_arrays(*x)),
        inputs,
        lambda *x: np.stack(np.broadcast_arrays(*x)),
    )


@st.composite
def unstack(draw: st.DrawFn) -> Example:
    x = draw(arrays(draw(SHAPES)))
    axis = draw(axis_of(x))
    return Example(
        lambda x: mg.concatenate([t.flatten() for t in mg.unstack(x, axis)]),
        (x,),
        lambda x: np.moveaxis(x, axis, 0).ravel(),
    )


GRADIENTS: dict[str, st.SearchStrategy[Example]] = {
    "broadcast_arrays": broadcast_arrays(),
    "broadcast_to": broadcast_to(),
    "concatenate": concatenate(),
    "expand_dims": expand_dims(),
    "flatten": flatten(),
    "flip": flip(),
    "getitem": getitem(),
    "matrix_transpose": matrix_transpose(),
    "moveaxis": two_axes("moveaxis"),
    "pad": pad(),
    "repeat": repeat(),
    "reshape": reshape(),
    "roll": roll(),
    "split": split(),
    "squeeze": squeeze(),
    "stack": stack(),
    "swapaxes": two_axes("swapaxes"),
    "tile": tile(),
    "transpose": transpose(),
    "unstack": unstack(),
}


def test_every_operation_has_a_gradient_test() -> None:
    found = oracles.operations(shaping) | oracles.operations(joining)
    assert found | {"getitem"} == GRADIENTS.keys()


@pytest.mark.parametrize("name", GRADIENTS)
@settings(max_examples=30)
@given(data=st.data())
def test_gradient(name: str, data: st.DataObject) -> None:
    oracles.check_every_gradient(data.draw(GRADIENTS[name]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("name", GRADIENTS)
@settings(max_examples=20)
@given(data=st.data())
def test_value(name: str, dtype: Any, data: st.DataObject) -> None:
    example = data.draw(GRADIENTS[name])
    inputs = [(10 * x).astype(dtype) for x in example.inputs]
    found = example.function(*map(oracles.wrap, inputs))
    assert example.reference is not None
    expected = example.reference(*inputs)
    assert found.dtype == dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", GRADIENTS)
@settings(max_examples=10)
@given(data=st.data())
def test_gradient_in_float32(name: str, data: st.DataObject) -> None:
    """Gradients are moved and added up; of small whole numbers, exactly."""
    function, inputs, _ = data.draw(GRADIENTS[name])
    dy = oracles.whole(np.random.default_rng(0), function(*map(oracles.wrap, inputs)).shape)
    narrow = [x.astype(np.float32) for x in inputs]
    pairs = zip(
        oracles.gradients(function, narrow, dy),
        oracles.gradients(function, inputs, dy),
        strict=True,
    )
    for found, expected in pairs:
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)


def test_lengths_can_be_given_one_by_one_or_as_a_sequence() -> None:
    x = mg.tensor(np.arange(6.0))
    for shape in [(2, 3), ((2, 3),), ([2, 3],)]:
        assert mg.reshape(x, *shape).shape == (2, 3)
        assert mg.broadcast_to(x[:3], *shape).shape == (2, 3)
    for axes in [(1, 0), ((1, 0),), ([1, 0],), ()]:
        assert mg.transpose(x.reshape(2, 3), *axes).shape == (3, 2)


def test_the_dtypes_of_what_is_concatenated_are_made_one() -> None:
    a = mg.tensor(np.ones(2, np.float32), requires_grad=True)
    b = mg.tensor(np.ones(3, np.float64), requires_grad=True)
    joined = mg.concatenate([a, b])
    assert joined.dtype == np.float64
    joined.sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (np.float32, np.float64)


def test_an_empty_batch_keeps_its_other_lengths() -> None:
    x = mg.tensor(np.zeros((0, 2, 3)))
    assert mg.flatten(x, 1).shape == (0, 6)
    assert mg.concatenate([x, mg.tensor(np.ones((1, 2, 3)))]).shape == (1, 2, 3)


x23, x24 = mg.tensor(np.zeros((2, 3))), mg.tensor(np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: mg.reshape(x23, 4), r"reshape: .*size 6 into shape \(4,\).*\(2, 3\)"),
        (lambda: mg.broadcast_to(x23, 2, 4), r"broadcast_to: .*\(2,3\).*\(2,4\)"),
        (lambda: mg.concatenate([x23, x24]), r"concatenate: .*\(2, 3\) and \(2, 4\)"),
        (lambda: mg.concatenate([]), "concatenate: there is no tensor"),
        (lambda: mg.stack([x23, x24]), r"stack: .*\(2, 3\), \(2, 4\)"),
        (lambda: mg.split(x23, 2, 1), r"split: axis 1 of \(2, 3\) does not divide by 2"),
        (lambda: mg.squeeze(x23, 0), r"squeeze: .*\(2, 3\)"),
        (lambda: mg.pad(x23, [(1, 1)]), r"pad: .*1 pairs.*2 axes.*\(2, 3\)"),
        (lambda: mg.transpose(x23, 0, 0), r"transpose: axes \(0, 0\).*\(2, 3\)"),
        *[
            (call, rf"{name}: axis 2 is not one of the 2 axes of \(2, 3\)")
            for name, call in {
                "flatten": lambda: mg.flatten(x23, 2),
                "transpose": lambda: mg.transpose(x23, 0, 2),
                "swapaxes": lambda: mg.swapaxes(x23, 0, 2),
                "moveaxis": lambda: mg.moveaxis(x23, 2, 0),
                "concatenate": lambda: mg.concatenate([x23, x23], 2),
                "split": lambda: mg.split(x23, 1, 2),
                "repeat": lambda: mg.repeat(x23, 2, 2),
            }.items()
        ],
    ],
)
def test_mistakes_are_named(mistake: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mistake()


def test_an_index_out_of_range_is_named() -> None:
    with pytest.raises(IndexError, match=r"getitem: [iI]ndex 5 .*\(2, 3\)"):
        x23[5]


def test_integers_of_numpy_are_integers() -> None:
    n, axis, x = np.int64(3), np.int8(-1), mg.tensor(np.arange(6.0).reshape(2, 3))
    results = [
        mg.split(x, n, axis)[2], x.reshape(n, np.uint8(2)), x.reshape(np.array([3, 2])), x.swapaxes(axis, np.int64(0)),
        mg.repeat(x, n, axis), mg.tile(x, n), x.sum(axis), x.sum([np.int64(0), axis]), mg.expand_dims(x, axis),
        x.flatten(np.int64(0)), mg.roll(x, n, axis), mg.concatenate([x, x], axis), x.transpose([1, 0]),
    ]  # fmt: skip
    shapes = [(2, 1), (3, 2), (3, 2), (3, 2), (2, 9), (2, 9), (2,), (), (2, 3, 1), (6,), (2, 3), (2, 6), (3, 2)]  # fmt: skip
    assert [t.shape for t in results] == shapes
    for call in (lambda: mg.split(x, 1.5), lambda: x.reshape(2.0, 3), lambda: x.unstack(0.5)):
        with pytest.raises(TypeError, match="integer"):
            call()
    with pytest.raises(ValueError, match="does not divide by 0"):
        mg.split(x, 0)
