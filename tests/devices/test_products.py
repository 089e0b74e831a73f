"""Matrix products of the kernel devices: every form, how operands are copied, split-K."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.products import Epilogue
from minigan.devices.cuda_plan import products as plan
from minigan.devices.emulated import Emulated
from minigan.devices.precision import using_float32_precision
from minigan.devices.sources import kernel_names, kernel_sources

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def device() -> Emulated:
    return Emulated()


@pytest.fixture(params=["ieee", "tf32"])
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    with using_float32_precision(request.param):
        yield request.param


def products(dtype: Any, channels: tuple[int, int], gemm: tuple[int, int, int]) -> dict[str, Any]:
    """Calls of every product: for gemm of (m, n, k), and for convolutions of c to o channels."""
    rng = np.random.default_rng(0)
    (c, o), (m, n, k) = channels, gemm
    g = ConvolutionGeometry((9, 7), (4, 6), (4, 3), (2, 1), ((1, 2), (0, 1)))

    def normal(*shape: int) -> Array:
        return rng.normal(size=shape).astype(dtype)

    x, dy, w, w_swapped = (
        normal(3, 9, 7, c),
        normal(3, 4, 6, o),
        normal(4, 3, c, o),
        normal(4, 3, o, c),
    )
    return {
        "gemm_nn": ("gemm", normal(m, k), normal(k, n), False, False, Epilogue(normal(n))),
        "gemm_nt": ("gemm", normal(m, k), normal(n, k), False, True),
        "gemm_tn": ("gemm", normal(k, m), normal(k, n), True, False, Epilogue(normal(n))),
        "gemm_tt": ("gemm", normal(k, m), normal(n, k), True, True),
        "conv2d": ("conv2d", x, w, g, Epilogue(normal(o))),
        "conv2d_backward_data": ("conv2d_backward_data", dy, w, g),
        "conv2d_backward_weight": ("conv2d_backward_weight", x, dy, g),
        "conv2d_backward_data_swapped": ("conv_transpose2d", dy, w_swapped, g, Epilogue(normal(c))),
        "conv2d_swapped": ("conv_transpose2d_backward_data", x, w_swapped, g),
        "conv2d_backward_data_narrow": ("conv2d_backward_data", dy, normal(4, 3, 3, o), g),
        "conv2d_backward_data_swapped_narrow": ("conv_transpose2d", dy, normal(4, 3, o, 3), g, Epilogue(normal(3))),
        "conv2d_backward_data_narrow, one channel": ("conv_transpose2d", dy, normal(4, 3, o, 1), g, Epilogue(normal(1))),
        "conv2d_backward_weight, swapped": ("conv_transpose2d_backward_weight", dy, x, g),
    }  # fmt: skip


PRODUCTS = tuple(products(np.float32, (4, 8), (3, 4, 5)))
VECTORS = {"channels": (8, 12), "gemm": (68, 132, 36)}  # all multiples of 4
ODD = {"channels": (5, 7), "gemm": (65, 130, 17)}


def call(device: Any, arguments: tuple[Any, ...]) -> Array:
    name, *rest = arguments
    result: Array = getattr(device, name)(*rest)
    return result


def magnitudes(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(abs(a) if isinstance(a, np.ndarray) else a for a in arguments)


def as_double(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(a.astype(np.float64) if isinstance(a, np.ndarray) else a for a in arguments)


@pytest.mark.parametrize("sizes", [VECTORS, ODD], ids=["vectors", "odd"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_the_error_of_a_product_is_that_of_its_precision(
    device: Emulated, name: str, sizes: Any, precision: str
) -> None:
    """Against float64. Rounding an operand to TF32 changes it by 2⁻¹¹ of itself at most, and so a product of two by
    2·2⁻¹¹ + 2⁻²². Each addition and, in float32, each product rounds by 2⁻²⁴. A result has fewer
    than 1,000 such roundings."""
    arguments = products(np.float32, **sizes)[name]
    exact, found = call(mg.get_device("cpu"), as_double(arguments)), call(device, arguments)
    scale = call(mg.get_device("cpu"), magnitudes(as_double(arguments)))
    tensor_cores = precision == "tf32" and "narrow" not in name
    operands = 2 * 2.0**-11 + 2.0**-22 if tensor_cores else 0.0
    error = abs(found - exact)
    assert (error <= (operands + 1000 * 2.0**-24) * scale).all()
    # … and no better than that: tf32 rounds, ieee does not.
    assert (error > 20 * 2.0**-24 * scale).any() == tensor_cores


def test_tf32_of_numbers_that_it_holds_is_exact(device: Emulated) -> None:
    """Whole numbers of up to 11 bits need no rounding: a cut in the wrong place, or a low bit kept, would show."""
    rng = np.random.default_rng(4)
    a = rng.integers(-(2**11), 2**11 + 1, (70, 3)).astype(np.float32)
    b = rng.integers(-1, 2, (3, 90)).astype(np.float32)
    with using_float32_precision("tf32"):
        np.testing.assert_array_equal(device.gemm(a, b), a @ b)
        finer = device.gemm(a + np.float32(2.0**-9), b)
    assert not np.array_equal(finer, (a + np.float32(2.0**-9)) @ b)


@pytest.mark.parametrize("name", PRODUCTS)
def test_float64_knows_no_tf32(device: Emulated, name: str) -> None:
    arguments = products(np.float64, **ODD)[name]
    expected = call(device, arguments)
    with using_float32_precision("tf32"):
        np.testing.assert_array_equal(call(device, arguments), expected)


@pytest.mark.parametrize("m", [1, 3, 17, 65, 130])
@pytest.mark.parametrize("n", [1, 17, 65])
@pytest.mark.parametrize("k", [1, 3, 17, 130])
def test_gemm_of_whole_numbers_is_exact(
    device: Emulated, m: int, n: int, k: int, precision: str
) -> None:
    rng = np.random.default_rng(5)
    a, b = (rng.integers(-4, 5, shape).astype(np.float32) for shape in ((m, k), (k, n)))
    expected = a @ b
    for ta, tb in itertools.product([False, True], repeat=2):
        x, y = (v.T.copy() if t else v for v, t in ((a, ta), (b, tb)))
        np.testing.assert_array_equal(device.gemm(x, y, ta, tb), expected)


@pytest.mark.parametrize("m, n, k", list(itertools.product((0, 1, 5), repeat=3)))
def test_products_of_nothing_and_of_no_terms(device: Emulated, m: int, n: int, k: int) -> None:
    bias = np.arange(n, dtype=np.float32)
    found = device.gemm(
        np.ones((m, k), np.float32), np.ones((k, n), np.float32), epilogue=Epilogue(bias)
    )
    np.testing.assert_array_equal(found, np.broadcast_to(k + bias, (m, n)))


@pytest.mark.parametrize("channels", [(3, 4), (1, 1), (4, 1), (1, 4)])
@pytest.mark.parametrize("batch", [0, 2])
@pytest.mark.parametrize(
    "geometry",
    [
        ConvolutionGeometry((3, 2), (9, 13), (3, 2), (5, 4), ((40, 0), (0, 50))),
        ConvolutionGeometry((5, 6), (1, 2), (3, 2), (5, 4), ((0, 0), (0, 0))),
    ],
    ids=["windows of zeros only", "pixels that no window reaches"],
)
def test_convolutions_at_the_edges(
    device: Emulated, geometry: ConvolutionGeometry, batch: int, channels: tuple[int, int]
) -> None:
    """On whole numbers: padding larger than all else, strides larger than the kernel, no images, one channel."""
    rng, (c, o) = np.random.default_rng(9), channels

    def whole(*shape: int) -> Array:
        return rng.integers(-4, 5, shape).astype(np.float32)

    x, dy = whole(batch, *geometry.input_size, c), whole(batch, *geometry.output_size, o)
    w, swapped = (whole(*geometry.kernel_size, *ends) for ends in ((c, o), (o, c)))
    for arguments in (
        ("conv2d", x, w, geometry, Epilogue(whole(o))),
        ("conv2d_backward_data", dy, w, geometry),
        ("conv2d_backward_weight", x, dy, geometry),
        ("conv_transpose2d", dy, swapped, geometry, Epilogue(whole(c))),
        ("conv_transpose2d_backward_data", x, swapped, geometry),
        ("conv_transpose2d_backward_weight", dy, x, geometry),
    ):
        expected = call(mg.get_device("cpu"), arguments)
        np.testing.assert_array_equal(call(device, arguments), expected, arguments[0])


def shifted(array: Array) -> Array:
    """A copy that begins one element off a multiple of 16 bytes, where no 128-bit copy fits."""
    memory = np.empty(array.size + 1 + 16 // array.itemsize, array.dtype)
    start = -(memory.ctypes.data // array.itemsize) % (16 // array.itemsize) + 1
    view = memory[start : start + array.size].reshape(array.shape)
    view[...] = array
    assert view.ctypes.data % 16 == array.itemsize
    return view


class Recorded(Emulated):
    """Which kernels were launched, on which grids."""

    def __init__(self) -> None:
        super().__init__()
        self.launched: list[tuple[str, tuple[int, ...]]] = []

    def launch(self, source: str, kernel: str, dtype: Any, grid: Any, *rest: Any) -> None:
        self.launched.append((kernel, grid))
        super().launch(source, kernel, dtype, grid, *rest)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", PRODUCTS)
def test_copies_of_vectors_and_of_elements_give_the_same_bits(
    name: str, dtype: Any, precision: str
) -> None:
    device, arguments = Recorded(), products(dtype, **VECTORS)[name]
    off = tuple(shifted(a) if isinstance(a, np.ndarray) else a for a in arguments)
    np.testing.assert_array_equal(call(device, off), call(device, arguments))
    (elements, _), (vectors, _) = device.launched
    tensor_cores = precision == "tf32" and dtype == np.float32 and "narrow" not in name
    suffix = "_tf32" if tensor_cores else ""
    base = name.partition(",")[0]
    assert (elements, vectors) == (base + suffix, base + "_vector" + suffix)


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_size_that_is_no_multiple_of_a_vector_is_copied_by_elements(name: str) -> None:
    device = Recorded()
    call(device, products(np.float32, **ODD)[name])
    assert "vector" not in device.launched[0][0]


def test_the_plan_launches_every_kernel_of_its_files() -> None:
    device = Recorded()
    for precision, sizes in itertools.product(("ieee", "tf32"), (VECTORS, ODD)):
        with using_float32_precision(precision):
            for arguments in products(np.float32, **sizes).values():
                call(device, arguments)
    device.column_sum(np.ones((3, 5), np.float32))
    names = [
        name
        for file in ("gemm", "convolution")
        for name in kernel_names((kernel_sources() / f"{file}.cu").read_text(encoding="utf-8"))
    ]
    assert {kernel for kernel, _ in device.launched} == set(names)


DEEP = {"channels": (8, 4), "gemm": (17, 20, 1100)}


def deep(dtype: Any, name: str) -> tuple[Any, ...]:
    """A product of few tiles and many terms: more images or channels where a convolution's sum needs them."""
    arguments = products(dtype, **DEEP)[name]
    if "gemm" in name:
        return arguments
    if "weight" in name:  # k counts windows
        return tuple(
            np.tile(a, (6, 1, 1, 1)) if isinstance(a, np.ndarray) else a for a in arguments
        )
    return products(dtype, (400, 300), (1, 1, 1))[name]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", PRODUCTS)
