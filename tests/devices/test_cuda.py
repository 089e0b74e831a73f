"""The CUDA device on a stand-in for CuPy (see ``fake_cupy.py``): what it hands over, refuses and says.

The kernels themselves, and the device on a real GPU, are tested in test_emulated.py and tests/ops.
"""

import dataclasses
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from device_list import moved_back, moved_to
from devices import test_gpu
from devices.test_emulated import arrays_of, kernel_calls
from fake_cupy import MIB, Machine, Memory, make_cupy

import minigan as mg
from minigan import devices
from minigan.devices import nvidia
from minigan.devices.cuda import CUDA
from minigan.devices.kernels import KERNELS
from minigan.errors import DeviceError, KernelError
from minigan.infogan.experiments import MNIST
from minigan.infogan.training import Trainer

DIALECT = Path(__file__).parent / "kernels"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    pretended = Machine()
    monkeypatch.setitem(sys.modules, "cupy", make_cupy(pretended))
    monkeypatch.setattr(Memory, "_kept", [])
    return pretended


@pytest.fixture(autouse=True)
def a_gpu_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as the system shows: minigan asks it before it tells anybody to install CuPy."""
    monkeypatch.setattr(nvidia, "has_gpu", lambda: True)


@pytest.fixture
def device(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> CUDA:
    """The CUDA device; "cuda" stands for it."""
    made, others = CUDA(), devices._open
    monkeypatch.setattr(devices, "_open", lambda name: made if name == "cuda" else others(name))
    return made


def array(device: CUDA, *values: float, dtype: Any = np.float32) -> Any:
    return device.asarray(np.array(values, dtype))


# -- opening ------------------------------------------------------------------------------------------


def test_it_has_every_kernel(device: CUDA) -> None:
    assert device.kernels() == list(KERNELS)
    assert device.architecture == "90"


def refusal() -> str:
    with pytest.raises(DeviceError) as error:
        CUDA()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("pretended", "words"),
    [
        ({"device_count_error": 35, "driver_version": 0}, ["no NVIDIA driver is installed"]),
        (
            {"device_count_error": 35, "driver_version": 12040},
            ["driver knows CUDA 12.4", "built for CUDA 13", "minigan[cuda12]"],
        ),
        ({"device_count_error": 100}, ["no NVIDIA GPU", "CUDA_VISIBLE_DEVICES"]),
        ({"gpus": 0}, ["no NVIDIA GPU"]),
        ({"device_count_error": 803}, ["CUDA does not start", "803"]),
        ({"context_error": 2}, ["the GPU cannot be used", "nvidia-smi"]),
        ({"capability": "70"}, ["NVIDIA Old One", "compute capability 7.0", "7.5"]),
        ({"has_nvrtc": False}, ["NVRTC", "pip install 'minigan[cuda13]'"]),
    ],
)
def test_what_is_missing_is_named(
    machine: Machine, pretended: dict[str, Any], words: list[str]
) -> None:
    for name, value in pretended.items():
        setattr(machine, name, value)
    message = refusal()
    assert all(word in message for word in words), message


@pytest.mark.parametrize("capability", ["75", "80", "120"])
def test_turing_and_newer_are_enough(machine: Machine, capability: str) -> None:
    machine.capability = capability
    assert CUDA().architecture == capability


# -- memory -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.int32, np.uint8, bool])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4)])
def test_values_go_there_and_back(device: CUDA, shape: Any, dtype: Any) -> None:
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    there = device.asarray(values)
    assert isinstance(there, device.array_module.ndarray)
    back = device.to_numpy(there)
    assert type(back) is np.ndarray and back.dtype == dtype
    np.testing.assert_array_equal(back, values)
    assert device.asarray(there) is there
    copy = device.copy(there)
    there[...] = 1
    np.testing.assert_array_equal(device.to_numpy(copy), values)


def test_a_view_of_the_host_goes_there_as_it_looks(device: CUDA) -> None:
    values = np.arange(12.0).reshape(3, 4)[::-1, ::2].T
    there = device.asarray(values, np.float32)
    assert there.flags.c_contiguous and there.dtype == np.float32
    np.testing.assert_array_equal(device.to_numpy(there), values)


@pytest.mark.parametrize("values", [["a"], [object()], np.array([{}])])
def test_what_are_no_numbers_is_refused(device: CUDA, values: Any) -> None:
    with pytest.raises(TypeError, match="device 'cuda' holds numbers and bool; these values are"):
        device.asarray(values)


def test_arrays_come_from_the_devices_own_pool(device: CUDA, machine: Machine) -> None:
    x = device.empty((100,), np.float32)
    assert device.pool.used_bytes() == 512
    address = x.data.ptr
    del x
    assert device.pool.used_bytes() == 0
    assert device.empty((90,), np.float32).data.ptr == address  # and go back to it


def test_too_little_memory_says_how_much(device: CUDA) -> None:
    held = device.empty((60 * MIB,), np.uint8)
    with pytest.raises(
        DeviceError, match=r"8.0 MiB were asked for, and 4.0 of its 64 MiB are free"
    ):
        device.empty((2 * MIB,), np.float32)
    del held
    device.empty((50 * MIB,), np.uint8)  # what the pool kept is given back for it


def test_memory_that_cupys_default_pool_keeps_is_used_before_giving_up(device: CUDA) -> None:
    unused = device.array_module.empty((60 * MIB,), np.uint8)
    del unused
    assert device.empty((50 * MIB,), np.uint8).size == 50 * MIB


def test_an_earlier_kernels_failure_shows_when_its_result_is_read(
    device: CUDA, machine: Machine
) -> None:
    x = array(device, 1.0)
    machine.pending_error = 700
    for use in (lambda: device.to_numpy(x), device.synchronize):
        with pytest.raises(KernelError, match=r"the GPU stopped: .*700; .*CUDA_LAUNCH_BLOCKING=1"):
            use()


# -- launches -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", kernel_calls(np.float32))
def test_a_kernel_is_handed_what_it_reads(device: CUDA, name: str, dtype: Any) -> None:
    """The stand-in compares each argument with the kernel's own parameter; the results are the emulated device's."""
    outcomes = []
    for place in (mg.get_device("emulated"), device):
        mine = moved_to(place, kernel_calls(dtype)[name])
        result = getattr(place, name.partition(",")[0])(*mine)
        outcomes.append(arrays_of(moved_back(place, [result, list(mine)])))
    for expected, found in zip(*outcomes, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("key", [(2**64 - 1, 2**32 - 1, 2**32 - 1), (0, 0, 0), (2**63, 1, 2**31)])
def test_unsigned_numbers_keep_their_bits(device: CUDA, key: Any) -> None:
    expected = mg.get_device("cpu").random_uniform((7,), -1.0, 1.0, np.float64, key)
    found = device.to_numpy(device.random_uniform((7,), -1.0, 1.0, np.float64, key))
    np.testing.assert_array_equal(found, expected)


def test_numbers_of_numpy_are_as_wide_as_pythons(device: CUDA) -> None:
    """A slope that is a np.float64, and is 8 bytes to CuPy; a size that is a np.int32."""
    x = array(device, -2.0, 3.0)
    assert device.to_numpy(device.leaky_relu(x, np.float64(0.5))).tolist() == [-1.0, 3.0]
    device.launch("elementwise", "copy", np.float32, (1,), (32,), x, device.copy(x), np.int64(2))


def test_a_kernel_is_compiled_once_with_its_options(device: CUDA, machine: Machine) -> None:
    x = array(device, 1.0)
    for _ in range(3):
        device.sigmoid(x)
    assert machine.compiled == ["sigmoid"]
    device.sigmoid(x.astype(np.float64))
    first, second = machine.options
    assert first[:3] == ("-std=c++17", "-DREAL=float", f"-I{device.sources}")
    assert second[1] == "-DREAL=double" and len(first) == 4


def test_a_function_is_prepared_in_threads_and_nothing_runs(device: CUDA, machine: Machine) -> None:
    x, seen = array(device, 1.0, 4.0), []
    device.compile_progress = lambda *told: seen.append(told)
    machine.launched.clear()
    device.prepare(lambda: device.sigmoid(device.tanh(device.tanh(x))))
    assert not machine.launched and device.to_numpy(x).tolist() == [1.0, 4.0]
    assert sorted(machine.compiled) == ["hyperbolic_tangent", "sigmoid"]
    assert [told[:2] for told in seen] == [(1, 2), (2, 2)]
    assert {told[2] for told in seen} == set(machine.compiled)
    assert threading.get_ident() not in machine.compiling_threads
    device.sigmoid(device.tanh(x))
    assert len(machine.compiled) == 2 and len(machine.launched) == 2


def test_what_does_not_compile_is_said_when_it_is_prepared(device: CUDA, tmp_path: Path) -> None:
    (tmp_path / "broken.cu").write_text("KERNEL broken(real* y) { y[0] = nonsense; }\n")
    x = array(device, 1.0)

    def work() -> None:
        device.launch(tmp_path / "broken.cu", "broken", np.float32, (1,), (1,), x)

    with pytest.raises(KernelError, match=r"broken\.cu does not compile for sm_90: .*nonsense"):
        device.prepare(work)
    assert device.to_numpy(device.tanh(x)).shape == (1,)  # and launches again


def test_a_training_step_compiles_what_it_launches_and_no_more(
    device: CUDA, machine: Machine
) -> None:
    machine.free_bytes = 2**30
    settings = dataclasses.replace(
        MNIST, image_shape=(8, 12, 1), trunk="conv 8 | fc 8 bn", generator="fc 2x3x8 bn | up 8 bn | up 1 tanh",
        batch_size=4, device="cuda",
    )  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (8, 8, 12, 1), dtype=np.uint8)
    trainer = Trainer(settings, images)
    before = len(machine.compiled)
    device.prepare(trainer.launch_step)
    prepared = machine.compiled[before:]
    assert len(prepared) == len(set(prepared)) > 20
    trainer.step()
    assert machine.compiled[before:] == prepared
    assert {name for name, *_ in machine.launched} == set(machine.compiled)


def test_a_changed_header_is_compiled_anew(device: CUDA, machine: Machine, tmp_path: Path) -> None:
    """CuPy's cache knows a kernel by its source and options, not by its headers."""
    path, x, hashes = tmp_path / "scaled.cu", array(device, 1.0), []
    path.write_text(
        '#include "minigan.cuh"\n#include "scale.cuh"\nKERNEL scaled(real* x) { *x *= 2; }\n'
    )
    for text in ("// one", "// two", "// one"):
        (tmp_path / "scale.cuh").write_text(f"{text}\n")
        device.launch(path, "scaled", np.float32, (1,), (1,), x)
        hashes.append(machine.options[-1][-1])
    assert hashes[0] == hashes[2] != hashes[1]
    name, value = hashes[0].split("=")
    assert name == "-DMINIGAN_HEADERS"
    assert int(value, 16) > 0  # a number: the compiler reads it


