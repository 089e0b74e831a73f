"""Saved arrays of an operation are declared and watched; undeclared ones are refused."""

import array
import functools
from collections import deque
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.devices import Device
from minigan.tensor import Tensor


def leaf(*values: float) -> Tensor:
    return mg.tensor(values, requires_grad=True, dtype="float64")


class Slope:
    """A rule that is an object."""

    def __init__(self, x: Any) -> None:
        self.x = x

    def __call__(self, dy: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
        return (2 * dy * self.x,)

    def rule(self, dy: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
        return self(dy, needs)


class Slotted:
    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __call__(self, dy: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
        return (2 * dy * self.x,)


def slope(x: Any, dy: Any, needs: tuple[bool, ...]) -> tuple[Any, ...]:
    return (2 * dy * x,)


GLOBAL: dict[str, Any] = {}


def of_global(x: Any) -> Any:
    GLOBAL["x"] = x
    return lambda dy, needs: (2 * dy * GLOBAL["x"],)


def of_keyword(x: Any) -> Any:
    def vjp(dy: Any, needs: Any, *, x: Any = x) -> Any:
        return (2 * dy * x,)

    return vjp


def of_nested(x: Any) -> Any:
    kept = {"deep": [(1, {"x": x})]}
    return lambda dy, needs: (2 * dy * kept["deep"][0][1]["x"],)  # type: ignore[index]


def of_itself(x: Any) -> Any:
    def vjp(dy: Any, needs: Any) -> Any:
        return (2 * dy * vjp.x,)  # type: ignore[attr-defined]

    vjp.x = x  # type: ignore[attr-defined]
    return vjp


def of_a_built_in_method(x: Any) -> Any:
    double = x.__mul__
    return lambda dy, needs: (double(2 * dy),)


def of_held(hold: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def keeper(x: Any) -> Any:
        held = hold(x)
        return lambda dy, needs: (2 * dy * held[0],)

    return keeper


# how a rule may keep x
KEEPERS: dict[str, Callable[[Any], Any]] = {
    "closure": lambda x: lambda dy, needs: (2 * dy * x,),
    "partial": lambda x: functools.partial(slope, x),
    "keyword of a partial": lambda x: functools.partial(lambda dy, needs, x: (2 * dy * x,), x=x),
    "object": Slope,
    "object with slots": Slotted,
    "method": lambda x: Slope(x).rule,
    "containers": of_nested,
    "global": of_global,
    "keyword default": of_keyword,
    "attribute of the rule": of_itself,
    "built-in method": of_a_built_in_method,
    "deque": of_held(lambda x: deque([x])),
    "read-only dict": of_held(lambda x: MappingProxyType({0: x})),
}


def square(keeper: Callable[[Any], Any], declares: bool) -> Callable[..., Tensor]:
    def operation(device: Device, x: Any) -> Any:
        return (x * x, keeper(x), (x,)) if declares else (x * x, keeper(x))

    return mg.differentiable(operation)


@pytest.mark.parametrize("keeper", KEEPERS.values(), ids=KEEPERS)
def test_a_rule_that_keeps_an_undeclared_array_is_refused(keeper: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=r"^operation: its vjp keeps the array '.*not declared"):
        square(keeper, declares=False)(leaf(1.0, 2.0))


@pytest.mark.parametrize("keeper", KEEPERS.values(), ids=KEEPERS)
def test_a_declared_array_is_watched_however_it_is_kept(keeper: Callable[[Any], Any]) -> None:
    operation, x = square(keeper, declares=True), leaf(1.0, 2.0)
    operation(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2.0, 4.0]
    y = operation(x).sum()
    x.detach().copy_([10.0, 10.0])
    with pytest.raises(RuntimeError, match="'operation' saved its input 1"):
        y.backward()


@pytest.mark.parametrize("keep", [memoryview, lambda x: array.array("d", x)])
def test_a_rule_that_keeps_a_buffer_is_refused(keep: Callable[[Any], Any]) -> None:
    @mg.differentiable
    def scale(device: Device, x: Any) -> Any:
        held = keep(x)
        return 2 * x, lambda dy, needs: (dy * np.asarray(held),)

    with pytest.raises(TypeError, match="its vjp keeps the array 'held'"):
        scale(leaf(1.0, 2.0))


def test_a_setting_by_name_is_no_array() -> None:
    @mg.differentiable
    def scale(device: Device, x: Any, *, w: Any) -> Any:
        return x * w, lambda dy, needs: (dy * w,), (w,)

    for w in (np.array([3.0, 4.0]), mg.tensor([3.0, 4.0])):
        with pytest.raises(TypeError, match="scale: 'w' takes no tensor or array"):
            scale(leaf(1.0, 2.0), w=w)


VIEWS: dict[str, Callable[[Any], Tensor]] = {
    "reshape": lambda a: mg.reshape(a, (2, 2)), "flip": mg.flip, "expand_dims": lambda a: mg.expand_dims(a, 0),
    "squeeze": mg.squeeze, "broadcast_to": lambda a: mg.broadcast_to(a, (2, 4)), "getitem": lambda a: mg.getitem(a, slice(2)),
}  # fmt: skip


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_of_an_array_sees_a_write_to_it(view: Callable[[Any], Tensor]) -> None:
    memory = np.arange(4.0)
    v = view(memory)
    v.requires_grad_()
    y = (v * v).sum()
    memory[:] = 5
    with pytest.raises(RuntimeError, match="saved its input 1"):
        y.backward()


def test_what_is_not_recorded_is_not_searched() -> None:
    with mg.no_grad():
        assert square(Slope, declares=False)(leaf(1.0, 3.0)).tolist() == [1.0, 9.0]


@pytest.mark.parametrize("result", [None, 3.0, (1.0,), (1.0, None, (), ())])
def test_a_function_that_returns_something_else_is_named(result: Any) -> None:
    with pytest.raises(TypeError, match=r"returns \(output, vjp, saved\)"):
        mg.differentiable(lambda device, x: result)(leaf(1.0))


def test_saved_is_a_tuple() -> None:
    with pytest.raises(TypeError, match="saved is a tuple of arrays, not a ndarray"):
        mg.differentiable(lambda device, x: (x, lambda dy, needs: (dy,), x))(leaf(1.0))


def test_a_saved_tensor_that_is_no_argument_is_watched() -> None:
    weights = mg.tensor([2.0, 3.0], dtype="float64")

    @mg.differentiable
    def weighted(device: Device, x: Any) -> Any:
        return x * weights.data, lambda dy, needs: (dy * weights.data,), (weights,)

    y = weighted(leaf(1.0, 1.0)).sum()
    weights.zero_()
    with pytest.raises(RuntimeError, match="'weighted' saved its saved tensor"):
        y.backward()


# -- indices, masks and operands ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "data", "change"),
    [
        (lambda x, i: x[i], [0, 1], [2, 2]),
        (lambda x, i: x[i], [True, False, True], [False, True, True]),
        (lambda x, i: mg.take_along_axis(x, i, 0), [0, 1, 1], [2, 2, 2]),
        (lambda x, m: mg.where(m, x, 0.0), [True, False, True], [False, True, True]),
        (lambda x, m: x * m, [True, False, True], [False, True, True]),
    ],
)
def test_an_index_or_mask_is_watched_or_copied(
    operation: Any, data: list[Any], change: list[Any]
) -> None:
    x = leaf(1.0, 2.0, 3.0)
    operation(x, mg.tensor(data)).sum().backward()
    expected = x.grad.tolist() if x.grad is not None else None

    x.grad, index = None, mg.tensor(data)
    y = operation(x, index).sum()
    index.copy_(change)
    try:
        y.backward()
    except RuntimeError as error:
        assert "saved its input" in str(error)
    else:
        assert x.grad is not None and x.grad.tolist() == expected

    held = np.array(data)
    x.grad = None
    y = operation(x, held).sum()
    held[...] = change
    y.backward()
    assert x.grad is not None and x.grad.tolist() == expected


@pytest.mark.parametrize("other", [[2.0, 3.0], np.array([2.0, 3.0]), array.array("d", [2.0, 3.0])])
@pytest.mark.parametrize("operation", [mg.multiply, mg.divide, mg.power, mg.maximum, mg.arctan2])
def test_an_operand_of_another_library_is_copied(
    operation: Callable[..., Tensor], other: Any
) -> None:
    x, y = leaf(4.0, 5.0), leaf(4.0, 5.0)
    before = operation(x, other).sum()
    operation(y, mg.tensor(other, dtype="float64")).sum().backward()
    other[0] = 100.0
    before.backward()
    other[0] = 2.0
    assert x.grad is not None and y.grad is not None and x.grad.tolist() == y.grad.tolist()


def test_an_array_by_name_is_an_operand() -> None:
    x = leaf(1.0, 2.0)
    mg.multiply(x, y=np.array([3.0, 4.0])).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [3.0, 4.0]


# -- memory that others share ------------------------------------------------------------------------


def saves(w: Tensor) -> Tensor:
    return (w * w).sum()


SHARED: dict[str, Callable[[Tensor], Tensor]] = {
    "itself": mg.from_dlpack,
    "NumPy by DLPack": lambda t: mg.from_dlpack(np.from_dlpack(t)),
    "NumPy by asarray": lambda t: mg.from_dlpack(np.asarray(t)),
    "numpy()": lambda t: mg.from_dlpack(t.numpy()),
    "part of it": lambda t: mg.from_dlpack(t.numpy()[1:]),
    "twice": lambda t: mg.from_dlpack(np.asarray(mg.from_dlpack(np.asarray(t)))),
}


@pytest.mark.parametrize("share", SHARED.values(), ids=SHARED)
def test_memory_that_went_through_another_library_has_one_version(
    share: Callable[[Tensor], Tensor],
) -> None:
    w = leaf(1.0, 2.0)
    shared = share(w.detach())
    saves(w).backward()
    y = saves(w)
    shared.zero_()
    with pytest.raises(RuntimeError, match="saved its input 1"):
        y.backward()


def test_two_tensors_of_one_foreign_array_have_one_version() -> None:
    memory, w = np.array([1.0, 2.0, 3.0]), leaf(1.0, 1.0)
    first, second, apart = (mg.from_dlpack(m) for m in (memory[:2], memory[1:], memory[2:]))
    y = (first * w).sum()
    apart.zero_()
    y.backward()
    y = (first * w).sum()
    second.zero_()
    with pytest.raises(RuntimeError, match="saved its input 1"):
        y.backward()


@pytest.mark.parametrize(
    "take", ["np.from_dlpack", "np.asarray", "torch.from_dlpack", "torch.as_tensor"]
)
def test_a_tensor_of_a_graph_is_not_exported(take: str) -> None:
    library, name = take.split(".")
    function = getattr(np if library == "np" else pytest.importorskip("torch"), name)
    for t in (leaf(1.0, 2.0), leaf(1.0, 2.0) * 2):
        with pytest.raises((BufferError, TypeError, RuntimeError), match=r"detach\(\)"):
            function(t)
        assert function(t.detach()).tolist() == t.tolist()
