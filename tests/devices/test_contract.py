"""What every device promises: all kernels or a refusal by name, fresh results, the same bits each time."""

import inspect
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import threadpoolctl
from bounds import gamma
from device_list import DEVICES, moved_back, moved_to

import minigan as mg
from minigan.devices import Device, get_device
from minigan.devices.contract.convolution import ConvolutionGeometry
from minigan.devices.contract.images import AffineRanges, OcclusionSizes
from minigan.devices.contract.likelihood import CodeTable
from minigan.devices.contract.normalization import BatchNormalization
from minigan.devices.contract.optimizer import AdamSettings
from minigan.devices.contract.products import Epilogue
from minigan.devices.device import KERNELS
from minigan.devices.memory import share_memory
from minigan.errors import DeviceError

Array = np.ndarray[Any, Any]

IN_PLACE = {"adam", "accumulate", "increment"}
GEOMETRY = ConvolutionGeometry((9, 8), (4, 5), (4, 3), (2, 2), ((1, 0), (1, 2)))
TABLE = CodeTable((0, 1, 2), (0, 4, 5), (4, 1, 2), (0.0, -0.5, 0.0))
KEY = (2**40 + 7, 3, 11)


def arguments(dtype: Any) -> dict[str, tuple[Any, ...]]:
    """A call of every kernel, large enough for every thread to have its part."""
    rng = np.random.default_rng(0)

    def array(*shape: int) -> Array:
        return np.asarray(rng.normal(size=shape), dtype)

    images, filters, windows = array(6, 9, 8, 5), array(4, 3, 5, 7), array(6, 4, 5, 7)
    rows, statistics = array(60, 7), (array(3, 7), abs(array(3, 7)) + dtype(0.5))
    normalization = BatchNormalization(*statistics, array(7), array(7), 1e-5, 0.1)
    codes = np.stack([rng.integers(0, 4, 20), *rng.normal(size=(2, 20))], axis=1).astype(dtype)
    moments = [[array(5, 6), array(3000)] for _ in range(3)]
    return {
        "gemm": (array(37, 29), array(29, 31), False, False, Epilogue(array(31))),
        "column_sum": (array(300, 3, 7),),
        "conv2d": (images, filters, GEOMETRY, Epilogue(array(7))),
        "conv2d_backward_data": (windows, filters, GEOMETRY),
        "conv2d_backward_weight": (images, windows, GEOMETRY),
        "conv_transpose2d": (windows, filters.swapaxes(2, 3).copy(), GEOMETRY, Epilogue(array(5))),
        "conv_transpose2d_backward_data": (images, filters.swapaxes(2, 3).copy(), GEOMETRY),
        "conv_transpose2d_backward_weight": (windows, images, GEOMETRY),
        "batch_norm_statistics": (rows, 3),
        "batch_norm": (rows, normalization),
        "batch_norm_backward": (array(60, 7), rows, normalization, True, True),
        "leaky_relu": (array(50, 7), 0.1),
        "leaky_relu_backward": (array(50, 7), array(50, 7), 0.1),
        "sigmoid": (array(50, 7),),
        "sigmoid_backward": (array(50, 7), array(50, 7)),
        "tanh": (array(50, 7),),
        "tanh_backward": (array(50, 7), np.tanh(array(50, 7))),
        "scaled_sum": (array(50, 7), 0.7, array(50, 7), -1.3),
        "multiply": (array(50, 7), array(50, 7)),
        "weighted_sum": (array(50, 7), array(7), 50),
        "weighted_sum_backward": (array(), array(7), 50, (50, 7)),
        "pad_rows": (array(5, 3), 2, 1),
        "binary_cross_entropy_with_logits": (array(20, 3), abs(np.sin(array(20, 3)))),
        "code_log_likelihood": (array(20, 7), codes, TABLE),
        "code_consistency_information": (array(20, 7), array(20, 7), TABLE),
        "scale_code_gradient": (array(20, 7), array(20, 3), TABLE),
        "adam": (*moments, [abs(array(5, 6)), abs(array(3000))], 3, AdamSettings(0.1, 0.5, 0.9, 1e-8)),
        "accumulate": (array(50, 7), array(50, 7), 0.9, -0.2),
        "increment": (np.array([41]),),
        "random_uniform": ((41, 9), -1.0, 1.0, dtype, KEY),
        "random_integers": ((41, 9), 10, KEY),
        "sample_codes": (20, TABLE, dtype, KEY),
        "encode_latents": (array(20, 6), codes, TABLE),
        "gather_images": (
            rng.integers(0, 256, (9, 4, 4, 1)).astype(np.uint8), rng.integers(0, 9, 30), -1.0, 1.0, dtype,
        ),
        "random_occlusion": (images, np.sin(array(6, 2, 6)), OcclusionSizes(2.0, 3.0), -1.0, 1.0),
        "random_affine": (images, np.sin(array(6, 5)), AffineRanges(0.5, 0.2, 0.3, 2.5)),
        "concatenate_rows": ([array(5, 3), array(1, 3), array(8, 3)],),
    }  # fmt: skip


