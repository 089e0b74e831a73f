"""Optimizers: they change parameters in place, by the gradients that `backward` left on them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minigan.devices.contract.optimizer import AdamSettings
from minigan.ops.shared import check_range
from minigan.optimizer import Optimizer
from minigan.saving import Array
from minigan.tensor import Tensor

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]


def _numbers(*names: str) -> dict[str, Callable[[Any], Any]]:
    """Return the checks of numbers in [0, ∞), by their names."""
    return {name: functools.partial(check_range, name) for name in names}


class SGD(Optimizer):
    """v ← momentum·v + g, p ← p − α·v: stochastic gradient descent with momentum.

    g has weight_decay·p added; with `nesterov` p moves by g + momentum·v. Every number may be set
    again at any time.

    Args:
        parameters: the tensors p that it changes, of any shapes.
        lr: the learning rate α, at least 0.
        momentum: the share of the velocity v that a step keeps, at least 0.
        weight_decay: the share of p that is added to its gradient, at least 0.
        nesterov: whether p moves by the velocity of the next step.

    Raises:
        ValueError: a number is negative or not finite, or `nesterov` is set with the momentum 0.
            Also for parameters that `Optimizer` refuses.

    Reference: Sutskever et al. (2013), "On the importance of initialization and momentum in deep
    learning".
    """

    _checks = _numbers("lr", "momentum", "weight_decay")

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-2,
        momentum: float = 0.0,
        *,  # PyTorch has the dampening here
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        if nesterov and not momentum:
            raise ValueError("Nesterov's rule needs a momentum over 0")
        self.nesterov = nesterov
        if momentum:
            self._remember("velocity")

    def _update(self, chosen: list[int]) -> None:
        for i in chosen:
            parameter = self.parameters[i]
            device = parameter.device
            direction = _with_decay(parameter, self.weight_decay)
            if self.momentum:
                if (
                    "velocity" not in self._memories
                ):  # momentum was set after the optimizer was made
                    self._remember("velocity")
                velocity = self._memories["velocity"][i].data
                device.accumulate(velocity, direction, decay=self.momentum)
                if self.nesterov:
                    direction = device.copy(direction)
                    device.accumulate(direction, velocity, scale=self.momentum)
                else:
                    direction = velocity
            device.accumulate(parameter.data, direction, scale=-self.lr)


def _with_decay(parameter: Tensor, weight_decay: float) -> Array:
    """Return the gradient, or a copy with weight_decay·p added."""
    assert parameter.grad is not None
    if not weight_decay:
        return parameter.device.contiguous(parameter.grad.data)
    gradient = parameter.device.copy(parameter.grad.data)
    parameter.device.accumulate(gradient, parameter.data, scale=weight_decay)
    return gradient


def _checked_betas(value: tuple[float, float]) -> tuple[float, float]:
    if np.shape(value) != (2,):
        raise ValueError(f"betas are two numbers, β₁ and β₂; not {value}")
    return check_range("β₁", value[0], below=1), check_range("β₂", value[1], below=1)


class Adam(Optimizer):
    """m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − α·(m/(1−β₁ᵗ))/(√(v/(1−β₂ᵗ)) + ε).

    t counts the steps in which p had a gradient g, and g has weight_decay·p added. All parameters
    (up to 64 at a time) are changed in one kernel. Every number may be set again at any time.

    Args:
        parameters: the tensors p that it changes, of any shapes.
        lr: the learning rate α, at least 0.
        betas: (β₁, β₂), in [0, 1) each.
        eps: ε, at least 0.
        weight_decay: the share of p that is added to its gradient, at least 0.

    Raises:
        ValueError: a number is out of range. Also for parameters that `Optimizer` refuses.

    Reference: Kingma & Ba (2015), "Adam: a method for stochastic optimization", algorithm 1.
    """

    _checks = _numbers("lr", "eps", "weight_decay") | {"betas": _checked_betas}

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters)
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self._remember("first_moment", "second_moment")

    @property
    def settings(self) -> AdamSettings:
        """Return the numbers of the next step, as the kernel takes them."""
        return AdamSettings(self.lr, *self.betas, self.eps)

    def _update(self, chosen: list[int]) -> None:
        gradients = {i: self._gradient(self.parameters[i]) for i in chosen}
        for counter, members in self._counts:
            together = [i for i in members if i in gradients]
            if together:
                memories = self._memories["first_moment"], self._memories["second_moment"]
                p, m, v = ([t[i].data for i in together] for t in (self.parameters, *memories))
                g = [gradients[i] for i in together]
                counter.device.adam(p, g, m, v, counter.data, self.settings)

    def _gradient(self, parameter: Tensor) -> Array:
        return _with_decay(parameter, self.weight_decay)


class AdamW(Adam):
    """`Adam` that shrinks each p by α·weight_decay·p beside the step.

    The gradient stays as it is.

    Args:
        parameters: the tensors p that it changes, of any shapes.
        lr: the learning rate α, at least 0.
        betas: (β₁, β₂), in [0, 1) each.
        eps: ε, at least 0.
        weight_decay: the share of p that a step of α = 1 takes away, at least 0.

    Raises:
        ValueError: a number is out of range. Also for parameters that `Optimizer` refuses.

    Reference: Loshchilov & Hutter (2019), "Decoupled weight decay regularization".
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def _gradient(self, parameter: Tensor) -> Array:
        assert parameter.grad is not None
        if self.weight_decay:
            before = parameter.device.copy(parameter.data)
            parameter.device.accumulate(parameter.data, before, scale=-self.lr * self.weight_decay)
        return parameter.device.contiguous(parameter.grad.data)
