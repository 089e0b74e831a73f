"""Gradients and memories that do not fit their parameter: a kernel would write past the end of the shorter one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigan as mg
from minigan.optim import SGD, Adam, AdamW, Optimizer
from minigan.tensor import Tensor

MAKE: dict[str, Callable[[Tensor], Optimizer]] = {
    "SGD": lambda p: SGD([p], 0.1),
    "momentum": lambda p: SGD([p], 0.1, 0.9),
    "Adam": lambda p: Adam([p], 0.1),
    "AdamW": lambda p: AdamW([p], 0.1),
}
OTHERS: dict[str, np.ndarray] = {
    "longer": np.ones(1000, np.float32),
    "shorter": np.ones(1, np.float32),
    "another dtype": np.ones(2),
}


def parameter(device: str = "cpu") -> Tensor:
    return mg.tensor([1.0, 2.0], requires_grad=True, device=device)


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", MAKE)
def test_a_gradient_that_does_not_fit(name: str, other: str) -> None:
    p = parameter()
    optimizer = MAKE[name](p)
    p.grad = mg.tensor(OTHERS[other])
    with pytest.raises(ValueError, match=r"parameter 0 is float32 of shape \(2,\).*its gradient"):
        optimizer.step()
    assert p.tolist() == [1.0, 2.0] and optimizer.step_count == 0


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("name", ["momentum", "Adam", "AdamW"])
def test_a_parameter_with_other_memory_than_at_first(name: str, other: str) -> None:
    p = parameter()
    optimizer = MAKE[name](p)
    p.data = OTHERS[other].copy()
    p.grad = mg.ones(p.shape, dtype=p.dtype)
    with pytest.raises(
        ValueError, match=r"parameter 0 is .*its (first_moment|velocity) is float32"
    ):
        optimizer.step()
    np.testing.assert_array_equal(p.data, OTHERS[other])


@pytest.mark.emulated
def test_a_gradient_on_another_device() -> None:
    p = parameter("emulated")
    p.grad = mg.ones(2)
    with pytest.raises(ValueError, match=r"on 'emulated', and its gradient is .* on 'cpu'"):
        Adam([p]).step()


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("device", ["cpu", pytest.param("emulated", marks=pytest.mark.emulated)])
@pytest.mark.parametrize("use", [lambda p: p * 2, lambda p: p[:1]], ids=["whole", "part"])
def test_backward_adds_to_no_gradient_that_does_not_fit(use: Any, device: str, other: str) -> None:
    p = parameter(device)
    p.grad = mg.tensor(OTHERS[other], device=device)
    with pytest.raises(
        ValueError, match=r"^backward: a tensor is float32 of shape \(2,\) .* its grad is"
    ):
        use(p).sum().backward()
    np.testing.assert_array_equal(p.grad.numpy(), OTHERS[other])
