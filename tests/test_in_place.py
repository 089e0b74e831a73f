"""Memory that changes after an operation has saved it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graphs import assert_grad, leaf

import minigan as mg
from minigan.devices import Device
from minigan.tensor import Tensor


def assign(x: Tensor) -> None:
    with mg.no_grad():
        x[0] = 9.0


def optimize(make: Callable[[list[Tensor]], Any]) -> Callable[[Tensor], None]:
    def step(x: Tensor) -> None:
        x.grad = mg.tensor(np.ones(x.shape))
        make([x]).step()

    return step


CHANGES: dict[str, Callable[[Tensor], Any]] = {
    "copy_": lambda x: x.copy_([5.0, 6.0]),
    "zero_": lambda x: x.zero_(),
    "setitem": assign,
    "SGD": optimize(mg.optim.SGD),
    "SGD with momentum": optimize(lambda p: mg.optim.SGD(p, momentum=0.9)),
    "Adam": optimize(mg.optim.Adam),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_saved_array_that_was_changed_is_caught(change: Callable[[Tensor], Any]) -> None:
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    change(x)
    x.grad = None
    with pytest.raises(RuntimeError, match=r"'multiply' saved its input 1.*changed in place"):
        loss.backward()
    assert x.grad is None


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_array_that_was_not_saved_may_change(change: Callable[[Tensor], Any]) -> None:
    x = leaf(1.0, 2.0)
    loss = (x + 1).sum()
    change(x)
    x.grad = None
    loss.backward()
    assert_grad(x, 1.0, 1.0)


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "reshape": lambda x: x.reshape(2, 1),
    "transpose": lambda x: x.reshape(1, 2).T,
    "slice": lambda x: x[:1],
    "detach": lambda x: x.detach(),
    "broadcast": lambda x: mg.broadcast_to(x, 3, 2),
    "view of a view": lambda x: x.reshape(2, 1)[:, 0].detach().reshape(1, 2),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_that_was_saved_is_caught_through_its_owner(
    view: Callable[[Tensor], Tensor],
) -> None:
    x = leaf(1.0, 2.0)
    loss = (view(x) * leaf(3.0)).sum()
    x.zero_()
    with pytest.raises(RuntimeError, match="'multiply' saved its input 1"):
        loss.backward()


@pytest.mark.parametrize("view", [v for k, v in VIEWS.items() if k != "broadcast"])
def test_an_owner_that_was_saved_is_caught_through_its_view(
    view: Callable[[Tensor], Tensor],
) -> None:
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    with mg.no_grad():
        view(x).zero_()
    with pytest.raises(RuntimeError, match="'multiply' saved its input 1"):
        loss.backward()


def test_a_saved_output_that_was_changed_is_caught() -> None:
    x = leaf(1.0, 2.0)
    y = x.exp()
    loss = y.sum()
    with mg.no_grad():
        y.zero_()
    with pytest.raises(RuntimeError, match="'exp' saved its output"):
        loss.backward()


@mg.differentiable
def keeps_a_view(device: Device, x: Any) -> Any:
    flat = x.reshape(-1)
    return x * x, lambda dy, needs: (2 * dy * flat.reshape(dy.shape),), (flat,)


@mg.differentiable
def keeps_a_tuple(device: Device, x: Any) -> Any:
    saved = (2, x)
    return x * x, lambda dy, needs: (saved[0] * dy * saved[1],), (x,)


@mg.differentiable
def keeps_a_default(device: Device, x: Any) -> Any:
    return x * x, lambda dy, needs, x=x: (2 * dy * x,), (x,)


@mg.differentiable
def keeps_a_function(device: Device, x: Any) -> Any:
    def slope() -> Any:
        return 2 * x

    return x * x, lambda dy, needs: (dy * slope(),), (x,)


@pytest.mark.parametrize("square", [keeps_a_view, keeps_a_tuple, keeps_a_default, keeps_a_function])
def test_however_a_rule_keeps_an_array_its_change_is_caught(
    square: Callable[..., Tensor],
) -> None:
    x = leaf(1.0, 2.0)
    square(x).sum().backward()
    assert_grad(x, 2.0, 4.0)
    loss = square(x).sum()
    x.zero_()
    with pytest.raises(RuntimeError, match=f"'{square.__name__}' saved its input 1"):
        loss.backward()


def test_a_rule_that_names_a_variable_without_a_value() -> None:
    @mg.differentiable
    def double(device: Device, x: Any) -> Any:
        if x.size > 100:
            large = x
        return 2 * x, lambda dy, needs: (2 * dy if dy.size <= 100 else 2 * large,)

    x = leaf(1.0)
    double(x).backward()
    assert_grad(x, 2.0)


def test_a_change_after_backward_is_nobodys_business() -> None:
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    x.zero_()
    (x * x).sum().backward()  # a new graph, of the new values
    assert_grad(x, 2.0, 4.0)


@pytest.mark.parametrize("change", [lambda y: y.zero_(), lambda y: y.copy_([1.0, 1.0])])
def test_a_computed_tensor_is_not_overwritten(change: Callable[[Tensor], Any]) -> None:
    """Its gradient would still reach what its old values came from."""
    y = leaf(1.0, 2.0) * 2
    with pytest.raises(RuntimeError, match="computed by 'multiply', and overwriting it is not"):
        change(y)
    assert y.numpy().tolist() == [2.0, 4.0]
    with mg.no_grad():
        change(y)
    change(y.detach())


def test_assignment_is_not_differentiable() -> None:
    x, constant = leaf(1.0, 2.0), mg.tensor(np.zeros(2))
    with pytest.raises(RuntimeError, match="not differentiable"):
        x[0] = 3.0
    with pytest.raises(RuntimeError, match="not differentiable"):
        constant[0] = x[0]
    assert constant.numpy().tolist() == [0.0, 0.0]
    constant[mg.tensor([1])] = 4.0
    constant[0] = mg.tensor(5.0)
    assert constant.numpy().tolist() == [5.0, 4.0]


def test_copy_names_the_shapes_that_do_not_fit() -> None:
    x = mg.tensor(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"shape \(2,\) do not fit a tensor of shape \(2, 3\)"):
        x.copy_([1.0, 2.0])
    assert x.copy_([1.0, 2.0, 3.0]) is x
    assert x.numpy().tolist() == [[1.0, 2.0, 3.0]] * 2


def test_zero_and_copy_of_a_0_dimensional_result() -> None:
    y = mg.tensor(3.0) * 2
    assert y.zero_().item() == 0.0
    assert y.copy_(4.0).item() == 4.0
