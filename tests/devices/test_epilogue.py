"""The epilogue of the products: the activation and the statistics of a batch, on every device and in every form.

Statistics are compared with those of the very values that the product gave, so that its own roundings are not in it.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import bounds
import numpy as np
import pytest
from bounds import assert_within
from device_list import DEVICES, moved_back, moved_to, unwatched

import minigan as mg
from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.normalization import BatchStatistics
from minigan.devices.contract.products import Epilogue
from minigan.devices.cuda_plan import products as plan
from minigan.devices.emulated import Emulated
from minigan.devices.precision import using_float32_precision

Array = np.ndarray[Any, Any]

EVEN = ConvolutionGeometry((8, 4), (4, 4), (4, 3), (2, 1), ((1, 1), (1, 1)))
ODD = ConvolutionGeometry(
    (9, 7), (4, 6), (4, 3), (2, 1), ((1, 2), (0, 1))
)  # phases of 5 and of 4 rows
WINOGRAD = ConvolutionGeometry((6, 10), (3, 5), (4, 4), (2, 2), ((1, 1), (1, 1)))

SIZES = {  # images, channels in and out, geometry; rows, columns and terms of the GEMM
    "whole tiles": (16, (8, 12), EVEN, (128, 72, 36)),
    "elements": (16, (5, 7), EVEN, (128, 70, 33)),
    "tiles of two groups": (6, (5, 7), ODD, (66, 130, 17)),
    "Winograd": (6, (64, 72), WINOGRAD, (6, 5, 1)),
}


def products(dtype: Any, size: str, offset: float = 0.0) -> dict[str, tuple[Any, ...]]:
    """Calls of each product that has an epilogue, by the kernel that serves it. `offset` is the mean of the bias."""
    rng = np.random.default_rng(0)
    images, (c, o), geometry, (m, n, k) = SIZES[size]

    def normal(*shape: int, offset: float = 0.0) -> Array:
        return (rng.normal(size=shape) + offset).astype(dtype)

    x, dy = normal(images, *geometry.input_size, c), normal(images, *geometry.output_size, o)
    kernel = geometry.kernel_size

    def bias(channels: int) -> Array:
        return normal(channels, offset=offset)

    return {
        "gemm_nn": ("gemm", normal(m, k), normal(k, n), False, False, Epilogue(bias(n))),
        "gemm_nt": ("gemm", normal(m, k), normal(n, k), False, True, Epilogue(bias(n))),
        "gemm_tn": ("gemm", normal(k, m), normal(k, n), True, False, Epilogue(bias(n))),
        "gemm_tt": ("gemm", normal(k, m), normal(n, k), True, True, Epilogue(bias(n))),
        "conv2d": ("conv2d", x, normal(*kernel, c, o), geometry, Epilogue(bias(o))),
        "backward_data_swapped": ("conv_transpose2d", dy, normal(*kernel, o, c), geometry, Epilogue(bias(c))),
        "backward_data_swapped_narrow": ("conv_transpose2d", dy, normal(*kernel, o, 3), geometry, Epilogue(bias(3))),
    }  # fmt: skip


PRODUCTS = tuple(products(np.float32, "elements"))
CASES = [(name, size) for name in PRODUCTS for size in SIZES]


def batch_statistics(
    groups: int, channels: int, dtype: Any, running: bool = True
) -> BatchStatistics:
    mean, variance = np.full((2, groups, channels), np.nan, dtype)
    averages = [(np.full(channels, 3, dtype), np.full(channels, 5, dtype)) for _ in range(groups)]
    return BatchStatistics(mean, variance, averages if running else (), 0.75)


def call(device: Any, arguments: tuple[Any, ...], slope: float, groups: int = 0) -> tuple[Array, Any]:  # fmt: skip
    """The result, and the statistics if there are groups, on the host."""
    name, *operands, epilogue = arguments
    bias = moved_to(device, epilogue.bias)
    if not groups:
        result = getattr(device, name)(*moved_to(device, operands), Epilogue(bias, slope))
        return moved_back(device, result), None
    channels = bias.size
    given = batch_statistics(groups, channels, operands[0].dtype)
    arrays = moved_to(device, [given.mean, given.variance, given.running])
    statistics = BatchStatistics(*arrays, given.momentum)
    fused = Epilogue(bias, slope, statistics)
    result = getattr(device, name)(*moved_to(device, operands), fused)
    assert statistics.of is result
    mean, variance, running = moved_back(device, arrays)
    return moved_back(device, result), BatchStatistics(mean, variance, running)


def check_statistics(result: Array, found: BatchStatistics) -> None:
    """Against float64, within what rounding explains; and the running ones, which move by a quarter."""
    dtype = result.dtype
    runs = np.split(result.reshape(-1, result.shape[-1]), found.groups)
    for run, mean, variance, (moved_mean, moved_variance) in zip(
        runs, found.mean, found.variance, found.running, strict=True
    ):
        wide, n = run.astype(np.float64), len(run)
        error = bounds.mean_bound(run, dtype)
        spread = bounds.variance_bound(wide.var(axis=0), error, n, dtype)
        assert_within(mean, wide.mean(axis=0), error)
        assert_within(variance, wide.var(axis=0), spread)
        of_sums = bounds.rounding(5, dtype)
        exact_mean, exact_variance = 0.75 * 3 + 0.25 * wide.mean(axis=0), 0.75 * 5 + 0.25 * wide.var(axis=0, ddof=1)  # fmt: skip
        assert_within(moved_mean, exact_mean, error + of_sums * (3 + abs(exact_mean)))
        assert_within(moved_variance, exact_variance, 2 * spread + of_sums * (5 + exact_variance))


@pytest.fixture(params=["ieee", "tf32"])
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    with using_float32_precision(request.param):
        yield request.param


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "size"), CASES)
@pytest.mark.parametrize("device", DEVICES)
def test_activation_and_statistics(
    device: str, name: str, size: str, dtype: Any, precision: str
) -> None:
    """The activation is that of the plain result, to the bit; asking for statistics changes none of it."""
    place, arguments = mg.get_device(device), products(dtype, size)[name]
    with unwatched():  # other tests watch these
        plain, _ = call(place, arguments, 1.0)
    for slope, groups in ((0.0, 1), (0.25, 2), (1.0, 3 if SIZES[size][0] == 6 else 2)):
        expected = np.where(plain > 0, plain, np.asarray(slope, dtype) * plain)
        assert (expected != plain).any() == (slope != 1)
        with unwatched():
            alone, _ = call(place, arguments, slope)
        np.testing.assert_array_equal(alone, expected)
        found, statistics = call(place, arguments, slope, groups)
        np.testing.assert_array_equal(found, expected)
        check_statistics(found, statistics)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "size"), CASES)
@pytest.mark.parametrize("device", DEVICES)
def test_a_large_mean_costs_the_variance_nothing(
    device: str, name: str, size: str, dtype: Any
) -> None:
    """Of values near 10,000 that spread by about 1, E[x²] − E[x]² keeps no digit in float32."""
    name, a, b, *rest = products(dtype, size, offset=1e4)[name]
    terms = a.size / a.shape[0]
    found, statistics = call(
        mg.get_device(device), (name, a, b / np.asarray(terms**0.5, dtype), *rest), 1.0, 2
    )
    check_statistics(found, statistics)
    run = np.split(found.reshape(-1, found.shape[-1]), 2)[0]
    wrong = np.mean(run * run, axis=0) - np.mean(run, axis=0) ** 2
    right, exact = statistics.variance[0], run.astype(np.float64).var(axis=0)
    assert abs(right - exact).max() < 0.05 * abs(wrong - exact).max()


# -- where the statistics are found -------------------------------------------------------------------


class Recorded(Emulated):
    """The names of the kernels that were launched."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.launched: list[str] = []

    def launch(self, source: str, kernel: str, *rest: Any, **settings: Any) -> None:
        self.launched.append(kernel)
        super().launch(source, kernel, *rest, **settings)


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_kernels_that_find_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are taken by the product, where a group is whole tiles; by the sum of its parts, where
    it was divided; else by another pass. The three agree."""
    device, arguments = Recorded(), products(np.float64, "elements")[name]

    def kernels(arguments: Any, groups: int) -> tuple[list[str], BatchStatistics]:
        device.launched.clear()
        _, statistics = call(device, arguments, 0.5, groups)
        return [kernel for kernel in device.launched if kernel != "copy"][1:], statistics

    in_tiles, first = kernels(arguments, 2)
    assert in_tiles == ["batch_norm_merge"]
    ragged, _ = kernels(products(np.float64, "tiles of two groups")[name], 2)
    assert ragged == ["batch_norm_parts", "batch_norm_merge"]
    monkeypatch.setattr(plan, "splits_of", lambda tiles, terms: 3)
    divided, second = kernels(arguments, 2)
    assert divided == ["sum_parts_moments", "batch_norm_merge"]
    monkeypatch.undo()
    monkeypatch.setattr(plan.Product, "tiles_of_a_group", lambda *_: 0)
    apart, third = kernels(arguments, 2)
    assert apart == ["batch_norm_parts", "batch_norm_merge"]
    for one, other in itertools.pairwise((first, second, third)):
        np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(one.variance, other.variance, rtol=1e-12)


def test_tiles_of_a_group() -> None:
    """None with a row missing, with another group's, or with one phase smaller than another."""

    def tiles(m: int, groups: int, phases: int = 1, rows: int | None = None, narrow: bool = False) -> int:  # fmt: skip
        product = plan.Product("", "", (m, 5, 1), (), (), phases, narrow)
        return product.tiles_of_a_group(groups, np.empty((m * phases if rows is None else rows, 5)))

    assert tiles(64, 1) == 1
    assert tiles(384, 2) == 3
    assert tiles(384, 3) == 2
    assert tiles(384, 3, narrow=True) == 1
    assert tiles(384, 2, narrow=True) == 0
    assert tiles(63, 1) == tiles(65, 1) == tiles(64, 2) == tiles(320, 2) == 0
    assert tiles(128, 1, phases=4) == 2
    assert tiles(128, 1, phases=4, rows=500) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", ["whole tiles", "tiles of two groups"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_the_same_bits_in_any_order(
    name: str, size: str, dtype: Any, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = products(dtype, size)[name]
    for splits in (1, 3):
        monkeypatch.setattr(plan, "splits_of", lambda tiles, terms, splits=splits: splits)
        outcomes = []
        for settings in ({}, {"order_seed": 5, "workers": 1}):
            result, statistics = call(Recorded(**settings), arguments, 0.1, 2)
            outcomes.append([result, statistics.mean, statistics.variance])
        for one, other in zip(*outcomes, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("device", DEVICES)
def test_more_groups_than_a_table_holds_and_one_group_twice(device: str) -> None:
    """Running averages are given by group; one that is given twice moves twice, in order."""
    rng, place = np.random.default_rng(0), mg.get_device(device)
    x, w = rng.normal(size=(20 * 64, 9)), rng.normal(size=(9, 5))
    average = [moved_to(place, array) for array in np.full((2, 5), 3.0)]
    mean, variance = (moved_to(place, np.zeros((20, 5))) for _ in range(2))
    statistics = BatchStatistics(mean, variance, [tuple(average)] * 20, 0.5)
    place.gemm(moved_to(place, x), moved_to(place, w), epilogue=Epilogue(statistics=statistics))
    moved_mean, moved_variance = (moved_back(place, array) for array in average)
    runs = (x @ w).reshape(20, 64, 5)
    expected_mean, expected_variance = np.full((2, 5), 3.0)
    for run in runs:
        expected_mean = (expected_mean + run.mean(axis=0)) / 2
        expected_variance = (expected_variance + run.var(axis=0, ddof=1)) / 2
    np.testing.assert_allclose(moved_back(place, mean), runs.mean(axis=1), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(moved_back(place, variance), runs.var(axis=1), rtol=1e-11)
    np.testing.assert_allclose(moved_mean, expected_mean, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(moved_variance, expected_variance, rtol=1e-11)
