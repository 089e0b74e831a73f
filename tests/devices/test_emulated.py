"""The emulated device: the CUDA dialect, and the mistakes that it catches."""

import itertools
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.devices.device import KERNELS
from minigan.devices.emulated import Emulated
from minigan.devices.sources import kernel_names, kernel_sources
from minigan.errors import KernelError

DEVICES = {
    "x86-64 switch": {},
    "portable switch": {"portable_switch": True},
    "another order": {"order_seed": 7},
    "one worker": {"workers": 1},
    "strict": {"strict": True},
}


@pytest.fixture(scope="module", params=DEVICES, ids=lambda name: name.replace(" ", "-"))
def device(request: pytest.FixtureRequest) -> Emulated:
    return Emulated(**DEVICES[request.param])


DIALECT = Path(__file__).parent / "kernels" / "dialect.cu"


@pytest.fixture(
    scope="module",
    params=[name for name in DEVICES if name != "strict"],
    ids=lambda name: name.replace(" ", "-"),
)
def fast_device(request: pytest.FixtureRequest) -> Emulated:
    """For kernels that a strict one refuses (test_strict.py)."""
    return Emulated(**DEVICES[request.param])


def launch(
    device: Emulated,
    kernel: str,
    *arguments: Any,
    grid: Any = (1,),
    block: Any = (64,),
    **settings: Any,
) -> None:
    path = settings.pop("path", DIALECT)
    device.launch_file(path, kernel, np.float32, grid, block, arguments, **settings)


X = np.arange(128, dtype=np.float32)


def test_static_shared_memory_is_of_the_block(device: Emulated) -> None:
    y = np.zeros_like(X)
    launch(device, "reverse", X, y, grid=(2,))
    np.testing.assert_array_equal(y, X.reshape(2, 64)[:, ::-1].ravel())


def test_dynamic_shared_memory(device: Emulated) -> None:
    y = np.zeros(96, np.float32)
    launch(device, "reverse_dynamic", X, y, block=(96,), shared_bytes=96 * 4)
    np.testing.assert_array_equal(y, X[95::-1])


def test_shared_memory_starts_as_nan_in_every_block(fast_device: Emulated) -> None:
    """Also after a kernel of the same library has written it."""
    y = np.zeros_like(X)
    launch(fast_device, "reverse", X, y, grid=(2,))
    z = np.zeros(64, np.float32)
    launch(fast_device, "uninitialised", z)
    assert np.isnan(z).all()


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (
            "divergent_barrier",
            r"divergent_barrier: .*waits in dialect.cu:\d+, and thread \(\d+,0,0\) of .* has ended",
        ),
        (
            "different_barriers",
            r"different_barriers: .*dialect.cu:\d+, and thread .* is at the barrier in dialect.cu:\d+",
        ),
        ("warp_without_a_lane", r"warp_without_a_lane: a barrier that not all threads reach"),
    ],
)
def test_a_barrier_that_not_all_threads_reach_is_an_error(
    device: Emulated, kernel: str, message: str
) -> None:
    y = np.zeros(64, np.float32)
    with pytest.raises(KernelError, match=message):
        launch(device, kernel, y)
    launch(device, "reverse", X, np.zeros_like(X), grid=(2,))  # and the device goes on


def test_the_line_of_a_barrier_is_its_line_in_the_source(device: Emulated) -> None:
    lines = DIALECT.read_text(encoding="utf-8").splitlines()
    with pytest.raises(KernelError) as error:
        launch(device, "divergent_barrier", np.zeros(64, np.float32))
    (line,) = re.findall(r"waits in dialect.cu:(\d+)", str(error.value))
    assert "if (threadIdx.x < 40) __syncthreads();" in lines[int(line) - 1]


def test_shuffles(device: Emulated) -> None:
    y = np.zeros(256, np.float32)
    launch(device, "shuffles", X[:64], y)
    lane, base = np.arange(64) % 32, np.arange(64) // 32 * 32
    np.testing.assert_array_equal(y[:64], base + (lane ^ 1))
    np.testing.assert_array_equal(y[64:128], base + np.where(lane + 3 < 32, lane + 3, lane))
    np.testing.assert_array_equal(y[128:192], base + np.where(lane >= 2, lane - 2, lane))
    np.testing.assert_array_equal(y[192:], base + 5)


