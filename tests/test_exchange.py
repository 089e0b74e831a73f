"""Memory shared with other libraries, without a copy; and tensors of two devices, which do not meet."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from devices.test_memory import Described
from fake_cupy import Machine, make_cupy

import minigan as mg
from minigan import devices
from minigan.errors import DeviceError


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The CUDA device on a stand-in for CuPy."""
    monkeypatch.setitem(sys.modules, "cupy", make_cupy(Machine()))
    from minigan.devices.cuda import CUDA

    made, others = CUDA(), devices._open
    monkeypatch.setattr(devices, "_open", lambda name: made if name == "cuda" else others(name))
    return made


# -- NumPy --------------------------------------------------------------------------------------------


def test_numpy_sees_a_tensors_own_memory() -> None:
    x = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    for seen in (np.asarray(x), np.asarray(x.T).T, np.from_dlpack(x)):
        x[0, 0] = float(seen[0, 0]) + 1
        assert seen[0, 0] == x.numpy()[0, 0]
    array = np.asarray(x)
    array[1, 1] = 9.0
    assert x[1, 1].item() == 9.0
    del x
    assert array[1, 1] == 9.0  # the array keeps the memory


def test_a_tensor_of_a_graph_is_not_handed_out() -> None:
    x = mg.tensor([1.0], requires_grad=True)
    for tensor in (x, x * 2):
        assert not hasattr(tensor, "__array_interface__")
        with pytest.raises(TypeError, match="detach"):
            np.asarray(tensor)
    assert np.asarray(x.detach()).tolist() == [1.0]


EXPORTS: dict[str, Callable[[mg.Tensor], Any]] = {
    "numpy": lambda t: t.numpy(),
    "detach": lambda t: t.detach().numpy(),
    "asarray": np.asarray,
    "from_dlpack": np.from_dlpack,
}


@pytest.mark.parametrize("export", EXPORTS)
@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_write_of_another_library_to_what_a_graph_saved_is_an_error(
    export: str, requires_grad: bool
) -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=requires_grad)
    w = mg.tensor([3.0, 4.0], requires_grad=True)
    outside = EXPORTS[export](x.detach())
    outside[0] = 5.0
    before = w * x
    before.sum().backward()
    assert w.grad is not None and w.grad.tolist() == [5.0, 2.0]
    after = (w * x[:1]).sum()
    outside[0] = 6.0
    with pytest.raises(RuntimeError, match=r"'multiply' saved .* changed in place"):
        after.backward()


def test_a_write_to_imported_memory_that_a_graph_saved_is_an_error() -> None:
    outside = np.arange(6.0).reshape(2, 3).T
    x, w = mg.from_dlpack(outside), mg.ones((3, 2), dtype=np.float64, requires_grad=True)
    product = (w * x).sum()
    outside[2, 1] = np.nan
    with pytest.raises(RuntimeError, match=r"'multiply' saved .* changed in place"):
        product.backward()


def test_memory_that_a_graph_reads_is_handed_out_to_be_read_alone() -> None:
    x, w = mg.tensor([1.0, 2.0]), mg.tensor([3.0, 4.0], requires_grad=True)

    def writable() -> list[bool]:
        return [e(x).flags.writeable for n, e in EXPORTS.items() if n != "from_dlpack"]

    product = w * x
    assert writable() == [False, False, False]
    with pytest.raises(BufferError, match=r"belongs to a graph.*mg.tensor\(t\)"):
        np.from_dlpack(x)
    assert mg.tensor(x).numpy().flags.writeable
    product.sum().backward()
    assert writable() == [True, True, True]
    dropped = [w * x, (w * x).exp()]
    assert writable() == [False, False, False]
    dropped.clear()
    assert writable() == [True, True, True] and np.from_dlpack(x).flags.writeable


