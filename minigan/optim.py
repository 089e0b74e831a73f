"""Optimizers: they change parameters in place, by the gradients that `backward` left on them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from minigan.devices.contract.optimizer import AdamSettings
from minigan.ops.shared import check_range
from minigan.optimizer import Optimizer
from minigan.saving import Array
from minigan.tensor import Tensor

__all__ = ["SGD", "Adam", "AdamW", "Optimizer"]


class _Setting:
    """A number in [0, ∞) that is checked whenever it is set."""

    def __init__(self, meaning: str) -> None:
        self.__doc__ = meaning

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> float:
        if instance is None:
            return self  # type: ignore[return-value]
        return float(vars(instance)[f"_{self.name}"])

    def __set__(self, instance: Any, value: float) -> None:
        vars(instance)[f"_{self.name}"] = check_range(self.name, value)


def _zeros_like(parameters: list[Tensor]) -> list[Tensor]:
    return [Tensor(p.device.zeros(p.shape, p.dtype), p.device) for p in parameters]


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
        self._velocity = _zeros_like(self.parameters) if momentum else []

    lr = _Setting("The learning rate α.")
    momentum = _Setting("The share of the velocity that a step keeps.")
    weight_decay = _Setting("The share of p that is added to its gradient.")

    def _memories(self) -> dict[str, list[Tensor]]:
        return {"velocity": self._velocity}

    def _update(self, chosen: list[int]) -> None:
        for i in chosen:
            parameter = self.parameters[i]
            device = parameter.device
            direction = _with_decay(parameter, self.weight_decay)
            if self.momentum:
                if not self._velocity:  # momentum was set after the optimizer was made
                    self._velocity = _zeros_like(self.parameters)
                velocity = self._velocity[i].data
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

    lr = _Setting("The learning rate α.")
    eps = _Setting("ε, which keeps the quotient finite.")
    weight_decay = _Setting("The share of p that is added to its gradient.")

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
        self._first_moment = _zeros_like(self.parameters)
        self._second_moment = _zeros_like(self.parameters)

    @property
    def betas(self) -> tuple[float, float]:
        """Return β₁ and β₂, which may be set at any time."""
        return self._betas

    @betas.setter
    def betas(self, value: tuple[float, float]) -> None:
        if len(value) != 2:
            raise ValueError(f"betas are two numbers, β₁ and β₂; not {value}")
        self._betas = check_range("β₁", value[0], below=1), check_range("β₂", value[1], below=1)

    @property
    def settings(self) -> AdamSettings:
        """Return the numbers of the next step, as the kernel takes them."""
        return AdamSettings(self.lr, *self.betas, self.eps)

    def _memories(self) -> dict[str, list[Tensor]]:
        return {"first_moment": self._first_moment, "second_moment": self._second_moment}

    def _update(self, chosen: list[int]) -> None:
        gradients = {i: self._gradient(self.parameters[i]) for i in chosen}
        for counter, members in self._counts:
            together = [i for i in members if i in gradients]
            if together:
                counter.device.adam(
                    [self.parameters[i].data for i in together],
                    [gradients[i] for i in together],
                    [self._first_moment[i].data for i in together],
                    [self._second_moment[i].data for i in together],
                    counter.data,
                    self.settings,
                )

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
