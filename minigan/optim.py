"""Optimizers: they change parameters in place, by the gradients that `backward` left on them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minigan.devices.contract.optimizer import AdamSettings
from minigan.saving import Array
from minigan.tensor import Tensor, load_all


class Optimizer:
    """Parameters, and a memory of each from step to step.

    Counts of steps lie on the parameters' device, where a captured step goes on counting. Parameters that had a gradient
    in the same steps share a counter.

    Args:
        parameters: the tensors that it changes.

    Raises:
        TypeError: parameters are one tensor, not a list.
        ValueError: there is none, or one is no contiguous, writable leaf with requires_grad=True.
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
        self._counter = self._new_counter(0)
        # Each counter, and the parameters that it counts for: `_counter` for those that never lacked a gradient.
        self._counts: list[tuple[Tensor, list[int]]] = [
            (self._counter, list(range(len(self.parameters))))
        ]

    def _new_counter(self, count: int) -> Tensor:
        device = self.parameters[0].device
        return Tensor(device.copy(device.asarray(np.array([count], np.int64))), device)

    @property
    def step_count(self) -> int:
        """Return the number of steps taken, read from the device."""
        return int(self._counter.item())

    def zero_grad(self) -> None:
        """Forget the gradients: the next backward pass starts from nothing."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Change the parameters that have a gradient.

        Raises:
            ValueError: a gradient has another shape than its parameter.
        """
        for i, p in enumerate(self.parameters):
            if p.grad is not None and p.grad.shape != p.shape:  # a kernel would read past its end
                raise ValueError(f"parameter {i} is {p.shape}, and its gradient {p.grad.shape}")
        chosen = [i for i, p in enumerate(self.parameters) if p.grad is not None]
        self._count(set(chosen))
        self._update(chosen)
        for i in chosen:
            self.parameters[i].mark_changed()

    def _count(self, chosen: set[int]) -> None:
        """Count this step for the chosen parameters; those left behind keep the count that they have."""
        counts = []
        for counter, members in self._counts:
            ahead = [i for i in members if i in chosen]
            behind = [i for i in members if i not in chosen]
            if not ahead and counter is not self._counter:
                counts.append((counter, behind))
                continue
            if behind:
                kept = Tensor(counter.device.copy(counter.data), counter.device)
                counts.append((kept, behind))
            counter.device.increment(counter.data)
            counter.mark_changed()
            counts.append((counter, ahead))
        self._counts = counts

    def _update(self, chosen: list[int]) -> None:
        raise NotImplementedError  # each optimizer's rule

    def _memories(self) -> dict[str, list[Tensor]]:
        """Return the rule's memories, a tensor for each parameter."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return the counts and the memories: the tensors themselves, not copies.

        ``step_count`` is the number of steps, and "step_count.index" those of a parameter that lacked a gradient in
        some; "name.index" is a memory.
        """
        total = self.step_count
        state: dict[str, Any] = {"step_count": total}
        for counter, members in self._counts:
            count = int(counter.item()) if members else total
            if count != total:
                state.update({f"step_count.{i}": count for i in members})
        return {**state, **self._named_memories()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Overwrite everything that is remembered.

        Raises:
            ValueError: the state is not that of an optimizer of such parameters.
        """
        memories = self._named_memories()
        names = {"step_count", *memories}
        counts = {f"step_count.{i}": i for i in range(len(self.parameters))}
        if not names <= set(state) <= names | set(counts):
            raise ValueError(
                "load_state_dict: this state is not of an optimizer of the same parameters"
            )
        total = int(state["step_count"])
        each = [int(state.get(name, total)) for name in counts]
        load_all(memories, state)
        self._set_counts(total, each)

    def _named_memories(self) -> dict[str, Tensor]:
        memories = self._memories().items()
        return {f"{name}.{i}": t for name, memory in memories for i, t in enumerate(memory)}

    def _set_counts(self, step_count: int, counts: list[int]) -> None:
        self._counter.copy_(np.array([step_count]))
        members: dict[int, list[int]] = {step_count: []}
        for i, count in enumerate(counts):
            members.setdefault(count, []).append(i)
        self._counts = [(self._counter, members.pop(step_count))]
        self._counts += [(self._new_counter(count), found) for count, found in members.items()]


def _checked(name: str, value: float, end: float = math.inf) -> float:
    """Return `value` where it lies in [0, end); NaN lies nowhere."""
    if not 0 <= value < end:
        limit = "at least 0 and finite" if end == math.inf else f"in [0, {end:g})"
        raise ValueError(f"{name} is {limit}, not {value}")
    return value


class _Setting:
    """A number in [0, ∞) that is checked whenever it is set."""

    def __init__(self, meaning: str) -> None:
        self.__doc__ = meaning

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> float:
        if instance is None:
            return self  # type: ignore[return-value]
        value: float = vars(instance)[f"_{self.name}"]
        return value

    def __set__(self, instance: Any, value: float) -> None:
        vars(instance)[f"_{self.name}"] = _checked(self.name, value)


def _zeros_like(parameters: list[Tensor]) -> list[Tensor]:
    return [Tensor(p.device.zeros(p.shape, p.dtype), p.device) for p in parameters]


class SGD(Optimizer):
    """v ← momentum·v + g, p ← p − α·v, where g has weight_decay·p added; with `nesterov` p moves by g + momentum·v.

    `parameters` are the tensors p that it changes, and `lr` is α.

    Raises:
        ValueError: `nesterov` is set, and the momentum is 0.

    Reference: Sutskever et al. (2013), "On the importance of initialization and momentum in deep learning".
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-2,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(parameters)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        if nesterov and not momentum:
            raise ValueError("Nesterov's rule needs a momentum over 0")
        self.nesterov = nesterov
        self._velocity = _zeros_like(self.parameters) if momentum else []

    lr = _Setting("The learning rate α, which may be set at any time.")
    momentum = _Setting(
        "The share of the velocity that a step keeps, which may be set at any time."
    )
    weight_decay = _Setting(
        "The share of p that is added to its gradient, which may be set at any time."
    )

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
        return parameter.grad.data
    gradient = parameter.device.copy(parameter.grad.data)
    parameter.device.accumulate(gradient, parameter.data, scale=weight_decay)
    return gradient


class Adam(Optimizer):
    """Kingma & Ba (2015), algorithm 1, all parameters (up to 64 at a time) in one kernel.

    m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − α·(m/(1−β₁ᵗ))/(√(v/(1−β₂ᵗ)) + ε), where t counts the
    steps in which p had a gradient g, and g has weight_decay·p added. `parameters` are the tensors p, `lr` is α, `betas` are
    (β₁, β₂), and `eps` is ε.
    """

    weight_decay = _Setting(
        "The share of p that is added to its gradient, which may be set at any time."
    )

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters)
        self.settings = AdamSettings(0.0, 0.0, 0.0, 0.0)
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
        self._first_moment = _zeros_like(self.parameters)
        self._second_moment = _zeros_like(self.parameters)

    @property
    def lr(self) -> float:
        """Return the learning rate α, which may be set at any time."""
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
    """Adam that shrinks each p by α·weight_decay·p beside the step, and leaves the gradient as it is.

    The arguments are Adam's: `parameters`, `lr` (α), `betas` and `eps`.

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
        return parameter.grad.data