def test_a_file_that_does_not_compile_says_why(device: CUDA, tmp_path: Path) -> None:
    (tmp_path / "broken.cu").write_text("KERNEL broken(real* y) { y[0] = nonsense; }\n")
    device.sources = tmp_path
    with pytest.raises(KernelError, match=r"broken\.cu does not compile for sm_90: .*nonsense"):
        device.launch("broken", "broken", np.float32, (1,), (1,), array(device, 1.0))


def test_the_gpus_test_of_it_runs_by_itself(
    device: CUDA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no kernel compiled before: minutes with a GPU are few."""
    test_gpu.test_a_file_that_does_not_compile_says_why(device, tmp_path, monkeypatch)


def test_a_kernel_that_is_not_in_its_file(device: CUDA) -> None:
    with pytest.raises(KernelError, match=r"gemm\.cu: nothing, compiled for sm_90, could not be"):
        device.launch("gemm", "nothing", np.float32, (1,), (1,))


def test_a_launch_that_cuda_refuses_names_kernel_grid_and_block(
    device: CUDA, machine: Machine
) -> None:
    machine.launch_error = 701
    with pytest.raises(KernelError, match=r"sigmoid could not .* grid \(1,\), block \(256,\).*701"):
        device.sigmoid(array(device, 1.0))


@pytest.mark.parametrize("threads", [96, 1000])
def test_dynamic_shared_memory(device: CUDA, machine: Machine, threads: int) -> None:
    """More than 48 KiB has to be asked for, or the launch fails."""
    x = device.asarray(np.arange(threads, dtype=np.float32))
    y, shared_bytes = device.zeros((threads,), np.float32), threads * 4 + 48 * 1024 * (threads > 96)
    device.sources = DIALECT
    device.launch(
        "dialect", "reverse_dynamic", np.float32, (1,), (threads,), x, y, shared_bytes=shared_bytes
    )
    np.testing.assert_array_equal(device.to_numpy(y), np.arange(threads)[::-1])
    assert machine.launched[-1] == ("reverse_dynamic", (1,), (threads,), shared_bytes)


# -- what a launch refuses, here and on the emulated device ----------------------------------------------


@pytest.fixture(params=["emulated", "cuda"])
def place(request: pytest.FixtureRequest) -> Any:
    if request.param == "cuda":
        return request.getfixturevalue("device")
    return mg.get_device("emulated")


def test_arrays_of_another_dtype_are_refused(place: Any) -> None:
    single, double = place.ones((4, 4), np.float32), place.ones((4, 4), np.float64)
    with pytest.raises(TypeError, match=r"^gemm: its arrays are float32 and float64, not all"):
        place.gemm(single, double)
    with pytest.raises(
        TypeError, match=r"^gemm\w*: .*float32.*float64|^gemm\w*: .*float64.*float32"
    ):
        place.gemm(single, single, place.ones((4,), np.float64))
    with pytest.raises(TypeError, match=r"^sigmoid: .* int64"):
        place.sigmoid(place.ones((3,), np.int64))


def test_views_with_gaps_are_refused(place: Any) -> None:
    x = place.ones((4, 6), np.float32)
    for view in (x.T, x[:, ::2], x[::-1]):
        with pytest.raises(
            ValueError, match=r"^leaky_relu: .* strides .* is not contiguous; device"
        ):
            place.leaky_relu(view, 0.1)
        assert (place.to_numpy(place.leaky_relu(place.contiguous(view), 0.1)) == 1).all()
    with pytest.raises(ValueError, match=r"^accumulate: .* is not contiguous"):
        place.accumulate(x.T, place.ones((6, 4), np.float32))  # a copy would get the sum


def test_an_array_between_elements_is_refused(place: Any) -> None:
    """At an odd address; and, for a kernel that needs it, at one that is no multiple of 16."""
    bytes_ = place.ones((33,), np.uint8)
    odd = bytes_[1:].view(np.float32)
    with pytest.raises(ValueError, match=r"^sigmoid: .*0x[0-9a-f]+1 is not aligned to 4 bytes"):
        place.sigmoid(odd)
    x = place.ones((8,), np.float32)
    base = 4 - x.__array_interface__["data"][0] // 4 % 4
    assert place._checked("kernel", x[base % 4 :][:4], alignment=16)
    with pytest.raises(ValueError, match=r"^kernel: .* is not aligned to 16 bytes"):
        place._checked("kernel", x[base % 4 + 1 :], alignment=16)


def test_sizes_over_the_range_are_refused(place: Any) -> None:
    huge = place.array_module.broadcast_to(place.ones((1,), np.float32), (2**31,))
    with pytest.raises(ValueError, match=r"^sigmoid: an array of 2147483648 elements is over"):
        place.sigmoid(huge)
    x = place.ones((1,), np.float32)

    def copy(grid: Any, block: Any, *arguments: Any) -> None:
        place.launch("elementwise", "copy", np.float32, grid, block, *arguments)

    with pytest.raises(ValueError, match=r"^copy: a grid of \(1, 65536\) blocks is over CUDA's"):
        copy((1, 65536), (1,), x, x, np.int64(1))
    with pytest.raises(ValueError, match=r"^copy: a block of \(32, 33\) threads is over CUDA's"):
        copy((1,), (32, 33), x, x, np.int64(1))
    with pytest.raises(ValueError, match=r"^copy: 4294967296 is over the index range of 32 bits"):
        copy((1,), (1,), x, x, 2**32)


def test_an_array_of_the_host_is_refused(device: CUDA) -> None:
    x, host = array(device, 1.0), np.ones(1, np.float32)
    with pytest.raises(
        DeviceError, match=r"^sigmoid: an array is a numpy.ndarray, not on .*'cuda'"
    ):
        device.sigmoid(host)
    with pytest.raises(DeviceError, match=r"^accumulate: an array is a numpy.ndarray"):
        device.accumulate(host, x)
    with pytest.raises(DeviceError, match=r"^gemm\w*: an array is a numpy.ndarray"):
        device.gemm(x.reshape(1, 1), x.reshape(1, 1), host)


# -- graphs -------------------------------------------------------------------------------------------


def warmed(device: CUDA, function: Callable[[], Any]) -> Callable[[], Any]:
    function()
    return device.capture(function)


def test_a_captured_function_is_computed_again_with_the_inputs_of_then(device: CUDA) -> None:
    x, weight = array(device, 1.0, 2.0), array(device, 3.0)

    def step() -> tuple[Any, Any]:
        y = device.gemm(x.reshape(2, 1), weight.reshape(1, 1))
        return y, device.leaky_relu(y, 0.5)

    repeat = warmed(device, step)
    first = repeat()
    assert device.to_numpy(first[0]).ravel().tolist() == [3.0, 6.0]
    x[...] = -2
    second = repeat()
    assert second[0] is first[0] and second[1] is first[1]
    assert device.to_numpy(first[1]).ravel().tolist() == [-3.0, -3.0]


def test_nothing_is_computed_while_it_is_recorded(device: CUDA) -> None:
    total, one = device.zeros((3,), np.float32), device.ones((3,), np.float32)
    repeat = warmed(device, lambda: device.accumulate(total, one))
    assert device.to_numpy(total).tolist() == [1.0] * 3  # of the warm run
    for _ in range(4):
        repeat()
    assert device.to_numpy(total).tolist() == [5.0] * 3


def test_a_graph_has_memory_of_its_own(device: CUDA) -> None:
    """What it allocated is not lent to others, also once it is free: each launch writes there."""
    x = device.ones((1000,), np.float32)

    def step() -> Any:
        return device.sigmoid(
            device.leaky_relu(x, 0.5)
        )  # the inner one is freed while it is recorded

    repeat = warmed(device, step)
    before = device.pool.used_bytes()
    others = [device.zeros((1000,), np.float32) for _ in range(8)]
    assert device.pool.used_bytes() == before + 8 * 4096
    result = device.to_numpy(repeat())
    assert all((device.to_numpy(other) == 0).all() for other in others)
    np.testing.assert_allclose(result, 1 / (1 + np.exp(-1.0)), rtol=1e-6)


def test_what_a_graph_computed_outlives_it(device: CUDA) -> None:
    x = array(device, 0.0)
    repeat = warmed(device, lambda: device.sigmoid(x))
    y = repeat()
    del repeat
    later = [device.zeros((1,), np.float32) for _ in range(4)]
    assert device.to_numpy(y).tolist() == [0.5] and len(later) == 4


def test_the_memory_of_a_graph_is_given_back(device: CUDA, machine: Machine) -> None:
    x = device.ones((MIB,), np.float32)
    free = machine.free_bytes
    warm = device.sigmoid(x)
    del warm
    repeat = device.capture(lambda: device.sigmoid(x))
    assert machine.free_bytes <= free - 8 * MIB
    del repeat
    assert machine.free_bytes == free - 4 * MIB  # the warm run's, which the pool keeps


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda device, x: device.to_numpy(x), "reads values back"),
        (lambda device, x: mg.Tensor(x, device).item(), "reads values back"),
        (lambda device, x: bool((x > 0).any()), "cannot repeat, such as to read a value back"),
        (lambda device, x: x.set(np.ones(1, np.float32)), "so H2D transfers are disallowed"),
        (lambda device, x: device.array_module.cuda.get_current_stream().synchronize(), "900"),
        (lambda device, x: device.asarray(np.ones(3)), "sends values from the host"),
        (lambda device, x: device.host_constant([1.0, 2.0], np.float32), "sends values"),
        (lambda device, x: device.synchronize(), "waits for the GPU"),
        (lambda device, x: device.capture(lambda: x), "captures another one"),
    ],
)
def test_a_capture_refuses_what_a_graph_cannot_repeat(
    device: CUDA, machine: Machine, use: Any, message: str
) -> None:
    x = array(device, 1.0)

    def step() -> Any:
        device.sigmoid(x)
        return use(device, x)

    with pytest.raises(DeviceError, match=message):
        device.capture(step)
    assert machine.stream.ptr == 0 and not device._memory.capturing
    assert device.to_numpy(x).tolist() == [1.0]  # and the device goes on
    assert device.to_numpy(warmed(device, lambda: device.leaky_relu(x, 0.5))()).tolist() == [1.0]


def test_constants_are_sent_once(device: CUDA) -> None:
    first = device.host_constant((1, 2), np.int32)
    assert device.host_constant((1, 2), np.int32) is first
    assert device.host_constant((1, 2), np.float32) is not first
    table = mg.ops.likelihood.code_table([mg.Categorical(3), mg.Gaussian()])
    codes = device.asarray(np.array([[1.0, 0.5]], np.float32))
    parameters = device.asarray(np.array([[0.1, 0.2, 0.3, 0.4]], np.float32))
    repeat = warmed(device, lambda: device.code_log_likelihood(parameters, codes, table)[0])
    expected = device.to_numpy(device.code_log_likelihood(parameters, codes, table)[0])
    np.testing.assert_array_equal(device.to_numpy(repeat()), expected)


def test_a_functions_own_error_passes_through(device: CUDA, machine: Machine) -> None:
    def step() -> None:
        raise ZeroDivisionError("of its own")

    with pytest.raises(ZeroDivisionError, match="of its own"):
        device.capture(step)
    assert machine.stream.capturing is None and machine.stream.ptr == 0


def test_a_graph_without_memory_says_so_and_frees_none_of_its_own(
    device: CUDA, machine: Machine
) -> None:
    x = device.ones((4 * MIB,), np.float32)

    def step() -> Any:
        device.sigmoid(x)  # freed, and written by each launch
        machine.free_bytes = MIB
        return device.empty((5 * MIB,), np.float32)

    freed = []
    pool = device.array_module.cuda.MemoryPool

    def watched(allocator: Any) -> Any:
        made = pool(allocator)
        made.free_all_blocks = lambda stream=None: freed.append(device._memory.capturing)
        return made

    device.array_module.cuda.MemoryPool = watched
    with pytest.raises(DeviceError, match=r"20.0 MiB were asked for, and 1.0 of its"):
        device.capture(step)
    assert not any(freed)  # while it was captured


def test_captures_one_after_another_take_no_more_memory(device: CUDA, machine: Machine) -> None:
    x = device.ones((MIB,), np.float32)
    device.sigmoid(x)
    left = []
    for _ in range(3):
        repeat = device.capture(lambda: device.sigmoid(device.leaky_relu(x, 0.5)))
        y = repeat()
        left.append(machine.free_bytes)
        del repeat, y
    assert len(set(left)) == 1 and not machine.forgotten


def test_memory_of_a_graph_outlives_it_with_the_last_array(device: CUDA, machine: Machine) -> None:
    x = device.ones((MIB,), np.float32)
    device.sigmoid(x)
    free = machine.free_bytes
    y = device.capture(lambda: device.sigmoid(device.leaky_relu(x, 0.5)))()
    assert machine.free_bytes < free
    del y
    assert machine.free_bytes == free


def test_a_functions_own_runtime_error_passes_through(device: CUDA) -> None:
    def step() -> None:
        raise RuntimeError("changed in place afterwards")

    with pytest.raises(RuntimeError, match="changed in place"):
        device.capture(step)


def test_a_source_is_handed_over_in_ascii(device: CUDA, machine: Machine) -> None:
    """CuPy writes it in the locale's encoding; the kernels' comments are not ASCII."""
    machine.encoding = "ascii"
    assert device.to_numpy(device.tanh(array(device, 0.0))).tolist() == [0.0]


def test_another_thread_reads_while_one_captures(device: CUDA) -> None:
    x, seen = array(device, 7.0), []

    def step() -> Any:
        reader = threading.Thread(target=lambda: seen.append(device.to_numpy(x).tolist()))
        reader.start()
        reader.join()
        return device.sigmoid(x)

    device.sigmoid(x)
    device.capture(step)
    assert seen == [[7.0]]


def test_operations_of_the_array_module_take_the_graphs_memory_too(device: CUDA) -> None:
    x = array(device, 1.0)
    found = []

    def step() -> Any:
        found.append(device.array_module.empty((3,), np.float32))
        return device.sigmoid(x)

    device.sigmoid(x)
    repeat = device.capture(step)
    used = repeat.kept[0].pool.used_bytes()  # type: ignore[attr-defined]
    assert used == 2 * 512 and len(found) == 1


# -- tensors ------------------------------------------------------------------------------------------


@pytest.fixture
def on_cuda(device: CUDA) -> Iterator[None]:
    mg.set_default_device("cuda")
    yield
    mg.set_default_device("cpu")


def test_training_on_it(device: CUDA, on_cuda: None) -> None:
    """A small network, three steps, against the CPU; labels and images come as NumPy's arrays."""
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(4, 6, 6, 1)), np.arange(4)

    def train(name: str) -> list[Any]:
        mg.set_default_device(name)
        mg.manual_seed(3)
        model = mg.nn.Sequential(
            mg.nn.Conv2d(1, 3, 4, stride=2, padding=1, bias=False),
            mg.nn.BatchNorm(3, negative_slope=0.1), mg.nn.Flatten(), mg.nn.Linear(27, 4),
        )  # fmt: skip
        optimizer = mg.optim.Adam(model.parameters(), lr=0.1)
        for _ in range(3):
            loss = mg.cross_entropy(model(mg.tensor(images, dtype="float32")), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return [loss.item(), *(p.numpy() for p in model.parameters())]

    for expected, found in zip(train("cpu"), train("cuda"), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


def test_a_cuda_tensor_says_where_it_is(device: CUDA) -> None:
    x = mg.tensor([1.0, 2.0], device="cuda")
    assert "device=cuda" in repr(x) and x.device is device
    assert np.asarray(x).tolist() == [1.0, 2.0]
    assert not hasattr(x, "__array_interface__") or type(x.data).__module__ == "cupy"
    assert x.__cuda_array_interface__["shape"] == (2,)
