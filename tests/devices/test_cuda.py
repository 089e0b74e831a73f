"""The CUDA device on a stand-in for CuPy (``fake_cupy``): opening, memory and tensors.

The kernels themselves, and the device on a real GPU, are tested in test_emulated.py and tests/ops.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from device_list import array
from fake_cupy import MIB, Machine

import minigan as mg
from minigan.devices.cuda import CUDA
from minigan.devices.device import KERNELS
from minigan.errors import DeviceError, KernelError

pytestmark = pytest.mark.usefixtures("a_gpu_is_seen")


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
    device.empty((50 * MIB,), np.uint8)  # the pool's unused memory is given back for it


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
