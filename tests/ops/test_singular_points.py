"""The table of docs/singular_points.md, row by row; and masks that select where a gradient is infinite."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.devices import get_device
from minigan.devices.contract.normalization import BatchNormalization
from minigan.errors import DeviceError

PAGE = Path(__file__).parents[2] / "docs" / "singular_points.md"
ROWS = [
    tuple(cell.strip() for cell in line.strip("|\n").split("|"))
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]
NAMES = {name: getattr(mg, name) for name in dir(mg) if callable(getattr(mg, name))}
INF, NAN = np.inf, np.nan


@pytest.fixture(params=["cpu", pytest.param("emulated", marks=pytest.mark.emulated)])
def device(request: pytest.FixtureRequest) -> str:
    try:
        get_device(request.param)
    except DeviceError as error:
        pytest.skip(str(error))
    return str(request.param)


def read(cell: str) -> list[Any]:
    """The operands or gradients of a cell: numbers, or lists of them."""
    return list(eval(f"({cell},)", {"inf": INF, "nan": NAN}))


def evaluate(
    device: str, dtype: Any, function: Callable[..., mg.Tensor], at: list[Any], dy: float = 1.0
) -> tuple[Any, list[Any]]:
    operands = [mg.tensor(np.array(a, dtype), device=device, requires_grad=True) for a in at]
    with np.errstate(all="ignore"):
        y = function(*operands)
        y.backward(mg.tensor(np.full(y.shape, dy, dtype), device=device))
    assert y.dtype == dtype
    return y.numpy(), [x.grad.numpy() for x in operands]  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} at {row[1]}")
def test_a_row_of_the_table(row: tuple[str, ...], device: str, dtype: Any) -> None:
    call, at, value, gradient, _ = row
    operands = read(at)
    names = ["x", "y"][: len(operands)]
    function = eval(f"lambda {', '.join(names)}: {call.strip('`')}", dict(NAMES))
    found, gradients = evaluate(device, dtype, function, operands)
    few_units = 4 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(found, np.array(read(value)[0]), rtol=few_units, atol=few_units)
    for one, expected in zip(gradients, read(gradient), strict=True):
        np.testing.assert_allclose(one, np.array(expected), rtol=few_units, atol=few_units)


def test_the_table_is_long_enough_to_be_the_table() -> None:
    functions = {re.match(r"`(\w+)\(", row[0]).group(1) for row in ROWS}  # type: ignore[union-attr]
    assert len(ROWS) > 70
    assert {
        "relu",
        "clip",
        "max",
        "maximum",
        "power",
        "std",
        "norm",
        "arctan2",
        "prod",
    } <= functions


MASKS: dict[str, tuple[Callable[..., Any], list[Any], list[Any]]] = {
    "relu": (mg.relu, [[-1.0, 0.0, 4.0]], [[0, 0, INF]]),
    "clip": (lambda x: mg.clip(x, 0.0, 1.0), [[-1.0, 0.5, 4.0]], [[0, INF, 0]]),
    "max": (mg.max, [[1.0, 2.0]], [[0, INF]]),
    "min": (mg.min, [[1.0, 2.0]], [[INF, 0]]),
    "maximum": (mg.maximum, [[1.0, 3.0], [2.0, 2.0]], [[0, INF], [INF, 0]]),
    "minimum": (mg.minimum, [[1.0, 3.0], [2.0, 2.0]], [[INF, 0], [0, INF]]),
    "absolute": (mg.absolute, [[0.0, -1.0]], [[0, -INF]]),
    "where": (lambda x, y: mg.where(x > 0, x, y), [[1.0, -1.0], [2.0, 2.0]], [[INF, 0], [0, INF]]),
    "power": (mg.power, [[3.0], [0.0]], [[0], [INF]]),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_selects_from_infinite_gradients(name: str, device: str) -> None:
    function, at, expected = MASKS[name]
    _, gradients = evaluate(device, np.float32, function, at, dy=INF)
    for one, right in zip(gradients, expected, strict=True):
        np.testing.assert_array_equal(one, np.array(right, np.float32))


def _image(values: list[float]) -> list[Any]:
    return np.array(values).reshape(-1, 1, 1, 1).tolist()


FUSED: dict[str, tuple[Callable[..., Any], Callable[[list[float]], Any]]] = {
    "linear": (
        lambda x: mg.linear(
            x, mg.ones((1, 1), dtype=x.dtype, device=x.device.name), negative_slope=0.0
        ),
        lambda values: np.array(values).reshape(-1, 1).tolist(),
    ),
    "conv2d": (
        lambda x: mg.conv2d(
            x, mg.ones((1, 1, 1, 1), dtype=x.dtype, device=x.device.name), negative_slope=0.0
        ),
        _image,
    ),
    "conv_transpose2d": (
        lambda x: mg.conv_transpose2d(
            x, mg.ones((1, 1, 1, 1), dtype=x.dtype, device=x.device.name), negative_slope=0.0
        ),
        _image,
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUSED)
def test_a_fused_relu_selects(name: str, dtype: Any, device: str) -> None:
    function, shaped = FUSED[name]
    values = [-INF, -1.0, 0.0, 4.0, INF, NAN]
    found, (gradient,) = evaluate(device, dtype, function, [shaped(values)], dy=INF)
    np.testing.assert_array_equal(found.ravel(), [0, 0, 0, 4, INF, NAN])
    np.testing.assert_array_equal(gradient.ravel()[:5], [0, 0, 0, INF, INF])


def test_a_fused_relu_of_batch_norm_selects(device: str) -> None:
    kernels = get_device(device)
    x = np.array([[-INF], [-1.0], [3.0]], np.float32)
    mean, variance = np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    x, *arrays = (kernels.asarray(a) for a in (x, mean, variance, one, zero))
    normalization = BatchNormalization(*arrays, 0.0, 0.0)
    y = kernels.batch_norm(x, normalization)
    np.testing.assert_array_equal(kernels.to_numpy(y).ravel(), [0, 0, 3])
    dy = kernels.asarray(np.array([[INF], [INF], [2.0]], np.float32))
    dx, _, dbias = kernels.batch_norm_backward(dy, x, normalization, False, True)
    np.testing.assert_array_equal(kernels.to_numpy(dx).ravel(), [0, 0, 2])
    np.testing.assert_array_equal(kernels.to_numpy(dbias), [2])


@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (mg.divide, [1e-30, 1e-25], [1e25, -1e20]),
        (mg.divide, [1e38, 1e20], [1e-20, -1e-2]),
        (mg.arctan2, [1e25, 1e25], [5e-26, -5e-26]),
        (mg.arctan2, [1e-25, 1e-25], [5e24, -5e24]),
        (mg.logaddexp, [3e38, -3e38], [1, 0]),
        (mg.logaddexp, [5000.0, 5001.0], [1 / (1 + np.e), np.e / (1 + np.e)]),
        (mg.std, [[1e30, -1e30]], [[0.5, -0.5]]),
        (mg.std, [[1e-30, -1e-30]], [[0.5, -0.5]]),
        (mg.norm, [[3e30, 4e30]], [[0.6, 0.8]]),
        (mg.norm, [[3e-30, 4e-30]], [[0.6, 0.8]]),
        (mg.prod, [[1e30, 1e30, 1e-30]], [[1, 1, INF]]),
    ],
)  # fmt: skip
def test_gradients_of_extreme_magnitudes(
    function: Callable[..., Any], at: list[Any], expected: list[Any], device: str
) -> None:
    _, gradients = evaluate(device, np.float32, function, at)
    for one, right in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(one, np.array(right, np.float32), rtol=8 * 2.0**-23)
