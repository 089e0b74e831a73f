"""Whether two arrays share memory, for arrays that NumPy does not know."""

import itertools
from types import SimpleNamespace
from typing import Any

import fake_cupy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan.devices.memory import byte_range, is_on_gpu, layout, share_memory
from minigan.errors import DeviceError

Array = np.ndarray[Any, Any]


class Described:
    """An array of a GPU as Numba's or PyTorch's show themselves: by the interface alone."""

    def __init__(self, array: Array, read_only: bool = False) -> None:
        plain = array.__array_interface__
        self.__cuda_array_interface__ = {
            "shape": plain["shape"], "typestr": plain["typestr"], "strides": plain["strides"],
            "data": (plain["data"][0], read_only), "version": 3,
        }  # fmt: skip
        self.kept = array


class CuPyLike:
    """As CuPy's show themselves: a pointer object, and no way to NumPy."""

    def __init__(self, array: Array) -> None:
        self.data = SimpleNamespace(ptr=array.__array_interface__["data"][0])
        self.shape, self.strides, self.dtype, self.kept = array.shape, array.strides, array.dtype, array  # fmt: skip

    def __array__(self, *_: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")


KINDS = (CuPyLike, Described)
BASE = np.arange(48, dtype=np.float32)
VIEWS = {
    "all": BASE, "first half": BASE[:24], "second half": BASE[24:], "backwards": BASE[::-1],
    "second half backwards": BASE[:23:-1], "even": BASE[::2], "one": BASE[23:24], "none": BASE[5:5],
    "matrix": BASE.reshape(6, 8), "its columns": BASE.reshape(6, 8).T[2:5], "its last row": BASE.reshape(6, 8)[5:],
    "repeated": np.broadcast_to(BASE[30:31], (3, 4)), "0-dimensional": BASE.reshape(48)[7:8].reshape(()),
    "as bytes": BASE.view(np.uint8)[95:97], "elsewhere": np.zeros(48, np.float32),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("first", "second"), [*itertools.product(VIEWS, repeat=2)])
def test_views_of_one_allocation_share_it_as_numpys_do(first: str, second: str, kind: Any) -> None:
    """NumPy's own answer, by the bytes from the first to the last, on the same memory."""
    a, b = VIEWS[first], VIEWS[second]
    expected = np.may_share_memory(a, b)
    assert share_memory(kind(a), kind(b)) == expected
    assert share_memory(CuPyLike(a), Described(b)) == expected
    assert share_memory(a, b) == expected


@given(st.data())
def test_the_bytes_of_a_view(data: st.DataObject) -> None:
    """Against the addresses of all its elements."""
    base = np.zeros((4, 5, 3), np.int16)
    steps = st.sampled_from([-2, -1, 1, 2])
    index = tuple(slice(None, None, data.draw(steps, label="step")) for _ in range(base.ndim))
    view = base[index].transpose(data.draw(st.permutations(range(3)), label="axes"))
    address = view.__array_interface__["data"][0]
    elements = [
        address + sum(i * s for i, s in zip(position, view.strides, strict=True))
        for position in np.ndindex(*view.shape)
    ]
    for kind in KINDS:
        described = layout(kind(view))
        assert described is not None
        assert byte_range(described) == (min(elements), max(elements) + 2)


def test_an_array_shares_with_itself_and_not_with_what_has_no_memory() -> None:
    thing = object()
    assert share_memory(thing, thing)
    assert not share_memory(thing, BASE)


def test_a_change_of_a_view_on_another_device_is_seen_by_what_saved_the_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What identity alone cannot tell: the view is another object on the same bytes."""
    machine = fake_cupy.Machine()
    monkeypatch.setitem(__import__("sys").modules, "cupy", fake_cupy.make_cupy(machine))
    from minigan.devices.cuda import CUDA

    x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True, device=CUDA())
    y = x * 1
    z = y * y  # saves y
    with mg.no_grad():
        y[1:].zero_()
    with pytest.raises(RuntimeError, match="changed in place afterwards"):
        z.sum().backward()


def test_arrays_of_a_gpu_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_on_gpu(Described(BASE))
    assert not any(map(is_on_gpu, (BASE, 1.0, [1.0], np.float32(1), None)))
    for name in ("cpu", "emulated"):
        with pytest.raises(DeviceError, match=f"on device 'cuda' was given to device '{name}'"):
            mg.get_device(name).asarray(Described(BASE))
