"""Pooling and upsampling against loops over windows, gradients against differences, on odd shapes."""

import itertools
from typing import Any

import numpy as np
import pytest

import minigan as mg

RNG = np.random.default_rng(11)
CASES = [  # image shape, kernel, stride, padding
    ((2, 6, 6, 3), 2, None, 0),
    ((1, 7, 5, 2), (3, 2), (2, 1), 0),
    ((2, 5, 9, 1), 3, 2, 1),
    ((1, 4, 4, 2), 3, 1, ((1, 0), (0, 1))),
    ((3, 1, 1, 4), 1, None, 0),
    ((1, 5, 5, 1), 2, 3, 0),  # gaps between windows
    ((1, 1, 3, 2), (4, 3), 1, (2, 1)),
    ((0, 4, 4, 1), 2, None, 0),
]


def both(value: Any) -> tuple[Any, Any]:
    return value if isinstance(value, tuple) else (value, value)


def windows(x: np.ndarray, kernel: Any, stride: Any, padding: Any) -> Any:
    """For each window its place in the result, the pixels in it, and its number of places."""
    (kh, kw), (sh, sw) = both(kernel), both(kernel if stride is None else stride)
    (top, bottom), (left, right) = map(both, both(padding))
    rows = range(-top, x.shape[1] + bottom - kh + 1, sh)
    columns = range(-left, x.shape[2] + right - kw + 1, sw)
    for (i, r), (j, c) in itertools.product(enumerate(rows), enumerate(columns)):
        inside = x[:, max(r, 0) : r + kh, max(c, 0) : c + kw]
        yield (slice(None), i, j), inside, (len(rows), len(columns)), kh * kw


def pooled(x: np.ndarray, kind: str, *settings: Any) -> np.ndarray:
    *_, (_, _, size, _) = windows(x, *settings)
    result = np.empty((x.shape[0], *size, x.shape[3]))
    for place, pixels, _, count in windows(x, *settings):
        total = pixels.sum((1, 2)) / count
        result[place] = pixels.max((1, 2)) if kind == "max" else total
    return result


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_pooling(kind: str, case: tuple[Any, ...]) -> None:
    function = {"max": mg.max_pool2d, "avg": mg.avg_pool2d}[kind]
    shape, *settings = case
    x = RNG.permutation(int(np.prod(shape))).reshape(shape) / 8 - 3  # no ties
    expected = pooled(x, kind, *settings)
    for dtype in (np.float32, np.float64):
        found = function(mg.tensor(x.astype(dtype)), *settings)
        assert found.dtype == dtype and found.shape == expected.shape
        np.testing.assert_allclose(found.numpy(), expected, rtol=20 * np.finfo(dtype).eps, atol=1e-7)  # fmt: skip
    strided = mg.tensor(np.repeat(x, 2, -1), requires_grad=True)[..., ::2]
    np.testing.assert_allclose(function(strided, *settings).numpy(), expected, rtol=1e-14)
    mg.check_gradients(lambda x: function(x, *settings), mg.tensor(x, requires_grad=True))


def test_the_first_of_equal_values_gets_the_gradient() -> None:
    for value in (2.0, -np.inf):
        x = mg.tensor(np.full((1, 2, 3, 1), value), requires_grad=True)
        mg.max_pool2d(x, 2, stride=1, padding=1).sum().backward()
        assert x.grad is not None
        assert x.grad.numpy()[0, ..., 0].tolist() == [[4, 2, 2], [2, 1, 1]]


def test_nan_and_infinities() -> None:
    x = mg.tensor([[1.0, np.nan, -np.inf, np.inf]], requires_grad=True)
    y = mg.max_pool2d(x.reshape(1, 1, 4, 1), (1, 2))
    np.testing.assert_array_equal(y.numpy().ravel(), [np.nan, np.inf])
    y.backward(mg.tensor(np.full(y.shape, np.inf, np.float32)))
    assert x.grad is not None and x.grad.tolist() == [[0, np.inf, 0, np.inf]]


def test_the_mean_of_a_large_window_is_near() -> None:
    x = RNG.random((1, 200, 200, 1))
    found = mg.avg_pool2d(mg.tensor(x, dtype="float32"), 200).item()
    u = float(np.finfo(np.float32).eps) / 2
    assert abs(found - x.astype(np.float32).astype(np.float64).mean()) <= 401 * u * x.mean()


def test_a_mean_of_large_float16_is_finite() -> None:
    mean = mg.avg_pool2d(np.full((1, 2, 2, 1), 60_000, np.float16), 2)
    assert mean.dtype == np.float16 and mean.item() == np.float16(60_000)


@pytest.mark.parametrize("factor", [1, 3, (2, 1), (1, 3)])
def test_upsampling(factor: Any) -> None:
    x = RNG.normal(size=(2, 3, 1, 2))
    rows, columns = both(factor)
    found = mg.upsample_nearest(mg.tensor(x), factor)
    assert found.shape == (2, 3 * rows, columns, 2)
    for i, j in np.ndindex(3 * rows, columns):
        assert (found.numpy()[:, i, j] == x[:, i // rows, j // columns]).all()
    mg.check_gradients(lambda x: mg.upsample_nearest(x, factor), mg.tensor(x, requires_grad=True))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: mg.max_pool2d(x, 5), "larger than the image"),
        (lambda x: mg.avg_pool2d(x, 2, padding=2), "at most half"),
        (lambda x: mg.max_pool2d(x, 0), "kernel_size is an int"),
        (lambda x: mg.max_pool2d(x, 2, stride=0), "stride is an int"),
        (lambda x: mg.avg_pool2d(x[0], 2), "batch, height, width, channels"),
        (lambda x: mg.upsample_nearest(x, 1.5), "scale_factor is an int"),
        (lambda x: mg.upsample_nearest(x[0], 2), "batch, height, width, channels"),
    ],
)
def test_what_cannot_be_meant_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(mg.ones((1, 4, 4, 1)))
