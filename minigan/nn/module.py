"""Module: something with parameters, and what is asked of all modules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from numpy.typing import ArrayLike

from minigan.tensor import Tensor, load_all


class Module:
    """Something with parameters: its tensors that require gradients, and those of its modules.

    Other leaves held as attributes are buffers (running statistics): saved, not trained.
    """

    training: bool = True
    forward: Callable[..., Tensor]

    def __call__(self, *arguments: Any, **settings: Any) -> Tensor:
        return self.forward(*arguments, **settings)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all beneath it, with dotted names, in the order they were set."""
        yield prefix, self
        for name, child in self._children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def _children(self) -> Iterator[tuple[str, Module]]:
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every parameter and buffer by its dotted name."""
        for prefix, module in self.named_modules():
            for name, value in module._tensors():
                yield (f"{prefix}.{name}" if prefix else name), value

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        for name, value in vars(self).items():
            if isinstance(value, Tensor) and value.is_leaf:  # a computed one is no parameter
                yield name, value

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The tensors that training changes."""
        return ((name, t) for name, t in self.named_tensors() if t.requires_grad)

    def parameters(self) -> list[Tensor]:
        """The tensors that training changes, in a fixed order."""
        return [t for _, t in self.named_parameters()]

    def state_dict(self) -> dict[str, Tensor]:
        """Every parameter and buffer by name: the tensors themselves, not copies."""
        return dict(self.named_tensors())

    def load_state_dict(self, state: Mapping[str, Tensor | ArrayLike]) -> None:
        """Overwrite every parameter and buffer; names and shapes must be the module's own."""
        own = self.state_dict()
        if set(own) != set(state):
            missing = sorted(set(own) - set(state))
            unknown = sorted(set(state) - set(own))
            raise ValueError(
                f"load_state_dict: missing {missing or 'none'}, unknown {unknown or 'none'}"
            )
        load_all(own, state)

    def train(self, mode: bool = True) -> Module:
        """Batch norms use the batch's own statistics (or, with False, the running ones)."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """Batch norms use their running statistics."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None
