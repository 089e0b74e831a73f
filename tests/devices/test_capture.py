"""Captured graphs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.devices.emulated import Emulated
from minigan.errors import DeviceError
from minigan.optim import SGD, Adam
from minigan.tensor import Tensor


@pytest.fixture(scope="module")
def device() -> Any:
    return mg.get_device("emulated")


def test_a_capture_runs_nothing_until_it_is_called(device: Emulated) -> None:
    x, counter = device.ones((5,), np.float32), device.asarray(np.zeros(1, np.int64))

    def work() -> Any:
        device.increment(counter)
        device.accumulate(x, x)
        return device.scaled_sum(x, 3.0, None, 0.0)

    replay = device.capture(work)
    assert counter[0] == 0 and x[0] == 1
    for i in range(1, 4):
        result = replay()
        assert counter[0] == i and (x == 2**i).all() and (result == 3 * 2**i).all()
    x[...] = 1  # written in place: the graph reads it
    assert (replay() == 6).all()
    assert replay() is result


def test_a_matrix_product_is_captured(device: Emulated) -> None:
    a, b = mg.ones((2, 3), device=device), mg.ones((3, 4), device=device)
    assert (device.capture(lambda: (a @ b).data)() == 3).all()


HELD: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "x + y": lambda x, y: x + y, "x * y": lambda x, y: x * y, "2·x": lambda x, y: 2.0 * x,
    "linear": lambda x, y: mg.linear(x, y, None, 0.1), "sigmoid": lambda x, y: mg.sigmoid(x),
    "relu": lambda x, y: mg.relu(x), "tanh": lambda x, y: mg.tanh(x), "mean": lambda x, y: x.mean(),
    "rows": lambda x, y: 2.0 * x[1:], "reshape": lambda x, y: 2.0 * x.reshape(-1), "copy": lambda x, y: x.copy(),
    "concatenate": lambda x, y: mg.concatenate([x, y]), "split": lambda x, y: mg.split(x, 3)[1] * 2.0,
}  # fmt: skip


@pytest.mark.parametrize("function", HELD.values(), ids=HELD)
def test_operations_of_a_step_are_captured_forward_and_backward(
    function: Callable[[Tensor, Tensor], Tensor], device: Emulated
) -> None:
    rng = np.random.default_rng(5)
    x, y = (mg.tensor(rng.normal(size=(3, 3)), device=device, requires_grad=True) for _ in "xy")
    result = function(x, y)
    dy = mg.tensor(rng.normal(size=result.shape), device=device)
    result.backward(dy)
    expected = [None if t.grad is None else t.grad.numpy().copy() for t in (x, y)]
    for t in (x, y):
        t.grad = mg.zeros_like(t)
    graph = device.capture(lambda: function(x, y).backward(dy))
    graph()
    for t, gradient in zip((x, y), expected, strict=True):
        assert t.grad is not None
        np.testing.assert_array_equal(t.grad.numpy(), 0 if gradient is None else gradient)


def test_the_cpu_has_no_graphs() -> None:
    def work() -> None:
        raise AssertionError

    assert mg.get_device("cpu").capture(work) is work


@pytest.mark.parametrize(
    ("forbidden", "message"),
    [
        (lambda device, x: device.to_numpy(x), "to_numpy: nothing can be read back to the host"),
        (lambda device, x: device.asarray([1.0]), "asarray: nothing can be brought from the host"),
        (lambda device, x: device.random_uniform((2,), 0, 1, np.float32, (0, 0, 3)), "asarray: "),
        (lambda device, x: device.capture(lambda: None), "capture: nothing can be captured"),
        (lambda device, x: x + x, "'add' is arithmetic"),
        (lambda device, x: mg.Tensor(x[0, :1], device).item(), "to_numpy"),
        (lambda device, x: device.copy(x.T), "'assignment' is arithmetic"),
    ],
)
def test_what_a_graph_cannot_hold_is_refused(
    device: Emulated, forbidden: Callable[..., Any], message: str
) -> None:
    x = device.ones((3, 3), np.float32)
    with pytest.raises(DeviceError, match=f"^{message}"):
        device.capture(lambda: forbidden(device, x))
    np.testing.assert_array_equal(np.asarray(x + x), 2)  # the device goes on
    assert device.to_numpy(device.scaled_sum(x, 2.0, None, 0.0))[0, 0] == 2


def test_the_memory_of_a_graph_stays_its_own(device: Emulated) -> None:
    x = device.ones((1000,), np.float32)
    replay = device.capture(
        lambda: device.scaled_sum(device.scaled_sum(x, 2.0, None, 0.0), 3.0, None, 0.0)
    )
    others = [device.ones((1000,), np.float32) for _ in range(20)]
    assert (replay() == 6).all()
    assert all((other == 1).all() for other in others)


@pytest.mark.parametrize("make_optimizer", [Adam, lambda p: SGD(p, momentum=0.9)])
def test_a_captured_optimizer_goes_on_counting(make_optimizer: Any, device: Emulated) -> None:
    """Adam's α/(1 − β₁ᵗ) changes with t, which lies on the device."""
    states = []
    for captured in (False, True):
        x = mg.tensor(np.arange(5.0), requires_grad=True, device="emulated")
        optimizer = make_optimizer([x])

        def step(x: Any = x, optimizer: Any = optimizer) -> None:
            (x * x).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

        step()
        again = device.capture(step) if captured else step
        for _ in range(4):
            again()
        assert optimizer.step_count == 5
        states.append([x.numpy(), *(np.asarray(v) for v in optimizer.state_dict().values())])
    for plain, replayed in zip(*states, strict=True):
        np.testing.assert_array_equal(plain, replayed)