def arrays_in(value: Any, kind: type = np.ndarray) -> Iterator[Any]:
    if isinstance(value, kind):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from arrays_in(part, kind)


def copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, (BatchNormalization, Epilogue)):
        return type(value)(*map(copied, value))
    return type(value)(map(copied, value)) if type(value) in (tuple, list) else value


def call(device: Device, name: str, given: tuple[Any, ...]) -> list[Array]:
    """The arrays that a kernel gives, on the host: its results, or the arrays that it changed."""
    mine = moved_to(device, given)
    result = getattr(device, name)(*mine)
    return list(arrays_in(moved_back(device, mine if name in IN_PLACE else result)))


def contents(arrays: Iterable[Array]) -> list[bytes]:
    return [a.tobytes() for a in arrays]


@pytest.fixture(scope="module")
def cpu() -> Any:
    return get_device("cpu")


@pytest.fixture(scope="module", params=DEVICES)
def device(request: pytest.FixtureRequest) -> Any:
    return get_device(request.param)


# -- devices and their kernels ------------------------------------------------------------------------


class Bare(Device):
    name = "bare"


class OneKernel(Bare):
    def column_sum(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize("name", KERNELS)
def test_a_missing_kernel_is_refused_by_name(name: str) -> None:
    with pytest.raises(DeviceError, match=f"^device 'bare' has no kernel '{name}'$"):
        getattr(Bare(), name)(1, 2, key=3)


def test_a_device_lists_the_kernels_that_it_has() -> None:
    assert Bare().kernels() == []
    assert OneKernel().kernels() == ["column_sum"]


def test_a_device_without_memory_says_so() -> None:
    for use in (
        lambda: Bare().empty((2,), np.float32),
        lambda: Bare().zeros((2,), np.float32),
        lambda: Bare().asarray([1.0]),
        lambda: Bare().to_numpy(None),
    ):
        with pytest.raises(DeviceError, match="device 'bare' cannot"):
            use()


def test_the_cpu_has_every_kernel(cpu: Device) -> None:
    assert cpu.kernels() == list(KERNELS)
    assert set(arguments(np.float64)) == set(KERNELS)  # and every one is called below


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_has_the_contracts_parameters(cpu: Device, name: str) -> None:
    promised = [p for p in getattr(Device, name).__annotations__ if p != "return"]
    assert list(inspect.signature(getattr(cpu, name)).parameters) == promised
    assert KERNELS[name].strip()


def test_devices_by_name(cpu: Device) -> None:
    assert "cpu" in mg.device_names()
    assert get_device("cpu") is cpu
    bare = Bare()
    assert get_device(bare) is bare
    with pytest.raises(DeviceError, match=f"^there is no device 'gpu'; there is .*{mg.device_names()[-1]}$"):  # fmt: skip
        get_device("gpu")
    with pytest.raises(DeviceError, match="no device 'gpu'"):
        mg.tensor([1.0], device="gpu")


# -- results ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_gives_fresh_arrays_and_leaves_what_it_reads(
    device: Device, name: str, dtype: Any
) -> None:
    kind = device.array_module.ndarray
    given = moved_to(device, arguments(dtype)[name])
    before = contents(arrays_in(moved_back(device, given)))
    results = list(arrays_in(getattr(device, name)(*given), kind))
    after = contents(arrays_in(moved_back(device, given)))
    changed = [a != b for a, b in zip(after, before, strict=True)]
    if name in IN_PLACE:
        assert not results and changed[0]
        return
    assert results and not any(changed)
    assert all(r.dtype == (np.int64 if name == "random_integers" else dtype) for r in results)
    for i, result in enumerate(results):
        assert result.flags.c_contiguous and getattr(result.flags, "writeable", True)
        others = [*arrays_in(given, kind), *results[:i]]
        assert not any(share_memory(result, other) for other in others)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", KERNELS)
