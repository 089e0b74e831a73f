"""Convolution and its transpose, over random sizes, strides and paddings in all their forms.

Values are compared on whole numbers, with sums that are exact in any order: they must be equal, in float32 too.
"""

from typing import Any, NamedTuple

import numpy as np
import oracles
import pytest
from bounds import assert_rounded_once_a_term
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import Array, Example, Shape, arrays

import minigan as mg
from minigan.devices.cpu import convolution as cpu_convolution
from minigan.devices.cpu import threads as cpu_threads
from minigan.ops import convolution

OPERATIONS = ("conv2d", "conv_transpose2d")


class Geometry(NamedTuple):
    """The shapes of an image and a filter, and the settings of one convolution or transposed one."""

    image: Shape
    kernel: Shape
    settings: dict[str, Any]


def operands(geometry: Geometry, dtype: Any = np.float64) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(0)
    x, w = (oracles.whole(rng, shape).astype(dtype) for shape in (geometry.image, geometry.kernel))
    return x, w, np.arange(w.shape[3], dtype=dtype)


FLOATS = (np.float32, np.float64)


def pairs(values: st.SearchStrategy[int]) -> st.SearchStrategy[int | tuple[int, int]]:
    """One number for both directions, or one for each."""
    return values | st.tuples(values, values)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Convolutions: any kernel, and the smallest images that its padding allows or larger ones.

    A kernel may be larger than the image, and a padding than the kernel, so that whole windows see zeros.
    """
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = draw(pairs(st.integers(0, 3)) | st.tuples(*[pairs(st.integers(0, 3))] * 2))
    room = [k - sum(p) for k, p in zip(kernel, oracles.sides(padding), strict=True)]
    image = [max(least, 1) + draw(st.integers(0, 3)) for least in room]
    batch, channels_in, channels_out = draw(st.tuples(*[st.integers(1, 3)] * 3))
    return Geometry(
        (batch, *image, channels_in),
        (*kernel, channels_in, channels_out),
        {"stride": draw(pairs(st.integers(1, 3))), "padding": padding},
    )


@st.composite
def transposed_geometries(draw: st.DrawFn) -> Geometry:
    """Transposed convolutions: any padding that leaves a pixel, any output padding below the stride."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    image = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = draw(pairs(st.integers(1, 3)))
    smallest = min(oracles.pair(stride)) - 1
    extra = draw(
        st.integers(0, smallest) | st.tuples(*(st.integers(0, s - 1) for s in oracles.pair(stride)))
    )
    padding = []
    for n, k, s, e in zip(image, kernel, oracles.pair(stride), oracles.pair(extra), strict=True):
        before = draw(st.integers(0, min(3, (n - 1) * s + k + e - 1)))
        padding.append((before, draw(st.integers(0, min(3, (n - 1) * s + k + e - 1 - before)))))
    batch, channels_in, channels_out = draw(st.tuples(*[st.integers(1, 3)] * 3))
    return Geometry(
        (batch, *image, channels_in),
        (*kernel, channels_in, channels_out),
        {"stride": stride, "padding": tuple(padding), "output_padding": extra},
    )


@st.composite
def convolutions(draw: st.DrawFn, name: str, fill: oracles.Fill = oracles.normal) -> Example:
    """With a bias or without, and an activation or none."""
    geometry = draw({"conv2d": geometries(), "conv_transpose2d": transposed_geometries()}[name])
    operation, reference = getattr(mg, name), getattr(oracles, name)
    inputs = [draw(arrays(geometry.image, fill)), draw(arrays(geometry.kernel, fill))]
    slope = draw(st.sampled_from([1.0, 0.5, 0.0]))
    if slope != 1 and fill is oracles.normal:
        inputs.append(oracles.off_the_kink(reference(*inputs, **geometry.settings)))
    elif draw(st.booleans()):
        inputs.append(draw(arrays(geometry.kernel[-1:], fill)))
    return Example(
        lambda *inputs: operation(*inputs, **geometry.settings, negative_slope=slope),
        tuple(inputs),
        lambda *inputs: oracles.leaky_relu(reference(*inputs, **geometry.settings), slope),
    )


def test_every_operation_has_a_gradient_test() -> None:
    assert oracles.operations(convolution) == set(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=40)
