"""Winograd's convolution on the CPU, against the oracles and against unfolding."""

from typing import Any

import numpy as np
import oracles
import pytest
from oracles import Array

import minigan as mg
from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.products import Epilogue
from minigan.devices.cpu import threads as cpu_threads
from minigan.devices.cpu import winograd

Case = tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]  # image, filter, settings

# Sides of 2 to 9 outputs, for tiles of 3, of 2 and of both. The last pads by more than a tile.
CASES: list[Case] = [
    ((5, 14, 14, 3), (4, 4, 3, 5), {"stride": (2, 2), "padding": ((1, 1), (1, 1))}),
    ((2, 4, 9, 2), (4, 2, 2, 4), {"stride": (2, 1), "padding": ((0, 2), (2, 0))}),
    ((3, 13, 17, 1), (6, 4, 1, 2), {"stride": (3, 2), "padding": ((3, 4), (0, 3))}),
    ((1, 9, 8, 4), (2, 2, 4, 1), {"stride": (1, 1), "padding": ((0, 0), (0, 0))}),
    ((2, 7, 3, 2), (4, 4, 2, 3), {"stride": (2, 2), "padding": ((5, 1), (6, 7))}),
    ((0, 7, 5, 2), (4, 4, 2, 3), {"stride": (2, 2), "padding": ((1, 1), (1, 1))}),
]


def geometry_of(case: Case) -> ConvolutionGeometry:
    image, kernel, chosen = case
    size = oracles.output_size(image[1:3], kernel[:2], **chosen)
    return ConvolutionGeometry(image[1:3], size, kernel[:2], chosen["stride"], chosen["padding"])


def operands(case: Case, fill: Any) -> list[Array]:
    """x, w, dy, a bias of the convolution and one of the transposed convolution."""
    rng = np.random.default_rng(0)
    image, kernel, _ = case
    dy = (image[0], *geometry_of(case).output_size, kernel[3])
    return [fill(rng, shape) for shape in (image, kernel, dy, kernel[3:], kernel[2:3])]


def results(case: Case, dtype: Any, arrays: list[Array]) -> list[Array]:
    """The convolution, the transposed one, and the gradients of both."""
    device, geometry = mg.get_device("cpu"), geometry_of(case)
    x, w, dy, b, c = (a.astype(dtype) for a in arrays)
    swapped = np.ascontiguousarray(w.swapaxes(2, 3))
    return [
        device.conv2d(x, w, geometry, Epilogue(b)),
        device.conv2d_backward_data(dy, w, geometry),
        device.conv2d_backward_weight(x, dy, geometry),
        device.conv_transpose2d(dy, swapped, geometry, Epilogue(c)),
        device.conv_transpose2d_backward_data(x, swapped, geometry),
        device.conv_transpose2d_backward_weight(dy, x, geometry),
    ]


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_whole_numbers_are_exact(
    monkeypatch: pytest.MonkeyPatch, case: Case, dtype: Any, threads: int
) -> None:
    """Two images a tile, so that a thread has more than one tile, and a last one that is not full."""
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", 1)
    monkeypatch.setattr(winograd, "TILE_IMAGES", 2)
    monkeypatch.setattr(cpu_threads, "thread_count", lambda: threads)
    assert winograd.pays(geometry_of(case), 1, 1)
    image, kernel, chosen = case
    x, w, dy, b, c = arrays = operands(case, oracles.whole)
    remainders = [
        (n + sum(p) - k) % s
        for n, p, k, s in zip(
            image[1:3], chosen["padding"], kernel[:2], chosen["stride"], strict=True
        )
    ]
    back = {**chosen, "output_padding": tuple(remainders)}
    dw = oracles.conv2d_weight_gradient(x, dy, kernel[:2], **chosen)
    expected = [
        oracles.conv2d(x, w, b, **chosen),
        oracles.conv_transpose2d(dy, w.swapaxes(2, 3), **back),
        dw,
        oracles.conv_transpose2d(dy, w.swapaxes(2, 3), c, **back),
        oracles.conv2d(x, w, **chosen),
        dw.swapaxes(2, 3),
    ]
    for one, other in zip(results(case, dtype, arrays), expected, strict=True):
        assert one.dtype == dtype
        np.testing.assert_array_equal(one, other)


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("side", [14, 16, 32])
def test_rounding_is_of_the_order_of_unfolding_s(
    monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    """float32 against float64: at most three times the direct kernel's error (measured on 14×14: up to 2)."""
    padding = ((1, 1), (1, 1))
    case = ((4, side, side, 64), (4, 4, 64, 128), {"stride": (2, 2), "padding": padding})
    arrays = operands(case, normal)
    found = results(case, np.float32, arrays)
    monkeypatch.setattr(winograd, "LEAST_CHANNELS", 1000)
    unfolded = results(case, np.float32, arrays)
    exact = results(case, np.float64, arrays)
    for one, other, truth in zip(found, unfolded, exact, strict=True):
        assert not np.array_equal(one, other)  # they are two algorithms
        error, usual = (np.linalg.norm(a - truth) / np.linalg.norm(truth) for a in (one, other))
        assert error < 3 * usual < 3e-6


@pytest.mark.parametrize(
    ("kernel", "stride", "output", "channels"),
    [((3, 3), (2, 2), (4, 4), 64), ((4, 4), (2, 2), (1, 4), 64), ((4, 4), (2, 2), (4, 4), 63)],
    ids=["other kernel", "one output", "few channels"],
)
def test_what_is_unfolded(kernel: Any, stride: Any, output: Any, channels: int) -> None:
    image = tuple((n - 1) * s + k for n, s, k in zip(output, stride, kernel, strict=True))
    geometry = ConvolutionGeometry(image, output, kernel, stride, ((0, 0), (0, 0)))
    assert not winograd.pays(geometry, 64, channels)


@pytest.mark.parametrize("outputs", range(2, 40))
def test_tiles_cover_a_side_with_the_fewest_products(outputs: int) -> None:
    threes, twos = winograd.tiles(outputs)
    assert 3 * threes + 2 * twos == outputs
    products = [4 * t + 3 * (outputs - 3 * t) // 2 for t in range(outputs % 2, outputs // 3 + 1, 2)]
    assert 4 * threes + 3 * twos == min(products)
