"""The account of a step: against counts by hand, and against the operations that the step benchmark states."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import minigan as mg
from benchmarks import account
from benchmarks.account import Machine, seconds
from benchmarks.step import GFLOP_AN_IMAGE
from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.optimizer import AdamSettings
from minigan.devices.contract.products import Epilogue
from minigan.devices.sources import kernel_names, kernel_sources
from minigan.experiments.declarations import MNIST
from minigan.inspect.cost import Cost

DEVICE: Any = mg.get_device("emulated")


def array(*shape: int, dtype: Any = np.float32) -> Any:
    return DEVICE.empty(shape, dtype)


def costs(function: Any) -> list[Cost]:
    launches, _ = DEVICE.record(function)
    return [account.cost(launch) for launch in launches]


GEOMETRY = ConvolutionGeometry((9, 8), (4, 5), (4, 3), (2, 2), ((1, 0), (1, 2)))
IMAGES, FILTERS, WINDOWS = (6, 9, 8, 5), (4, 3, 5, 7), (6, 4, 5, 7)
PRODUCTS = 2 * 6 * 4 * 5 * 4 * 3 * 5 * 7  # 2·n·|output|·|kernel|·c·o
CONVOLUTION_BYTES = 4 * (6 * 9 * 8 * 5 + 4 * 3 * 5 * 7 + 6 * 4 * 5 * 7)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda: DEVICE.gemm(array(3, 5), array(5, 7), epilogue=Epilogue(array(7))), Cost(1, 4 * (15 + 35 + 7 + 21), 0, 2 * 3 * 5 * 7)),
        (lambda: DEVICE.gemm(array(5, 3), array(5, 7), True), Cost(1, 4 * (15 + 35 + 21), 0, 2 * 3 * 5 * 7)),
        (lambda: DEVICE.gemm(array(3, 5), array(7, 5), False, True), Cost(1, 4 * (15 + 35 + 21), 0, 210)),
        (lambda: DEVICE.conv2d(array(*IMAGES), array(*FILTERS), GEOMETRY), Cost(1, CONVOLUTION_BYTES, 0, PRODUCTS)),
        (lambda: DEVICE.conv2d_backward_data(array(*WINDOWS), array(*FILTERS), GEOMETRY), Cost(1, CONVOLUTION_BYTES, 0, PRODUCTS)),
        (lambda: DEVICE.conv2d_backward_weight(array(*IMAGES), array(*WINDOWS), GEOMETRY), Cost(1, CONVOLUTION_BYTES, 0, PRODUCTS)),
        (
            lambda: DEVICE.conv_transpose2d(array(*WINDOWS), array(4, 3, 7, 5), GEOMETRY),
            Cost(1, CONVOLUTION_BYTES, 0, PRODUCTS),
        ),
        (lambda: DEVICE.scaled_sum(array(10), 2.0, array(10), 3.0), Cost(1, 3 * 40, 30)),
        (lambda: DEVICE.accumulate(array(10), array(10)), Cost(1, 3 * 40, 30)),
        (lambda: DEVICE.copy(array(10, dtype=np.float64)), Cost(1, 2 * 80, 0)),
        (  # three of a hundred images, a byte a pixel
            lambda: DEVICE.gather_images(array(100, 4, 2, 1, dtype=np.uint8), array(3, dtype=np.int64), 0, 1, np.float32),
            Cost(1, 3 * 8 * (1 + 4) + 3 * 8, 2 * 24),
        ),
        (  # seven streams of each tensor, and the count of steps
            lambda: DEVICE.adam(
                *([array(10), array(33)] for _ in range(4)), array(1, dtype=np.int64), AdamSettings(1, 0, 0, 0)
            ),
            Cost(1, 7 * 4 * 43 + 8, 13 * 43),
        ),
    ],
)  # fmt: skip
def test_a_launch_by_hand(function: Any, expected: Cost) -> None:
    assert costs(function) == [expected]


def test_running_statistics_are_read_and_written() -> None:
    plain = costs(lambda: DEVICE.batch_norm_statistics(array(40, 5), 2))
    running = [(array(5), array(5)) for _ in range(2)]
    moved = costs(lambda: DEVICE.batch_norm_statistics(array(40, 5), 2, running, 0.9))
    assert [b.bytes - a.bytes for a, b in zip(plain, moved, strict=True)] == [0, 2 * 4 * 5 * 4]


def test_every_kernel_is_counted() -> None:
    names = {
        name
        for source in kernel_sources().glob("*.cu")
        for name in kernel_names(source.read_text(encoding="utf-8"))
    }
    counted = {*account._OPERATIONS, "adam"}
    assert counted <= names
    assert all(account._product(name) is not None for name in names - counted)
    assert not any(account._product(name) for name in counted)


def test_the_longer_of_bytes_and_operations() -> None:
    machine = Machine("toy", bandwidth=10.0, float32=100.0, tf32=1000.0)
    assert seconds(Cost(1, 50, 100), machine, tensor_cores=False) == 5
    assert seconds(Cost(1, 50, 1000), machine, tensor_cores=True) == 10
    assert seconds(Cost(1, 50, 100, 2000), machine, tensor_cores=False) == 21
    assert seconds(Cost(1, 10, 100, 2000), machine, tensor_cores=True) == 3


@pytest.mark.usefixtures("unwatched")
@pytest.mark.parametrize("batch", [16, 128])
def test_the_products_of_a_step_are_those_that_the_benchmark_states(batch: int) -> None:
    settings = dataclasses.replace(MNIST, batch_size=batch)
    found = account.account(account.launches_of_a_step(settings))
    products = sum(cost.product_flops for own in found.values() for cost in own)
    assert products / 1e9 == pytest.approx(
        GFLOP_AN_IMAGE * batch, rel=3e-3
    )  # stated to three digits
    assert len(found["`adam.cu` adam"]) == 2  # D with Q, and G


@pytest.mark.usefixtures("unwatched")
def test_the_table_says_that_it_is_a_model() -> None:
    table = account.table(batch_size=4)
    assert table.title.startswith("A model, not a measurement")
    assert "rates that NVIDIA states for the H200" in table.notes[0]
    *rows, total = table.rows
    assert total[0] == "all"
    assert sum(int(row[1]) for row in rows) == int(total[1])
    assert sum(float(row[4]) for row in rows) == pytest.approx(
        float(total[4]), abs=0.005 * len(rows)
    )