@given(data=st.data())
def test_gradient(name: str, data: st.DataObject) -> None:
    oracles.check_every_gradient(data.draw(convolutions(name)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=40)
@given(data=st.data())
def test_value(name: str, dtype: Any, data: st.DataObject) -> None:
    example = data.draw(convolutions(name, oracles.whole))
    found = example.function(*(oracles.wrap(x.astype(dtype, order="K")) for x in example.inputs))
    assert example.reference is not None
    expected = example.reference(*example.inputs)
    assert found.dtype == dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=40)
@given(geometry=geometries(), data=st.data())
def test_value_is_scipys_correlation(geometry: Geometry, data: st.DataObject) -> None:
    x, w = (data.draw(arrays(shape, oracles.whole)) for shape in (geometry.image, geometry.kernel))
    found = mg.conv2d(oracles.wrap(x), oracles.wrap(w), **geometry.settings)
    np.testing.assert_array_equal(found, oracles.conv2d_by_scipy(x, w, **geometry.settings))


def lost(geometry: Geometry) -> tuple[int, int]:
    """The rows and columns at the end of a padded image that no window reaches: a transposed
    convolution gets them back as its output padding."""
    (_, *image, _), (*kernel, _, _), chosen = geometry
    high, wide = (
        (n + sum(p) - k) % s
        for n, k, s, p in zip(
            image,
            kernel,
            oracles.pair(chosen["stride"]),
            oracles.sides(chosen["padding"]),
            strict=True,
        )
    )
    return high, wide


@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=60)
@given(geometry=geometries(), data=st.data())
def test_the_transpose_is_the_exact_adjoint(
    dtype: Any, geometry: Geometry, data: st.DataObject
) -> None:
    """⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩, and convᵀ(y) is the convolution's gradient by x at y."""
    x, w = (
        data.draw(arrays(shape, oracles.whole, dtype))
        for shape in (geometry.image, geometry.kernel)
    )

    def convolve(x: mg.Tensor) -> mg.Tensor:
        return mg.conv2d(x, oracles.wrap(w), **geometry.settings)

    image = convolve(oracles.wrap(x)).numpy()
    y = data.draw(arrays(image.shape, oracles.whole, dtype))
    back = mg.conv_transpose2d(
        oracles.wrap(y),
        oracles.wrap(w.swapaxes(2, 3)),
        **geometry.settings,
        output_padding=lost(geometry),
    ).numpy()
    assert back.shape == x.shape
    assert (image * y).sum() == (x * back).sum()
    (gradient,) = oracles.gradients(convolve, [x], y)
    np.testing.assert_array_equal(gradient, back)


LARGE = Geometry((5, 17, 11, 5), (4, 3, 5, 7), {"stride": (2, 1), "padding": ((1, 2), (0, 2))})


def forward_and_backward(name: str, dtype: Any) -> list[Array]:
    """The result and the gradients by x, w and b."""

    def convolve(*inputs: mg.Tensor) -> mg.Tensor:
        return getattr(mg, name)(*inputs, **LARGE.settings)

    inputs = operands(LARGE, dtype)
    y = convolve(*map(mg.tensor, inputs)).numpy()
    dy = oracles.whole(np.random.default_rng(1), y.shape).astype(dtype)
    return [y, *oracles.gradients(convolve, inputs, dy)]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("tile_bytes", [1, 3000, 20_000])
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_size_of_a_tile_does_not_change_a_result(
    monkeypatch: pytest.MonkeyPatch, name: str, tile_bytes: int, dtype: Any
) -> None:
    """One row of windows, or one image, at a time; a few; and, by itself, all of a thread's."""
    expected = forward_and_backward(name, dtype)
    np.testing.assert_array_equal(
        expected[0], getattr(oracles, name)(*operands(LARGE), **LARGE.settings)
    )
    monkeypatch.setattr(cpu_convolution, "_TILE_BYTES", tile_bytes)
    for found, array in zip(forward_and_backward(name, dtype), expected, strict=True):
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("threads", [1, 2, 7, 60])
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_number_of_threads_does_not_change_a_result(
    monkeypatch: pytest.MonkeyPatch, name: str, threads: int
) -> None:
    """Seven share five images unevenly; of 60, some have no row of windows."""
    expected = forward_and_backward(name, np.float64)
    monkeypatch.setattr(cpu_threads, "thread_count", lambda: threads)
    for found, array in zip(forward_and_backward(name, np.float64), expected, strict=True):
        np.testing.assert_array_equal(found, array)


