"""Optimizers: they change parameters in place, by the gradients that `backward` left on them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minigan.devices.contract.optimizer import AdamSettings
from minigan.tensor import Tensor, load_all


class Optimizer:
    """Parameters, and what is remembered about each from step to step.

    The count of steps lies on the parameters' device, where a captured step goes on counting.
    """

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        if isinstance(parameters, Tensor):  # iterating over it would give its rows
            raise TypeError(
                "an optimizer takes a list of parameters, not one tensor: write [tensor]"
            )
        self.parameters = list(dict.fromkeys(parameters))  # a shared one is changed once a step
        if not self.parameters:
            raise ValueError("an optimizer needs at least one parameter")
        if any(not p.requires_grad for p in self.parameters):
            raise ValueError("an optimizer's parameters have requires_grad=True")
        if any(not p.is_leaf for p in self.parameters):
            raise ValueError("an optimizer's parameters are leaves: a computed tensor is none")
        if any(not p.data.flags.c_contiguous for p in self.parameters):
            raise ValueError(
                "an optimizer's parameters are contiguous: kernels change them in place"
            )
        if any(not getattr(p.data.flags, "writeable", True) for p in self.parameters):
            raise ValueError("an optimizer's parameters share no memory that may only be read")
        device = self.parameters[0].device
        self._counter = Tensor(device.copy(device.asarray(np.zeros(1, np.int64))), device)

    @property
    def step_count(self) -> int:
        """How many steps were taken, read from the device."""
        return int(self._counter.item())

    def zero_grad(self) -> None:
        """Forget the gradients: the next backward pass starts from nothing."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Change the parameters that have a gradient."""
        for i, p in enumerate(self.parameters):
            if p.grad is not None and p.grad.shape != p.shape:  # a kernel would read past its end
                raise ValueError(f"parameter {i} is {p.shape}, and its gradient {p.grad.shape}")
        self._counter.device.increment(self._counter.data)
        chosen = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        self._update(chosen)
        for i in chosen:
            self.parameters[i].mark_changed()

    def _update(self, chosen: list[int]) -> None:
        raise NotImplementedError  # each optimizer's rule

    def _memories(self) -> dict[str, list[Tensor]]:
        """What the rule remembers, a tensor for each parameter."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """``step_count``, and each memory as "name.index": the tensors themselves, not copies."""
        state: dict[str, Any] = {"step_count": self.step_count}
        for name, memory in self._memories().items():
            state.update({f"{name}.{i}": t for i, t in enumerate(memory)})
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Overwrite everything that is remembered."""
        own = self.state_dict()
        if set(own) != set(state):
            raise ValueError(
                "load_state_dict: this state is not of an optimizer of the same parameters"
            )
        step_count = int(state["step_count"])
        load_all({name: t for name, t in own.items() if isinstance(t, Tensor)}, state)
        self._counter.copy_(np.array([step_count]))


def _checked(name: str, value: float, end: float = math.inf) -> float:
    """Return `value` where it lies in [0, end); NaN lies nowhere."""
    if not 0 <= value < end:
        limit = "at least 0 and finite" if end == math.inf else f"in [0, {end:g})"
        raise ValueError(f"{name} is {limit}, not {value}")
    return value


def _zeros_like(parameters: list[Tensor]) -> list[Tensor]:
    return [Tensor(p.device.zeros(p.shape, p.dtype), p.device) for p in parameters]


class SGD(Optimizer):
    """v ← momentum·v + g, p ← p − α·v."""

    def __init__(
        self, parameters: Iterable[Tensor], lr: float = 1e-2, momentum: float = 0.0
    ) -> None:
        super().__init__(parameters)
        self.lr, self.momentum = lr, momentum
        self._velocity = _zeros_like(self.parameters) if momentum else []

    @property
    def lr(self) -> float:
        """The learning rate α, which may be set at any time."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = _checked("lr", value)

    @property
    def momentum(self) -> float:
        """The share of the velocity that a step keeps, which may be set at any time."""
        return self._momentum

    @momentum.setter
    def momentum(self, value: float) -> None:
        self._momentum = _checked("momentum", value)

    def _memories(self) -> dict[str, list[Tensor]]:
        return {"velocity": self._velocity}

    def _update(self, chosen: list[int]) -> None:
        for i in chosen:
            parameter, direction = self.parameters[i], self.parameters[i].grad
            assert direction is not None
            device = parameter.device
            if self.momentum:
                if not self._velocity:  # momentum was set after the optimizer was made
                    self._velocity = _zeros_like(self.parameters)
                device.accumulate(self._velocity[i].data, direction.data, decay=self.momentum)
                direction = self._velocity[i]
            device.accumulate(parameter.data, direction.data, scale=-self.lr)


class Adam(Optimizer):
    """Kingma & Ba (2015), algorithm 1, all parameters (up to 64 at a time) in one kernel.

    m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − α·(m/(1−β₁ᵗ))/(√(v/(1−β₂ᵗ)) + ε).
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(parameters)
        self.settings = AdamSettings(0.0, 0.0, 0.0, 0.0)
        self.lr, self.betas, self.eps = lr, betas, eps
        self._first_moment = _zeros_like(self.parameters)
        self._second_moment = _zeros_like(self.parameters)

    @property
    def lr(self) -> float:
        """The learning rate α, which may be set at any time."""
        return self.settings.learning_rate

    @lr.setter
    def lr(self, value: float) -> None:
        self._set(learning_rate=_checked("lr", value))

    @property
    def betas(self) -> tuple[float, float]:
        """β₁ and β₂, which may be set at any time."""
        return self.settings.beta1, self.settings.beta2

    @betas.setter
    def betas(self, value: tuple[float, float]) -> None:
        beta1, beta2 = value
        self._set(beta1=_checked("β₁", beta1, 1), beta2=_checked("β₂", beta2, 1))

    @property
    def eps(self) -> float:
        """ε, which keeps the quotient finite; it may be set at any time."""
        return self.settings.epsilon

    @eps.setter
    def eps(self, value: float) -> None:
        self._set(epsilon=_checked("eps", value))

    def _set(self, **changes: float) -> None:
        self.settings = dataclasses.replace(self.settings, **changes)

    def _memories(self) -> dict[str, list[Tensor]]:
        return {"first_moment": self._first_moment, "second_moment": self._second_moment}

    def _update(self, chosen: list[int]) -> None:
        if not chosen:
            return
        parameters = [self.parameters[i] for i in chosen]
        parameters[0].device.adam(
            [p.data for p in parameters],
            [p.grad.data for p in parameters if p.grad is not None],
            [self._first_moment[i].data for i in chosen],
            [self._second_moment[i].data for i in chosen],
            self._counter.data,
            self.settings,
        )
