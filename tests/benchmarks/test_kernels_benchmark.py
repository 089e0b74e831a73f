"""The kernel benchmark: costs by hand, and library calls equal to the kernels."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from benchmarks import declaration, kernels, machine
from minigan.devices import get_device
from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.likelihood import CodeTable
from minigan.devices.contract.normalization import BatchNormalization, BatchStatistics
from minigan.devices.contract.optimizer import AdamSettings
from minigan.devices.contract.products import Epilogue
from minigan.devices.device import KERNELS
from minigan.experiments.declarations import MNIST
from minigan.inspect.calls import Call
from minigan.inspect.cost import Cost, Roofline, arrays_in, call_cost

Array = np.ndarray[Any, Any]
DEVICE = get_device("cpu")
RNG = np.random.default_rng(0)
# Odd in all that can be odd: sides, strides, paddings; rows that no window covers.
GEOMETRIES = {
    "odd": ConvolutionGeometry((9, 8), (4, 5), (4, 3), (2, 2), ((1, 0), (1, 2))),
    "same": ConvolutionGeometry((5, 7), (5, 7), (4, 4), (1, 1), ((1, 2), (1, 2))),
    "InfoGAN's": ConvolutionGeometry((14, 10), (7, 5), (4, 4), (2, 2), ((1, 1), (1, 1))),
    "remainder": ConvolutionGeometry((10, 9), (4, 4), (3, 3), (2, 2), ((0, 0), (0, 0))),
}
TABLE = CodeTable((0, 1, 2), (0, 4, 5), (4, 1, 2), (0.0, -0.5, 0.0))


def array(*shape: int) -> Array:
    return RNG.normal(size=shape)


def convolutions() -> list[tuple[str, tuple[Any, ...], float]]:
    """A call of each kind in each geometry: (kernel, arguments, its FLOPs by hand)."""
    found: list[tuple[str, tuple[Any, ...], float]] = []
    for geometry in GEOMETRIES.values():
        images, windows = array(3, *geometry.input_size, 5), array(3, *geometry.output_size, 7)
        filters = array(*geometry.kernel_size, 5, 7)
        swapped = np.ascontiguousarray(filters.swapaxes(2, 3))
        flops = 2.0 * 3 * 5 * 7 * np.prod(geometry.output_size) * np.prod(geometry.kernel_size)
        found += [
            ("conv2d", (images, filters, geometry, Epilogue(array(7))), flops),
            ("conv2d", (images, filters, geometry), flops),
            ("conv2d_backward_data", (windows, filters, geometry), flops),
            ("conv2d_backward_weight", (images, windows, geometry), flops),
            ("conv_transpose2d", (windows, swapped, geometry, Epilogue(array(5))), flops),
            ("conv_transpose2d_backward_data", (images, swapped, geometry), flops),
            ("conv_transpose2d_backward_weight", (windows, images, geometry), flops),
        ]
    return found


def other_calls() -> list[tuple[str, tuple[Any, ...]]]:
    rows, statistics = array(60, 7), (array(3, 7), abs(array(3, 7)) + 0.5)
    normalization = BatchNormalization(*statistics, array(7), array(7), 1e-5, 0.1)
    float64 = np.dtype(np.float64)
    codes = np.stack([RNG.integers(0, 4, 20), *array(2, 20)], axis=1)
    moments = [[array(5, 6), array(31)] for _ in range(3)]
    backward = array(60, 7), rows, normalization
    images = RNG.integers(0, 256, (9, 4, 3, 2)).astype(np.uint8)
    return [
        ("gemm", (array(37, 29), array(29, 31), False, False, Epilogue(array(31)))),
        ("gemm", (array(29, 37), array(31, 29), True, True)),
        ("column_sum", (array(30, 3, 7),)),
        ("batch_norm_statistics", (rows, 3)),
        ("batch_norm_statistics", (rows, 2, [(array(7), abs(array(7))) for _ in range(2)], 0.9)),
        ("batch_norm", (rows, normalization)),
        ("batch_norm_backward", (*backward, True, True)),
        ("batch_norm_backward", (*backward, False, True)),
        ("batch_norm_backward", (*backward, True, False)),
        ("leaky_relu", (array(50, 7), 0.1)),
        ("leaky_relu_backward", (array(50, 7), array(50, 7), 0.1)),
        ("sigmoid", (array(50, 7),)),
        ("sigmoid_backward", (array(50, 7), abs(np.sin(array(50, 7))))),
        ("tanh", (array(50, 7),)),
        ("tanh_backward", (array(50, 7), np.tanh(array(50, 7)))),
        ("scaled_sum", (array(50, 7), 0.7, array(50, 7), -1.3)),
        ("scaled_sum", (array(50, 7), 1.0, array(50, 7), -1.3)),
        ("scaled_sum", (array(50, 7), 0.7, None, 0.0)),
        ("multiply", (array(50, 7), array(50, 7))),
        ("weighted_sum", (array(50, 7), array(7), 50)),
        ("weighted_sum", (array(50, 7), None, 3)),
        ("weighted_sum_backward", (array(1), array(7), 50, (50, 7))),
        ("weighted_sum_backward", (array(1), None, 50, (50, 7))),
        ("pad_rows", (array(5, 3), 2, 1)),
        ("binary_cross_entropy_with_logits", (array(20, 3), abs(np.sin(array(20, 3))))),
        ("code_log_likelihood", (array(20, 7), codes, TABLE)),
        ("adam", (*moments, [abs(array(5, 6)), abs(array(31))], np.array([3]), AdamSettings(0.1, 0.5, 0.9, 1e-8))),
        ("accumulate", (array(50, 7), array(50, 7), 0.9, -0.2)),
        ("increment", (np.array([41]),)),
        ("encode_latents", (array(20, 6), codes, TABLE)),
        ("gather_images", (images, RNG.integers(0, 9, 30), -1.0, 1.0, float64)),
        ("concatenate_rows", ([array(5, 3), array(1, 3), array(8, 3)],)),
    ]  # fmt: skip


CALLS = [(name, arguments) for name, arguments, _ in convolutions()] + other_calls()


def cost_of(name: str, *arguments: Any, **settings: Any) -> Cost:
    return call_cost(name, arguments, settings, getattr(DEVICE, name)(*arguments, **settings))


@pytest.mark.parametrize(("name", "arguments", "flops"), convolutions())
def test_convolutions_cost_what_their_definition_says(
    name: str, arguments: tuple[Any, ...], flops: float
) -> None:
    cost = cost_of(name, *arguments)
    assert (cost.flops, cost.product_flops) == (0, flops)
    result = getattr(DEVICE, name)(*arguments)
    given = sum(a.size for a in arrays_in(arguments))
    assert cost.bytes == 8 * (given + result.size)


def test_costs_by_hand() -> None:
    f = np.float32
    assert cost_of("gemm", array(3, 5).astype(f), array(7, 5).astype(f), transpose_b=True) == Cost(
        1, 4 * (15 + 35 + 21), 0, 2 * 3 * 5 * 7
    )
    assert cost_of("accumulate", array(10), array(10)) == Cost(1, 8 * 30, 30)  # read, read, written
    # x is read; mean and variance are written; two running statistics of each group are read and written.
    running = [(array(7), array(7)), (array(7), array(7))]
    found = cost_of("batch_norm_statistics", array(60, 7), 2, running, 0.9)
    assert found == Cost(1, 8 * (60 * 7 + 2 * 2 * 7 + 2 * 4 * 7), 7 * 60 * 7)
    # g is read; p, m and v are read and written; the count is read.
    lists = [[array(10), array(33)] for _ in range(4)]
    lists[3] = [abs(a) for a in lists[3]]
    found = cost_of("adam", *lists, np.array([1]), AdamSettings(0.1, 0.5, 0.9, 1e-8))
    assert found == Cost(1, 7 * 8 * 43 + 8, 13 * 43)
    # Three of a hundred images are read, a byte a pixel, and written as float32.
    images, three = np.zeros((100, 4, 2, 1), np.uint8), np.arange(3)
    assert cost_of("gather_images", images, three, 0.0, 1.0, np.dtype(f)) == Cost(
        1, 3 * 8 * (1 + 4) + 3 * 8, 2 * 24
    )


def test_every_kernel_of_the_contract_has_a_cost() -> None:
    rows = array(4, 3)
    for name in KERNELS:
        arguments: tuple[Any, ...] = (rows, rows) if name != "adam" else ([rows],) * 4
        assert call_cost(name, arguments, {}, rows).bytes > 0


def test_the_products_of_a_step_are_those_that_the_step_states() -> None:
    from benchmarks.operations import step_costs
    from benchmarks.step import GFLOP_AN_IMAGE
    from minigan.experiments.trainer import Trainer

    settings = dataclasses.replace(MNIST, batch_size=8)
    trainer = Trainer(settings, np.zeros((16, 28, 28, 1), np.uint8))
    costs = step_costs(trainer.step, trainer.device)
    gflop = sum(cost.product_flops for cost in costs.values()) / 1e9
    assert gflop == pytest.approx(GFLOP_AN_IMAGE * 8, rel=3e-3)  # stated to three digits
    assert costs["adam"].launches == 2


def test_arrays_inside_a_declaration_are_the_calls_arrays() -> None:
    @dataclasses.dataclass
    class Statistics:
        mean: Array
        groups: int

    statistics = Statistics(np.ones((2, 3), np.float32), 2)
    first, second = (Call("gemm", (array(2, 3),), {"statistics": one}) for one in (statistics, dataclasses.replace(statistics, mean=statistics.mean * 5)))  # fmt: skip
    assert first.key == second.key
    _, settings = first.moved(lambda a: a + 1)
    assert settings["statistics"].groups == 2
    np.testing.assert_array_equal(settings["statistics"].mean, 2)
    assert [a.shape for a in arrays_in(settings["statistics"])] == [(2, 3)]


def test_the_roof_is_the_lower_of_two_lines() -> None:
    roof = Roofline(peak=100.0, bandwidth=10.0)
    assert roof.ridge == 10
    assert [roof.attainable(x) for x in (0.5, 10, 20)] == [5, 100, 100]
    assert roof.seconds(Cost(1, bytes=50, flops=100)) == 5
    assert roof.seconds(Cost(1, bytes=50, flops=400, product_flops=600)) == 10
    assert Cost(1, 50, 400, 600).intensity == 20


def test_the_machines_rates_are_work_over_the_median_time() -> None:
    times = {
        machine.GEMM: [[100.0], [200.0], [400.0]],  # milliseconds
        machine.TRIAD: [[10.0, 20.0], [40.0, 20.0]],
    }
    roof = machine.roofline(times)
    assert roof.peak == pytest.approx(2 * 2048**3 / 0.2)
    assert roof.bandwidth == pytest.approx(3 * 4 * 2**26 / 0.02)
    rates = machine.to_json(times)
    assert machine.from_json(rates).peak == pytest.approx(roof.peak, rel=1e-3)
    low, high = rates["triad_gb_per_s_range"]
    assert (low, high) == pytest.approx((20.13, 80.53), rel=1e-3)


@pytest.mark.parametrize(("name", "arguments"), CALLS, ids=[name for name, _ in CALLS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_librarys_call_gives_what_the_kernel_gives(
    name: str, arguments: tuple[Any, ...], dtype: str
) -> None:
    pytest.importorskip("torch")
    call = Call(name, *Call(name, arguments, {}).moved(lambda a: in_precision(a, dtype)))
    if name == "gather_images":
        call.arguments = (*call.arguments[:4], np.dtype(dtype))
    _, _, own = kernels.own_side(call, DEVICE)
    library = kernels.library_side(call, "cpu")
    assert library is not None
    kernels.require_agreement(call, own, library[2], dtype)
    # A first timed call may not change the inputs of a second.
    library[0]()
    library[0]()


def in_precision(values: Array, dtype: str) -> Array:
    return values.astype(dtype) if values.dtype == np.float64 else values


@pytest.mark.parametrize("slope", [1.0, 0.1])
@pytest.mark.parametrize("name", ["gemm", "conv2d", "conv_transpose2d"])
def test_the_librarys_calls_give_what_is_fused_with_a_product(name: str, slope: float) -> None:
    pytest.importorskip("torch")
    given = next(a for n, a in CALLS if n == name and isinstance(a[-1], Epilogue))
    *plain_arguments, epilogue = given
    channels = len(epilogue.bias)
    running = [(array(channels), abs(array(channels)))]
    statistics = BatchStatistics(np.empty((1, channels)), np.empty((1, channels)), running, 0.9)
    call = Call(name, (*plain_arguments, Epilogue(epilogue.bias, slope, statistics)), {})
    _, cost, own = kernels.own_side(call, DEVICE)
    library = kernels.library_side(call, "cpu")
    assert library is not None
    assert len(own) == 3  # the result, its mean and its variance
    kernels.require_agreement(call, own, library[2], "float64")
    plain = cost_of(name, *given)
    assert cost.product_flops == plain.product_flops
    assert cost.bytes - plain.bytes == 4 * 8 * channels  # the statistics, and the running ones


def test_a_value_that_is_the_mean_is_at_the_kink_in_both() -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, dy = (rng.normal(1, 2, (6, 50)).astype(np.float32) for _ in range(2))
    mean, variance = x[:1].copy(), rng.uniform(1, 2, (1, 50)).astype(np.float32)
    weight, bias = rng.normal(1, 0.1, 50).astype(np.float32), np.zeros(50, np.float32)
    call = Call("batch_norm_backward", (dy, x, BatchNormalization(mean, variance, weight, bias, 1e-5, 0.1), True, True), {})  # fmt: skip
    own, library = kernels.own_side(call, DEVICE)[2], kernels.library_side(call, "cpu")
    assert library is not None
    kernels.require_agreement(call, own, library[2], "float32")


def test_what_has_no_peer() -> None:
    pytest.importorskip("torch")
    from benchmarks.baselines.torch_kernels import BASELINES

    assert set(KERNELS) - set(BASELINES) == {
        "random_uniform", "random_integers", "sample_codes", "scale_code_gradient",
        "code_consistency_information", "random_occlusion", "random_affine",  # in no step of the paper's
    }  # fmt: skip
    assert {name for name, _ in CALLS} == set(BASELINES)


def test_a_difference_is_named() -> None:
    call = Call("multiply", (array(3),), {})
    x = np.ones(4, np.float32)
    assert kernels.require_agreement(call, [x], [x * (1 + 1e-6)], "float32") < 2e-6
    for wrong in (x * 1.001, x * np.nan):
        with pytest.raises(declaration.DisagreementError, match=r"multiply\(3\).*differ by"):
            kernels.require_agreement(call, [wrong], [x], "float32")
    with pytest.raises(declaration.DisagreementError, match="arrays of"):
        kernels.require_agreement(call, [x[:3]], [x], "float32")