@pytest.mark.parametrize(
    "take", [lambda a: a, lambda a: a.T, lambda a: a[::-1, ::2], lambda a: a[1]]
)
def test_an_array_of_any_strides_is_shared(take: Callable[[Any], Any]) -> None:
    base = np.arange(12.0).reshape(3, 4)
    view = take(base)
    x = mg.from_dlpack(view)
    assert np.shares_memory(x.data, base) and x.shape == view.shape
    view[...] = -view
    np.testing.assert_array_equal(x.numpy(), view)
    x.zero_()
    assert not view.any()
    y = mg.tensor(view)
    view[...] = 1
    assert not y.numpy().any()  # `tensor` copies


def test_computing_with_shared_memory_of_any_strides() -> None:
    base = np.arange(12.0).reshape(3, 4)
    x = mg.from_dlpack(base.T).requires_grad_()
    (x @ mg.tensor(np.ones((3, 2)))).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full((4, 3), 2.0))


def test_memory_that_may_only_be_read_stays_so() -> None:
    base = np.arange(3.0)
    base.flags.writeable = False
    x = mg.from_dlpack(base)
    assert np.shares_memory(x.data, base)
    assert (x * 2).numpy().tolist() == [0.0, 2.0, 4.0]
    for change in (
        x.zero_,
        lambda: x.copy_([1.0, 1.0, 1.0]),
        lambda: x.__setitem__(0, 5.0),
    ):
        with pytest.raises(ValueError, match=r"may only be read; write to a copy, mg.tensor\(t\)"):
            change()
    with pytest.raises(ValueError, match="an optimizer's parameters share no memory that may only"):
        mg.optim.SGD([x.requires_grad_()])
    y = mg.tensor(x)
    y.zero_()
    assert base.tolist() == [0.0, 1.0, 2.0]


class InterfaceOnly:
    """An array of the host with no DLPack."""

    def __init__(self, array: Any) -> None:
        self.__array_interface__ = array.__array_interface__
        self.kept = array


def test_an_array_with_only_an_interface() -> None:
    base = np.arange(3.0)
    x = mg.from_dlpack(InterfaceOnly(base))
    base[0] = 7.0
    assert x.numpy().tolist() == [7.0, 1.0, 2.0]
    with pytest.raises(TypeError, match="a list has no DLPack or array interface"):
        mg.from_dlpack([1.0])


# -- PyTorch ------------------------------------------------------------------------------------------


def test_pytorch_and_back() -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.arange(6, dtype=torch.float32).reshape(2, 3)
    ours = mg.from_dlpack(theirs)
    theirs[0, 0] = 5
    assert ours[0, 0].item() == 5
    ours[1, 2] = -1.0
    assert theirs[1, 2] == -1
    across = mg.from_dlpack(theirs.T)
    assert across.shape == (3, 2)
    across[0, 1] = 8.0
    assert theirs[1, 0] == 8
    back = torch.from_dlpack(ours)
    back[0, 1] = 3
    assert ours[0, 1].item() == 3 and back.data_ptr() == theirs.data_ptr()
    copied = mg.tensor(theirs)
    theirs.zero_()
    assert copied[0, 1].item() == 3 and copied.dtype == np.float32


# -- a GPU's arrays, on the stand-in ------------------------------------------------------------------


def test_an_array_of_a_gpu_is_shared_through_dlpack(cuda: Any) -> None:
    theirs = cuda.asarray(np.arange(6, dtype=np.float32)).reshape(2, 3)
    x = mg.from_dlpack(theirs.T)
    assert x.device is cuda and x.shape == (3, 2)
    theirs[1, 0] = 9
    assert x[0, 1].item() == 9
    x.zero_()
    assert not cuda.to_numpy(theirs).any()
    assert x.__dlpack_device__() == (2, 0)  # kDLCUDA


