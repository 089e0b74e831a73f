"""Copies of tensors, modules and optimizers, and states in files."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan import nn
from minigan.tensor import Tensor

COPIES: dict[str, Callable[[Any], Any]] = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
}


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm(4), nn.Tanh(), nn.Linear(4, 1))


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("device", ["cpu", "emulated"])
@pytest.mark.parametrize(
    "values", [np.float32(3.5), np.zeros((0, 2)), np.arange(6).reshape(2, 3).T, np.array([True])]
)
def test_a_copy_of_a_tensor(copied: Any, device: str, values: Any) -> None:
    x = mg.tensor(values, device=device)
    twin = copied(x)
    assert twin.device is x.device and twin.dtype == x.dtype and not twin.requires_grad
    np.testing.assert_array_equal(twin.numpy(), values)
    x.zero_()
    np.testing.assert_array_equal(twin.numpy(), values)


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_keeps_the_gradient_and_what_is_trained(copied: Any) -> None:
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    twin = copied([x, x])
    assert twin[0] is twin[1] and twin[0].requires_grad
    np.testing.assert_array_equal(twin[0].grad.numpy(), [2, 4])
    (x * x).sum().backward()
    np.testing.assert_array_equal(twin[0].grad.numpy(), [2, 4])
    frozen = copied(x.requires_grad_(False))
    assert frozen.is_parameter and not frozen.requires_grad
    with pytest.raises(RuntimeError, match=r"computed by 'multiply'.*detach\(\)"):
        copied(twin[0] * 2)


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_of_a_module_and_its_optimizer_goes_on_alike(copied: Any) -> None:
    net = model()
    optimizer = mg.optim.Adam(net.parameters(), lr=0.1)
    x = mg.tensor(np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))

    def step(net: nn.Module, optimizer: mg.optim.Optimizer) -> None:
        optimizer.zero_grad()
        (net(x) ** 2).mean().backward()
        optimizer.step()

    def contents(net: nn.Module) -> dict[str, bytes]:
        return {name: t.numpy().tobytes() for name, t in net.state_dict().items()}

    step(net, optimizer)
    other, its_optimizer = copied((net, optimizer))
    assert its_optimizer.parameters[0] is other.parameters()[0]
    kept = contents(other)
    assert kept == contents(net)
    step(net, optimizer)
    assert contents(other) == kept != contents(net)
    step(other, its_optimizer)
    assert contents(other) == contents(net)
    state = copied(net.state_dict())
    step(net, optimizer)
    net.load_state_dict(state)
    assert contents(net) == contents(other)


def test_a_state_in_a_file(tmp_path: Path) -> None:
    net, path = model(), tmp_path / "net.safetensors"
    net(mg.tensor(np.arange(12, dtype=np.float32).reshape(4, 3)))  # moves the running statistics
    mg.save(path, net.state_dict())
    state = mg.load(path)
    assert {n: t.numpy().tobytes() for n, t in state.items()} == {
        n: t.numpy().tobytes() for n, t in net.state_dict().items()
    }
    assert all(isinstance(t, Tensor) and not t.requires_grad for t in state.values())
    model().load_state_dict(mg.load(str(path), device="cpu"))
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]


def test_an_optimizer_s_state_in_a_file(tmp_path: Path) -> None:
    parameters = [mg.tensor(np.ones((2, 3)), requires_grad=True)]
    optimizer = mg.optim.Adam(parameters)
    parameters[0].grad = mg.tensor(np.full((2, 3), 0.5))
    optimizer.step()
    mg.save(tmp_path / "adam", optimizer.state_dict())
    other = mg.optim.Adam([mg.tensor(np.ones((2, 3)), requires_grad=True)])
    other.load_state_dict(mg.load(tmp_path / "adam"))
    ours, theirs = optimizer.state_dict(), other.state_dict()
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(theirs[name]))


@pytest.mark.parametrize(
    "values",
    [np.arange(6.0).reshape(2, 3).T, np.array(7), np.zeros((0, 3)), np.array([True, False])],
)
def test_arrays_of_every_layout_come_back(tmp_path: Path, values: Any) -> None:
    mg.save(tmp_path / "x", {"values": values, "number": 2.5})
    state = mg.load(tmp_path / "x")
    assert state["values"].dtype == values.dtype and state["number"].item() == 2.5
    np.testing.assert_array_equal(state["values"].numpy(), values)


def test_what_no_file_can_hold_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"before")
    for wrong, message in (
        ({"a": {"b": mg.ones((1,))}}, "'a' is a state itself"),
        ({"a": "text"}, "'a' is no tensor, array or number"),
        ({"a": np.array([1j])}, "'a' holds complex128"),
        ({"a": np.array(["x"])}, "'a' holds <U1"),
        ({1: np.ones(1)}, "a name is a text, not 1"),
    ):
        with pytest.raises(TypeError, match=message):
            mg.save(path, wrong)  # type: ignore[arg-type]
    assert path.read_bytes() == b"before"
    with pytest.raises(ValueError, match="no safetensors file"):
        mg.load(path)
    with pytest.raises(FileNotFoundError):
        mg.load(tmp_path / "none")