def test_a_row_of_windows_larger_than_a_tile() -> None:
    window = 5 * 5 * 20
    width = cpu_convolution._TILE_BYTES // (window * 4) + 10
    x, w, b = operands(Geometry((1, 6, width, 20), (5, 5, 20, 2), {}))
    found = mg.conv2d(*(mg.tensor(a, dtype=np.float32) for a in (x, w, b)))
    np.testing.assert_array_equal(found, oracles.conv2d(x, w, b))


def test_an_empty_batch_gives_an_empty_result_and_gradients_of_0() -> None:
    for operation, size in ((mg.conv2d, 2), (mg.conv_transpose2d, 4)):
        y = operation(mg.tensor(np.ones((0, 3, 3, 2))), mg.tensor(np.ones((2, 2, 2, 5))))
        assert y.shape == (0, size, size, 5)
        dx, dw = oracles.gradients(
            operation, [np.ones((0, 3, 3, 2)), np.ones((2, 2, 2, 5))], y.numpy()
        )
        assert dx.shape == (0, 3, 3, 2)
        np.testing.assert_array_equal(dw, np.zeros((2, 2, 2, 5)))


LINEAR_IN_EACH: dict[str, Any] = {  # y of (x, w, b); dx of (dy, w); dw of (x, dy)
    "conv2d": lambda settings, lost, kernel: (
        lambda x, w, b: oracles.conv2d(x, w, b, **settings),
        lambda dy, w: oracles.conv_transpose2d(
            dy, w.swapaxes(2, 3), **settings, output_padding=lost
        ),
        lambda x, dy: oracles.conv2d_weight_gradient(x, dy, kernel, **settings),
    ),
    "conv_transpose2d": lambda settings, lost, kernel: (
        lambda x, w, b: oracles.conv_transpose2d(x, w, b, **settings, output_padding=lost),
        lambda dy, w: oracles.conv2d(dy, w.swapaxes(2, 3), **settings),
        lambda x, dy: oracles.conv2d_weight_gradient(dy, x, kernel, **settings).swapaxes(2, 3),
    ),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(
    "geometry",
    [
        Geometry((5, 14, 14, 6), (4, 4, 6, 9), {"stride": 2, "padding": 1}),
        Geometry((2, 9, 8, 33), (3, 5, 33, 4), {"stride": (1, 3), "padding": ((2, 0), (1, 3))}),
        Geometry((7, 5, 5, 50), (1, 1, 50, 3), {"stride": 1, "padding": 0}),
    ],
    ids=["stride 2", "uneven", "1×1"],
)
def test_float32_rounds_once_a_term(name: str, geometry: Geometry) -> None:
    """Value and gradients, each of as many terms as its sum has at most, the bias included."""
    rng = np.random.default_rng(0)
    extra = lost(geometry)
    more = {"output_padding": extra} if name == "conv_transpose2d" else {}

    def convolve(*inputs: mg.Tensor) -> mg.Tensor:
        return getattr(mg, name)(*inputs, **geometry.settings, **more)

    x, w, b = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in (geometry.image, geometry.kernel, geometry.kernel[3:])
    )
    y = convolve(*map(mg.tensor, (x, w, b))).numpy()
    dy = rng.standard_normal(y.shape).astype(np.float32)
    dx, dw, db = oracles.gradients(convolve, [x, w, b], dy)
    forward, back, by_weight = LINEAR_IN_EACH[name](geometry.settings, extra, w.shape[:2])
    windows = (y if name == "conv2d" else x)[..., 0].size
    assert_rounded_once_a_term(y, forward, (x, w, b), w[..., 0].size + 1)
    assert_rounded_once_a_term(dx, back, (dy, w), w[:, :, 0].size)
    assert_rounded_once_a_term(dw, by_weight, (x, dy), windows)
    assert_rounded_once_a_term(db, lambda dy: dy.sum(axis=(0, 1, 2)), (dy,), y[..., 0].size)
