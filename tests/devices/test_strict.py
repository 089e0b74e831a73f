"""Strict mode of the emulated device: each mistake is reported as the very mistake, and right code is not reported."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.devices.emulated import Emulated
from minigan.devices.emulated.compile import Watch, kernel_library
from minigan.devices.emulated.reports import shared_variables
from minigan.devices.sources import kernel_sources
from minigan.errors import KernelError

MISTAKES = Path(__file__).parent / "kernels" / "mistakes.cu"
THREAD = r"thread \(\d+,0,0\) of block \(\d+,0,0\)"
X = np.arange(512, dtype=np.float32)


@pytest.fixture(params=[1, 2, 3], ids="seed{}".format)
def device(request: pytest.FixtureRequest) -> Emulated:
    """In any order of threads: accesses ordered by luck are not ordered."""
    return Emulated(order_seed=request.param, strict=True)


def launch(device: Emulated, kernel: str, *arguments: Any, grid: int = 1) -> None:
    device.launch_file(MISTAKES, kernel, np.float32, (grid,), (64,), arguments)


def line(text: str, nth: int = 0) -> str:
    """mistakes.cu:LINE of the nth line that holds `text`."""
    lines = MISTAKES.read_text(encoding="utf-8").splitlines()
    return f"mistakes.cu:{[i + 1 for i, found in enumerate(lines) if text in found][nth]}"


def floats(count: int = 64) -> np.ndarray[Any, Any]:
    return np.zeros(count, np.float32)


def ints(count: int = 64) -> np.ndarray[Any, Any]:
    return np.zeros(count, np.int32)


RIGHT: dict[str, tuple[Any, ...]] = {
    "reversed": (X, floats(), 1),
    "tile_reused": (X, floats(), 1),
    "partly_written": (floats(), 64),
    "lane_pairs": (X, floats(), 1),
    "half_warps": (X, floats(), 8),
    "relay": (X, floats(), 1),
    "by_shuffle": (X, floats()),
    "shifted": (X, floats(), 1),
    "stored": (floats(), 0),
    "added": (floats(),),
    "of_four": (X, floats(), 4),
    "two_stages": (X, floats(128), 0, 1),
    "copied_far": (X, floats(), 1),
    "local_index": (floats(), 0),
    "shared_index": (X, floats(), 0),
    "shared_pointer": (X, floats(), 0),
    "unaligned_copy": (X, floats(), 4),
    "left_out": (floats(), 0xFFFFFFFF),
    "overflowing": (ints(), 0),
    "divided": (ints(), 2),
}


@pytest.mark.parametrize("kernel", RIGHT)
def test_what_is_right_is_not_reported(device: Emulated, kernel: str) -> None:
    launch(device, kernel, *RIGHT[kernel])


def test_two_blocks_may_add_to_a_cell_atomically(device: Emulated) -> None:
    y, count = floats(), ints(1)
    launch(device, "added_atomically", y, grid=3)
    np.testing.assert_array_equal(y, 3)
    launch(device, "counted", count, ints(3), 0, grid=3)
    assert count[0] == 3 * 64


def test_two_blocks_may_write_two_bytes_of_a_word(device: Emulated) -> None:
    y = np.zeros(4, np.uint8)
    launch(device, "bytes", y, 1, grid=4)
    np.testing.assert_array_equal(y, 7)


@pytest.mark.parametrize(
    ("kernel", "arguments", "variable", "lines"),
    [
        ("reversed", (X, floats(), 0), "tile", ("tile[threadIdx.x] = x[threadIdx.x];", "tile[63 - threadIdx.x]")),
        ("tile_reused", (X, floats(), 0), "tile", ("tile[threadIdx.x] = x[threadIdx.x + round]", "= tile[63 - threadIdx.x];")),
        ("lane_pairs", (X, floats(), 32), "tile", ("tile[threadIdx.x] = x[threadIdx.x];", "tile[threadIdx.x ^ partner]")),
        ("half_warps", (X, floats(), 16), "tile", ("tile[threadIdx.x] = x[threadIdx.x];", "tile[threadIdx.x ^ partner]")),
        ("relay", (X, floats(), 0), "cell", ("cell = x[0]", "y[0] = cell")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_race_within_a_block(
    device: Emulated, kernel: str, arguments: Any, variable: str, lines: tuple[str, str]
) -> None:
    """Named: the variable, the two threads and the two lines, whichever came first."""
    with pytest.raises(KernelError) as error:
        launch(device, kernel, *arguments)
    message = str(error.value)
    source = MISTAKES.read_text(encoding="utf-8").splitlines()
    start = next(i for i, text in enumerate(source) if f"KERNEL {kernel}(" in text)
    numbers = {
        next(i + 1 for i in range(start, len(source)) if text in source[i]) for text in lines
    }
    found = {int(part.split(":")[1].split(",")[0]) for part in message.split(" in ")[1:]}
    assert message.startswith(f"mistakes.cu: {kernel}: a race: thread (")
    assert f"of shared '{variable}'" in message and "with no barrier between" in message
    assert found == numbers, message
    assert message.count("thread (") == 2


@pytest.mark.parametrize(
    ("kernel", "arguments", "grid", "message"),
    [
        ("added", (floats(),), 2, rf"a race: {THREAD} \w+ element \d+ of 'y' .*, which {THREAD} wrote .* nothing orders two blocks"),
        ("counted", (ints(1), ints(2), 1), 2, rf"a race: {THREAD} .* element 0 of 'count' .*no barrier between"),
        ("bytes", (np.zeros(4, np.uint8), 0), 2, rf"a race: {THREAD} writes element 0 of 'y'.* wrote .*nothing orders two blocks"),
        ("partly_written", (floats(), 63), 1, r"thread \(63,0,0\) .* reads byte 252 of shared 'tile' in {tile}, which nobody has written"),
        ("shifted", (X[:64], floats(), 1), 1, r"thread \(63,0,0\) .* reads 4 bytes in {shifted}, 4 bytes past the end of 'x'"),
        ("shifted", (X[64:128], floats(), -1), 1, r"thread \(0,0,0\) .* reads 4 bytes in {shifted}, 4 bytes before the start of 'x'"),
        ("stored", (floats(), 1), 1, r"thread \(63,0,0\) .* writes 4 bytes in {stored}, 4 bytes past the end of 'y'"),
        ("null_pointer", (None, floats()), 1, rf"{THREAD} reads 4 bytes in {{null}}, through a null pointer"),
        ("of_four", (X, floats(), 1), 1, rf"{THREAD} uses an address that is not aligned for its type in {{four}}"),
        ("stranger_lane", (floats(),), 1, rf"{THREAD} asks in {{stranger}} for the value of lane 5"),
        ("two_stages", (X, floats(128), 1, 1), 1, r"reads byte \d+ of shared 'tile' .*an asynchronous copy, issued by .*{issued}.*has not been waited for"),
        ("two_stages", (X, floats(128), 0, 0), 1, rf"a race: {THREAD} .* of shared 'tile' .*with no barrier between"),
        ("copied_far", (X[:256], floats(), 1), 1, r"thread \(63,0,0\) .* reads 16 bytes in .*{far}.*, 16 bytes past the end of 'x'"),
        ("local_index", (floats(), 1), 1, r"uses index 4, outside its array, in {local}"),
        ("shared_index", (X, floats(), 1), 1, r"thread \(63,0,0\) .* uses index 64, outside its array, in {index}"),
        ("shared_pointer", (X, floats(), 1), 1, r"thread \(63,0,0\) .* writes 4 bytes in {pointer}, 4 bytes past the end of shared 'first'"),
        ("shared_pointer", (X, floats(), -1), 1, r"thread \(0,0,0\) .* writes 4 bytes in {pointer}, 4 bytes before the start of shared 'first'"),
        ("unaligned_copy", (X, floats(), 1), 1, rf"{THREAD} copies 16 bytes asynchronously in .*{{unaligned}}.* no multiples of 16"),
        ("left_out", (floats(), 0x7FFFFFFF), 1, r"thread \((31|63),0,0\) .* calls a warp barrier in {left_out} whose mask leaves its lane out"),
        ("overflowing", (ints(), 1000), 1, r"has an integer overflow in {overflow}"),
        ("divided", (ints(), 0), 1, r"divides an integer by zero in {divided}"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_for_what_it_is(
    device: Emulated, kernel: str, arguments: Any, grid: int, message: str
) -> None:
    pattern = message.format(
        tile=line("y[threadIdx.x] = tile[threadIdx.x];"), shifted=line("KERNEL shifted"),
        stored=line("KERNEL stored"), null=line("KERNEL null_pointer"), four=line("float4*>(x + at)"),
        stranger=line("__shfl_sync(0x3u"), issued=line("copy_async(tile[stage]"), far=line("copy_async(tile + 4"),
        local=line("y[threadIdx.x] = part["), index=line("first[threadIdx.x + by]"),
        pointer=line("p[by] = x"), unaligned=line("x + at + 4"), left_out=line("__syncwarp(mask)"),
        overflow=line("KERNEL overflowing"), divided=line("KERNEL divided"),
    )  # fmt: skip
    with pytest.raises(KernelError, match=rf"mistakes.cu: {kernel}: .*({pattern})"):
        launch(device, kernel, *arguments, grid=grid)


def test_a_read_of_what_empty_left_is_reported() -> None:
    device = Emulated(strict=True)
    for dtype, kernel in ((np.float32, "shifted"), (np.float64, "shifted")):
        fresh = device.empty((65,), dtype)
        with pytest.raises(
            KernelError, match=r"reads element \d+ of 'x' .*which nobody has written"
        ):
            device.launch_file(
                MISTAKES, kernel, dtype, (1,), (64,), (fresh, np.zeros(64, dtype), 1)
            )
    fresh = device.empty((65,), np.int32)
    with pytest.raises(KernelError, match=r"reads element 0 of 'count' .*which nobody has written"):
        launch(device, "counted", fresh, ints(), 0)


def test_values_whose_bits_are_set_are_values() -> None:
    """-1 in an integer array, and a double with all ones in its lower half."""
    device = Emulated(strict=True)
    counter = np.array([-1], np.int32)
    launch(device, "counted", counter, ints(), 0)
    assert counter[0] == 63
    x = np.full(65, np.nextafter(1.0, 0.0))
    y = np.zeros(64)
    device.launch_file(MISTAKES, "shifted", np.float64, (1,), (64,), (x, y, 1))
    np.testing.assert_array_equal(y, x[1:])


def test_a_read_only_array_may_be_read_and_not_written() -> None:
    device = Emulated(strict=True)
    frozen = X[:65].copy()
    frozen.flags.writeable = False
    launch(device, "shifted", frozen, floats(), 1)
    with pytest.raises(
        KernelError, match=r"writes element .* of 'y' .*, an array that is read-only"
    ):
        launch(device, "stored", frozen, 0)


def test_a_refused_launch_changes_nothing() -> None:
    y = floats()
    with pytest.raises(KernelError):
        launch(Emulated(strict=True), "stored", y, 1)
    np.testing.assert_array_equal(y, 0)


def test_arguments_that_overlap_stay_so() -> None:
    """A kernel in place, on one array and on two views of one."""
    device = Emulated(strict=True)
    values = X[:65].copy()
    launch(device, "shifted", values[:64], values[:64], 0)
    np.testing.assert_array_equal(values, X[:65])
    with pytest.raises(KernelError, match="a race"):  # thread i reads what thread i + 1 writes
        launch(device, "shifted", values, values[:64], 1)


def test_neighbours_in_memory_are_out_of_bounds() -> None:
    """Two rows of one array lie side by side, and yet the end of the first is an end."""
    rows = np.zeros((2, 64), np.float32)
    with pytest.raises(KernelError, match="past the end of 'x'"):
        launch(Emulated(strict=True), "shifted", rows[0], floats(), 1)


@pytest.mark.parametrize("file", ["gemm.cu", "normalization.cu", "convolution.cu"])
def test_no_shared_variable_is_next_to_another(file: str) -> None:
    """Of functions and of templates alike, each with the gap before it that its declaration has."""
    library = kernel_library(kernel_sources() / file, "float", watch=Watch.ACCESSES)
    variables = sorted(shared_variables(library))
    assert len(variables) > 2
    for one, next_one in itertools.pairwise(variables):
        assert next_one.offset - (one.offset + one.bytes) >= 1024, (one, next_one)


def test_a_strict_launch_computes_the_same() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(70, 33)), rng.normal(size=(33, 90))
    strict, fast = Emulated(strict=True), mg.get_device("cpu")
    np.testing.assert_allclose(strict.gemm(a, b), fast.gemm(a, b), rtol=1e-12, atol=1e-12)
