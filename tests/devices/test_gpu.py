"""What only a real GPU can show: captured graphs, CuPy's and PyTorch's arrays in its memory, CUDA's own errors.

Kernels, whole steps and operations are compared with the CPU's in test_emulated.py, test_contract.py and tests/ops.
"""

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from device_list import gpu

import minigan as mg
from minigan.errors import DeviceError, KernelError

pytestmark = gpu


@pytest.fixture
def device() -> Any:
    return mg.get_device("cuda")


def test_a_graph_computes_with_the_inputs_of_then(device: Any) -> None:
    """Kernels of minigan's and operations of CuPy's in one graph, a hundred times, on the same arrays."""
    rng = np.random.default_rng(0)
    x = device.asarray(rng.normal(size=(64, 48)).astype(np.float32))
    weight = device.asarray(rng.normal(size=(48, 32)).astype(np.float32))
    total = device.zeros((64, 32), np.float32)

    def step() -> Any:
        y = device.leaky_relu(device.gemm(x, weight), 0.1) * 2
        device.accumulate(total, y)
        return y

    first = device.to_numpy(step())
    repeat = device.capture(step)
    total[...] = 0
    for _ in range(100):
        y = repeat()
    np.testing.assert_array_equal(device.to_numpy(y), first)
    np.testing.assert_allclose(device.to_numpy(total), 100 * first, rtol=1e-4)
    x *= -1
    assert repeat() is y
    changed = device.to_numpy(y)
    np.testing.assert_array_equal(changed, device.to_numpy(step()))
    assert (changed != first).any()


def test_a_graphs_memory_is_its_own_and_outlives_it(device: Any) -> None:
    x = device.ones((1 << 20,), np.float32)
    device.sigmoid(x)
    repeat = device.capture(lambda: device.sigmoid(device.leaky_relu(x, 0.5)))
    others = [device.zeros((1 << 20,), np.float32) for _ in range(8)]
    y = repeat()
    device.synchronize()
    assert all(float(device.to_numpy(o).sum()) == 0 for o in others)
    del repeat
    gc.collect()
    others += [device.zeros((1 << 20,), np.float32) for _ in range(8)]
    np.testing.assert_allclose(device.to_numpy(y), 1 / (1 + np.exp(-1.0)), rtol=1e-6)


@pytest.mark.parametrize(
    "use",
    [
        lambda device, x: device.to_numpy(x),
        lambda device, x: device.asarray(np.ones(3)),
        lambda device, x: bool((x > 0).any()),
        lambda device, x: device.synchronize(),
    ],
    ids=["to_numpy", "asarray", "bool", "synchronize"],
)
def test_what_a_graph_cannot_repeat_is_refused_and_the_device_goes_on(
    device: Any, use: Any
) -> None:
    x = device.ones((4,), np.float32)
    use(device, x)
    with pytest.raises(DeviceError, match="captured function"):
        device.capture(lambda: use(device, x))
    assert device.to_numpy(device.leaky_relu(x, 0.1)).tolist() == [1.0] * 4
    assert device.to_numpy(device.capture(lambda: device.leaky_relu(x, 0.1))()).tolist() == [1.0] * 4  # fmt: skip


def test_too_little_memory_says_how_much(device: Any) -> None:
    with pytest.raises(
        DeviceError, match=r"too little memory: 1073741824.0 MiB were asked for, and"
    ):
        device.empty((1 << 50,), np.uint8)
    assert device.to_numpy(device.ones((3,), np.float32)).tolist() == [1.0] * 3


def test_a_file_that_does_not_compile_says_why(
    device: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.cu").write_text(
        'extern "C" __global__ void broken(REAL* y) { y[0] = nonsense; }\n'
    )
    x = device.ones((1,), np.float32)  # by a kernel of kernels/
    monkeypatch.setattr(device, "sources", tmp_path)
    with pytest.raises(KernelError, match=r"broken\.cu does not compile for sm_\d+: .*nonsense"):
        device.launch("broken", "broken", np.float32, (1,), (1,), x)


def test_cupys_arrays_are_shared(device: Any) -> None:
    cupy = pytest.importorskip("cupy")
    theirs = cupy.arange(12, dtype=cupy.float32).reshape(3, 4)
    for take in (lambda a: a, lambda a: a.T, lambda a: a[::2, 1:]):
        view = take(theirs)
        x = mg.from_dlpack(view)
        assert x.device is device and x.data.data.ptr == view.data.ptr
        np.testing.assert_array_equal(x.numpy(), view.get())
    mg.from_dlpack(theirs).zero_()
    assert not theirs.get().any()
    ours = mg.tensor([1.0, 2.0], device="cuda")
    cupy.asarray(ours)[0] = 5
    assert ours.numpy().tolist() == [5.0, 2.0]


def test_pytorchs_arrays_are_shared(device: Any) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this PyTorch has no CUDA")
    theirs = torch.arange(6, dtype=torch.float32, device="cuda").reshape(2, 3)
    x = mg.from_dlpack(theirs)
    assert x.device is device and x.data.data.ptr == theirs.data_ptr()
    x[0, 0] = 9.0
    assert theirs[0, 0].item() == 9
    back = torch.from_dlpack(x)
    back[1, 2] = -1
    assert x[1, 2].item() == -1 and back.data_ptr() == theirs.data_ptr()
    copied = mg.tensor(theirs)
    theirs.zero_()
    assert copied.device is device and copied[0, 0].item() == 9


def test_views_of_one_allocation_are_known_to_share_it(device: Any) -> None:
    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True, device="cuda")
    y = x * 1
    z = y * y
    with mg.no_grad():
        y[1:].zero_()
    with pytest.raises(RuntimeError, match="changed in place afterwards"):
        z.sum().backward()


def test_two_devices_do_not_meet(device: Any) -> None:
    with pytest.raises(ValueError, match=r"^add: .*cpu and cuda"):
        mg.tensor([1.0]) + mg.tensor([1.0], device="cuda")