def test_a_divided_sum_is_the_whole_one_and_always_the_same(
    name: str, dtype: Any, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, arguments = Recorded(), deep(dtype, name)
    monkeypatch.setattr(plan, "_LEAST_TERMS", 128)
    found = call(device, arguments)
    (kernel, (_, splits, _)), (merge, _) = device.launched
    assert splits > 1 and merge == "sum_parts"
    np.testing.assert_array_equal(call(Emulated(order_seed=5, workers=1), arguments), found)
    monkeypatch.setattr(plan, "_PRODUCT_BLOCKS", 1)
    whole = call(device, arguments)
    assert (
        device.launched[2:] == [(kernel, device.launched[2][1])] and device.launched[2][1][1] == 1
    )
    scale = call(mg.get_device("cpu"), magnitudes(as_double(arguments)))
    assert (abs(found - whole) <= 4000 * np.finfo(dtype).eps * scale).all()
    assert not np.array_equal(found, whole)  # it was another sum


def test_the_number_of_splits() -> None:
    """Enough blocks to fill the GPU, none of them idle, and each with a sum worth its launch."""
    assert plan.splits_of(1000, 10**6) == 1
    assert plan.splits_of(264, 10**6) == 1
    assert plan.splits_of(32, 12544) == 8
    assert plan.splits_of(1, 500) == 1
    assert plan.splits_of(1, 1024) == 4
    assert plan.splits_of(0, 0) == 1


def test_a_split_with_no_slice_of_its_own_adds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "splits_of", lambda tiles, terms: 5)
    device, rng = Recorded(), np.random.default_rng(6)
    a, b = (rng.integers(-4, 5, shape).astype(np.float32) for shape in ((3, 20), (20, 6)))
    bias = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(device.gemm(a, b, epilogue=Epilogue(bias)), a @ b + bias)
    assert device.launched[0][1] == (1, 5, 1)