def test_the_same_bits_whatever_the_buffers_held(
    device: Any, name: str, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = arguments(dtype)[name]
    expected = call(device, name, given)
    assert all(np.isfinite(a).all() for a in expected)
    lend = device.empty
    for fill in (0x00, 0xFF):  # zeros, and NaN in either dtype

        def lend_filled(shape: Any, dtype: Any, fill: int = fill) -> Array:
            array: Array = lend(shape, dtype)
            array.reshape(-1).view(np.uint8)[...] = fill
            return array

        monkeypatch.setattr(device, "empty", lend_filled)
        for _ in range(2):
            assert contents(call(device, name, given)) == contents(expected)


def test_python_threads_may_call_kernels_at_once(cpu: Device) -> None:
    given = arguments(np.float32)
    expected = {name: contents(call(cpu, name, given[name])) for name in KERNELS}
    wrong: list[str] = []
    start = threading.Barrier(2)

    def work(names: list[str]) -> None:
        start.wait()
        for _ in range(15):
            wrong.extend(n for n in names if contents(call(cpu, n, given[n])) != expected[n])

    orders = list(KERNELS), list(reversed(KERNELS))
    threads = [threading.Thread(target=work, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- GEMM and threads ---------------------------------------------------------------------------------


@pytest.fixture
def thread_counts() -> Iterator[Callable[[], Iterator[int]]]:
    """One thread, then two (where there are two); the number is put back."""
    import numba

    def counts() -> Iterator[int]:
        for count in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(count)
            yield count

    before = numba.get_num_threads()
    yield counts
    numba.set_num_threads(before)


SIZES = [(1, 1, 1), (1, 7, 5), (3, 1, 2), (2, 3, 1), (17, 31, 13), (64, 64, 64), (5, 200, 129), (130, 3, 67)]  # fmt: skip


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gemm(
    device: Device, size: Any, transpose_a: bool, transpose_b: bool, dtype: Any, thread_counts: Any
) -> None:
    """Against float64, and with one thread against two: each sum of k + 1 terms is off by γₖ₊₁ at most."""
    m, n, k = size
    rng = np.random.default_rng(m * n * k)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    bias = rng.normal(size=n).astype(dtype)
    stored_a, stored_b = (a.T.copy() if transpose_a else a), (b.T.copy() if transpose_b else b)
    bound = gamma(k + 1, dtype) * (abs(a).astype(float) @ abs(b).astype(float) + abs(bias))
    exact = a.astype(np.longdouble) @ b.astype(np.longdouble) + bias
    results = []
    for _ in thread_counts():
        results += call(
            device, "gemm", (stored_a, stored_b, transpose_a, transpose_b, Epilogue(bias))
        )
        assert results[-1].shape == (m, n) and results[-1].dtype == dtype
        assert (abs(results[-1] - exact) <= bound).all()
    assert (abs(results[0].astype(float) - results[1]) <= 2 * bound).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gemm_of_whole_numbers_is_exact(device: Device, dtype: Any, thread_counts: Any) -> None:
    rng = np.random.default_rng(1)
    for m, n, k in SIZES:
        a, b = (rng.integers(-4, 5, s).astype(dtype) for s in ((m, k), (k, n)))
        for _ in thread_counts():
            for given, product in (
                ((a, b), a @ b), ((a, a, False, True), a @ a.T), ((b, b, True), b.T @ b)
            ):  # fmt: skip
                (found,) = call(device, "gemm", given)
                np.testing.assert_array_equal(found, product)


@pytest.mark.parametrize(("m", "n", "k"), [(0, 3, 2), (3, 0, 2), (3, 2, 0), (0, 0, 0)])
@pytest.mark.parametrize("transpose", [False, True])
def test_gemm_of_nothing(device: Device, m: int, n: int, k: int, transpose: bool) -> None:
    a, b = np.ones((k, m) if transpose else (m, k)), np.ones((n, k) if transpose else (k, n))
    bias = np.arange(1.0, n + 1)
    (result,) = call(device, "gemm", (a, b, transpose, transpose, Epilogue(bias)))
    np.testing.assert_array_equal(result, np.broadcast_to(bias, (m, n)))


@pytest.mark.parametrize("name", KERNELS)
def test_one_thread_and_two_agree(cpu: Device, name: str, thread_counts: Any) -> None:
    """In float64; elements that are sums may differ in their last bits, by how they were split."""
    given = arguments(np.float64)[name]
    results = []
    for _ in thread_counts():
        results.append(call(cpu, name, given))
    for one, two in zip(*results, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12)


def test_one_pool_owns_the_cores(cpu: Device) -> None:
    """Numba's sleeping one: no kernel calls a library with separate threads, and theirs are left alone."""
    import numba

    before = threadpoolctl.threadpool_info()
    cpu.gemm(np.ones((2, 2)), np.ones((2, 2)))
    assert numba.threading_layer() == "workqueue"
    after = threadpoolctl.threadpool_info()
    assert [lib["num_threads"] for lib in after] == [lib["num_threads"] for lib in before]
