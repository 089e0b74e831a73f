"""The CUDA device on a stand-in for CuPy: the kernels that it compiles, the arguments that it hands over and refuses.

The kernels themselves, and the device on a real GPU, are tested in test_emulated.py and tests/ops.
"""

import dataclasses
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from device_list import array, moved_back, moved_to
from devices import test_gpu
from fake_cupy import Machine
from kernel_calls import arrays_of, kernel_calls

import minigan as mg
from minigan.devices.contract.products import Epilogue
from minigan.devices.cuda import CUDA
from minigan.errors import DeviceError, KernelError
from minigan.experiments.declarations import MNIST
from minigan.experiments.trainer import Trainer

DIALECT = Path(__file__).parent / "kernels"


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


# -- a launch's refusals, here and on the emulated device ------------------------------------------


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
        place.gemm(single, single, epilogue=Epilogue(place.ones((4,), np.float64)))
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
    assert place.checked("kernel", x[base % 4 :][:4], alignment=16)
    with pytest.raises(ValueError, match=r"^kernel: .* is not aligned to 16 bytes"):
        place.checked("kernel", x[base % 4 + 1 :], alignment=16)


def test_sizes_over_the_range_are_refused(place: Any) -> None:
    huge = place.array_module.broadcast_to(place.ones((1,), np.float32), (2**31,))
    with pytest.raises(ValueError, match=r"^sigmoid: an array of 2147483648 elements is over"):
        place.check_array("sigmoid", huge)
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
        device.gemm(x.reshape(1, 1), x.reshape(1, 1), epilogue=Epilogue(host))
