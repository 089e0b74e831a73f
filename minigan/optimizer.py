"""The base of all optimizers: parameters, counted steps, and a state that is saved."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from minigan.creation import zeros_like
from minigan.graph import check_alike
from minigan.serialization import load_all
from minigan.tensor import Tensor, common_device, tensor

_PARAMETERS_ARE: dict[str, Callable[[Tensor], bool]] = {
    "have requires_grad=True": lambda p: p.requires_grad,
    "are leaves: a computed tensor is none": lambda p: p.is_leaf,
    "are contiguous: kernels write them": lambda p: p.data.flags.c_contiguous,
    "share no memory that may only be read": lambda p: getattr(p.data.flags, "writeable", True),
}


class Optimizer:
    """Parameters, and a memory of each from step to step.

    Counts of steps lie on the parameters' device, where a captured step goes on counting.
    Parameters that had a gradient in the same steps share a counter.

    Args:
        parameters: the tensors that it changes, of any shapes.

    Raises:
        TypeError: the parameters are no list of tensors.
        ValueError: there is none, one is no contiguous, writable leaf with requires_grad=True, or
            they are on different devices.
    """

    _checks: Mapping[str, Callable[[Any], Any]] = {}  # of attributes, whenever they are set

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        # iterating over a tensor would give its rows
        given = [] if isinstance(parameters, Tensor) else list(parameters)
        if isinstance(parameters, Tensor) or not all(isinstance(p, Tensor) for p in given):
            raise TypeError("an optimizer takes a list of tensors: [tensor], or model.parameters()")
        self.parameters = list(dict.fromkeys(given))  # a shared one is changed once a step
        if not self.parameters:
            raise ValueError("an optimizer needs at least one parameter")
        for needed, is_met in _PARAMETERS_ARE.items():
            if not all(is_met(p) for p in self.parameters):
                raise ValueError(f"an optimizer's parameters {needed}")
        common_device("an optimizer", self.parameters)
        self._memories: dict[str, list[Tensor]] = {}  # by name, a tensor for each parameter
        self._counter = self._new_counter(0)
        # Each counter, and the parameters that it counts for: `_counter` for those that never lacked a gradient.
        self._counts = [(self._counter, list(range(len(self.parameters))))]

    def __setattr__(self, name: str, value: Any) -> None:
        check = self._checks.get(name)
        super().__setattr__(name, check(value) if check else value)

    def _new_counter(self, count: int) -> Tensor:
        return tensor(np.array([count], np.int64), device=self.parameters[0].device)

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
            TypeError: a gradient is no tensor.
            ValueError: a gradient has another shape, dtype or device than its parameter, or there
                are other parameters than at first.
        """
        if len(self.parameters) != sum(len(members) for _, members in self._counts):
            raise ValueError("parameters came or went; make a new optimizer of all of them")
        beside: dict[str, Any] = {**self._memories, "gradient": [p.grad for p in self.parameters]}
        for name, tensors in beside.items():
            for i, t in enumerate(tensors):
                check_alike(f"step: parameter {i}", self.parameters[i], name, t)
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
            goes_on = bool(ahead) or counter is self._counter
            if behind:
                counts.append((copy.deepcopy(counter) if goes_on else counter, behind))
            if goes_on:
                counter.device.increment(counter.data)
                counter.mark_changed()
                counts.append((counter, ahead))
        self._counts = counts

    def _update(self, chosen: list[int]) -> None:
        raise NotImplementedError  # each optimizer's rule

    def _remember(self, *names: str) -> None:
        """Give each parameter a memory of each name, 0 at first."""
        self._memories |= {name: [zeros_like(p) for p in self.parameters] for name in names}

    def state_dict(self) -> dict[str, Any]:
        """Return the counts and the memories by name: the tensors themselves, not copies.

        Returns:
            "step_count", the number of steps; "step_count.index", those of a parameter that lacked
            a gradient in some; and "name.index", a memory, of its parameter's shape.
        """
        total = self.step_count
        state: dict[str, Any] = {"step_count": total}
        for counter, members in self._counts:
            if (count := int(counter.item())) != total:
                state.update({f"step_count.{i}": count for i in members})
        return {**state, **self._named_memories()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Overwrite everything that is remembered.

        Args:
            state: the counts and the memories, of the shapes that `state_dict` has.

        Raises:
            ValueError: the state is not that of an optimizer of such parameters.
        """
        memories = self._named_memories()
        names = {"step_count", *memories}
        counts = [f"step_count.{i}" for i in range(len(self.parameters))]
        if not names <= set(state) <= names | set(counts):
            raise ValueError(
                "load_state_dict: this state is not of an optimizer of the same parameters"
            )
        total = int(state["step_count"])
        members: dict[int, list[int]] = {total: []}  # by the steps that they had
        for i, name in enumerate(counts):
            members.setdefault(int(state.get(name, total)), []).append(i)
        load_all(memories, state)
        self._counter.copy_(total)
        self._counts = [(self._counter, members.pop(total))]
        self._counts += [(self._new_counter(count), found) for count, found in members.items()]

    def _named_memories(self) -> dict[str, Tensor]:
        memories = self._memories.items()
        return {f"{name}.{i}": t for name, memory in memories for i, t in enumerate(memory)}