def test_lanes_outside_a_mask_take_no_part(device: Emulated) -> None:
    y = np.zeros(64, np.float32)
    launch(device, "half_warp", X[:64], y)
    lane = np.arange(64) % 32
    np.testing.assert_array_equal(y, np.arange(64) // 32 * 32 + np.where(lane < 16, lane ^ 8, lane))


def test_votes(device: Emulated) -> None:
    x = np.zeros(64, np.int32)
    x[[1, 31]] = 1
    x[32:] = 1
    y = np.zeros(192, np.int32)
    launch(device, "votes", x, y)
    np.testing.assert_array_equal(y[:64].view(np.uint32), np.repeat([2**1 + 2**31, 2**32 - 1], 32))
    np.testing.assert_array_equal(y[64:128], 1)
    np.testing.assert_array_equal(y[128:], np.repeat([0, 1], 32))


def test_atomics_count_every_thread_of_every_block(device: Emulated) -> None:
    counter = np.zeros(1, np.int32)
    launch(device, "count", counter, grid=(13, 5), block=(33,))
    assert counter[0] == 13 * 5 * 33


def test_warp_sum(device: Emulated) -> None:
    y = np.zeros(64, np.float32)
    launch(device, "sum_of_warps", X[:64], y)
    np.testing.assert_array_equal(y, np.repeat(X[:64].reshape(2, 32).sum(axis=1), 32))


def test_an_asynchronous_copy_lands_at_its_wait(device: Emulated) -> None:
    x = np.arange(256, dtype=np.float32) + 1
    y = np.zeros(256, np.float32)
    launch(device, "copied", x, y, 1)
    in_bounds = np.repeat(np.arange(64) % 2 == 0, 4)
    np.testing.assert_array_equal(y, np.where(in_bounds, x, 0))


def test_an_asynchronous_copy_without_a_wait_does_not_land(fast_device: Emulated) -> None:
    y = np.zeros(256, np.float32)
    launch(fast_device, "copied", np.arange(256, dtype=np.float32), y, 0)
    assert np.isnan(y).all()


def test_threads_and_blocks_know_where_they_are(device: Emulated) -> None:
    grid, block = (2, 3, 2), (3, 2, 2)
    y = np.zeros(12 * 12, np.int32)
    launch(device, "coordinates", y, grid=grid, block=block)
    expected = [
        x + 10 * yy + 100 * z + 1000 * bx + 10000 * by + 100000 * bz
        for bz, by, bx, z, yy, x in itertools.product(*map(range, (*grid[::-1], *block[::-1])))
    ]
    np.testing.assert_array_equal(y, expected)


def test_the_seed_decides_the_order() -> None:
    orders = []
    for seed in (1, 1, 2):
        y, counter = np.zeros(64, np.int32), np.zeros(1, np.int32)
        launch(Emulated(order_seed=seed), "order", y, counter)
        assert sorted(y) == list(range(64))
        orders.append(y.tolist())
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


def test_a_file_that_does_not_compile_says_why(tmp_path: Path) -> None:
    path = tmp_path / "broken.cu"
    path.write_text('#include "minigan.cuh"\nKERNEL broken(real* y) { y[0] = nonsense; }\n')
    report = r"^broken\.cu does not compile for the emulated device:\n[^<]*broken\.cu:2:33: error: .*nonsense"
    with pytest.raises(KernelError, match=report):
        launch(Emulated(), "broken", np.zeros(1, np.float32), path=path)


def test_every_kernel_of_the_contract_is_there() -> None:
    assert Emulated().kernels() == list(KERNELS)


def test_every_cuda_kernel_is_launched_by_the_plan() -> None:
    folder = Path(mg.__file__).parent / "devices" / "cuda_plan"
    plan = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    for source in kernel_sources().glob("*.cu"):
        for name in kernel_names(source.read_text(encoding="utf-8")):
            stem = re.sub(
                r"gemm_[nt]{2}", "gemm_{", re.sub("(_narrow)?(_vector)?(_tf32)?$", "", name)
            )
            assert f'"{source.stem}"' in plan
            assert f'"{stem}"' in plan or ("gemm_{" in stem and stem in plan), (
                f"{name} is in no launch plan"
            )