def test_an_array_of_a_gpu_with_only_an_interface(cuda: Any) -> None:
    """Numba's, which has no DLPack."""
    memory = np.arange(6, dtype=np.float32).reshape(2, 3)
    x = mg.from_dlpack(Described(memory[:, ::2]))
    assert x.device is cuda and x.data.strides == memory[:, ::2].strides
    memory[1, 2] = 9
    assert x[1, 1].item() == 9
    x.zero_()
    assert memory.tolist() == [[0, 1, 0], [0, 4, 0]]
    with pytest.raises(ValueError, match=r"may only be read; copy it with mg\.tensor"):
        mg.from_dlpack(Described(memory, read_only=True))


def test_a_tensor_of_a_gpus_array_is_a_copy_on_the_gpu(cuda: Any) -> None:
    memory = np.ones(3, np.float32)
    x = mg.tensor(Described(memory))
    assert x.device is cuda
    x.zero_()
    assert memory.tolist() == [1, 1, 1]
    with pytest.raises(DeviceError, match="on device 'cuda' was given to device 'cpu'"):
        mg.tensor(Described(memory), device="cpu")


def test_the_interfaces_of_a_gpus_tensor(cuda: Any) -> None:
    x = mg.tensor([1.0, 2.0], device="cuda")
    described = x.__cuda_array_interface__
    assert described["data"][0] == x.data.data.ptr and described["shape"] == (2,)
    assert not hasattr(mg.tensor([1.0]), "__cuda_array_interface__")
    assert np.asarray(x).tolist() == [1.0, 2.0]


# -- two devices --------------------------------------------------------------------------------------

MEETINGS: dict[str, Callable[[mg.Tensor, mg.Tensor], Any]] = {
    "add": lambda a, b: a + b,
    "matmul": lambda a, b: a @ b,
    "where": lambda a, b: mg.where(a > 0, a, b),
    "concatenate": lambda a, b: mg.concatenate([a, b]),
    "assignment": lambda a, b: a.__setitem__(0, b[0]),
    "backward": lambda a, b: (a * 1).backward(b),
    "getitem": lambda a, b: a[b.astype("int64")],
    "take_along_axis": lambda a, b: mg.take_along_axis(a, b.astype("int64"), 0),
    "cross_entropy": lambda a, b: mg.cross_entropy(a, b[0]),
    "code_log_likelihood": lambda a, b: mg.code_log_likelihood(a, b, [mg.Gaussian()] * 2),
    "code_consistency_information": lambda a, b: mg.code_consistency_information(
        a, b, [mg.Categorical(2)]
    ),
    "batch_norm": lambda a, b: mg.batch_norm(a, b[0], a[0]),
    "batch_norm with running statistics": lambda a, b: mg.batch_norm(
        a, a[0], a[0], {"default": mg.RunningStatistics(b[0], b[0])}
    ),
}


@pytest.mark.parametrize("name", MEETINGS)
def test_tensors_of_two_devices_are_refused_with_both_names(name: str) -> None:
    values = np.ones((2, 2))
    here, there = (mg.tensor(values, device=device) for device in ("cpu", "emulated"))
    here.requires_grad_()
    for first, second in ((here.detach() if name == "assignment" else here, there),):
        with pytest.raises(ValueError, match=f"^{name.split(maxsplit=1)[0]}: .*cpu.* .*emulated"):
            MEETINGS[name](first, second)


def test_an_array_of_a_gpu_does_not_meet_a_tensor_of_the_host() -> None:
    with pytest.raises(DeviceError, match="on device 'cuda' was given to device 'cpu'"):
        mg.tensor([1.0]) + Described(np.ones(1, np.float32))


def test_reading_a_value_hands_out_no_memory() -> None:
    t = mg.tensor([2.0])
    assert t.item() == 2.0 and t.tolist() == [2.0] and "2." in repr(t) and f"{t:.1f}" == "2.0"
    assert t._version.reach is None  # nothing to watch


def test_the_memory_of_a_list_is_no_other_library_s() -> None:
    assert mg.flip([1.0, 2.0])._version.reach is None
    assert mg.flip(np.array([1.0, 2.0]))._version.reach is not None
