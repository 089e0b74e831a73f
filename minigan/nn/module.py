"""Module: something with parameters, found, named, saved and frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from numpy.typing import ArrayLike

from minigan.from_pytorch import advice
from minigan.serialization import load_all
from minigan.tensor import Tensor


class LoadedState(NamedTuple):
    """The names that `Module.load_state_dict` left out; the fields have PyTorch's names.

    Attributes:
        missing_keys: names of the module that are not in the state.
        unexpected_keys: names in the state that the module lacks.
    """

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Something with parameters: its tensors that require gradients, and those of its modules.

    Modules and parameters are found in attributes, and in lists, tuples and dicts there. Other
    leaves that are attributes are buffers (running statistics): saved, not trained. A computed
    tensor is neither. A class of layers defines `forward`, which a call of the module runs.
    Example::

        class Residual(nn.Module):
            def __init__(self, features):
                self.inner = nn.Linear(features, features)

            def forward(self, x):
                return x + mg.relu(self.inner(x))

    Attributes:
        training: whether batch norms and dropout work as in training; see `train`.

    Raises:
        TypeError: an attribute that holds a parameter is set to what is none, and not None.
    """

    training: bool = True
    forward: Callable[..., Tensor]

    def __setattr__(self, name: str, value: Any) -> None:
        if _is_parameter(vars(self).get(name)) and not (value is None or _is_parameter(value)):
            raise TypeError(
                f"{name} is a parameter, so give it None or a leaf with requires_grad=True; "
                f"to change its values, write self.{name}.copy_(values)"
            )
        super().__setattr__(name, value)

    if not TYPE_CHECKING:  # a type checker knows no such attribute

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):  # a property: its own error
                return object.__getattribute__(self, name)
            raise AttributeError(f"{type(self).__name__} has no '{name}'{advice(name)}")

    def __call__(self, *arguments: Any, **settings: Any) -> Tensor:
        return self.forward(*arguments, **settings)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all beneath it with dotted names, each once, in the order they were set.

        Args:
            prefix: the name of this module.
        """
        yield from self._named_modules(prefix, set())

    def _named_modules(self, prefix: str, seen: set[int]) -> Iterator[tuple[str, Module]]:
        if id(self) in seen:  # shared, or a child that knows its parent
            return
        seen.add(id(self))
        yield prefix, self
        for name, child in self._children():
            yield from child._named_modules(_joined(prefix, name), seen)

    def _children(self) -> Iterator[tuple[str, Module]]:
        for name, value in _attributes(self):
            if isinstance(value, Module):
                yield name, value

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every parameter and buffer by its dotted name.

        Returns:
            An iterator of names and tensors, of the shapes that the layers give them.
        """
        for prefix, module in self.named_modules():
            for name, value in module._tensors():
                yield _joined(prefix, name), value

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        held = vars(self)
        for name, value in _attributes(self):
            # a tensor in a list is a parameter or data, a computed one is neither
            if isinstance(value, Tensor) and (name in held or value.is_parameter) and value.is_leaf:
                yield name, value

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors that training changes, each once; frozen ones are left out.

        Returns:
            An iterator of names and tensors, of the shapes that the layers give them.
        """
        seen: set[int] = set()
        for name, value in self.named_tensors():
            if value.requires_grad and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def parameters(self) -> list[Tensor]:
        """Return the tensors that training changes, in a fixed order.

        Returns:
            The tensors, of the shapes that the layers give them.
        """
        return [t for _, t in self.named_parameters()]

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze all parameters with False, and thaw them with True; buffers stay buffers.

        Returns:
            The module itself.
        """

        def freeze(module: Module) -> None:
            for _, value in module._tensors():
                if value.is_parameter:
                    value.requires_grad_(requires_grad)

        self._change_modules(freeze, set())
        return self

    def state_dict(self) -> dict[str, Tensor]:
        """Return every parameter and buffer by name: the tensors themselves, not copies.

        Returns:
            The tensors by name, of the shapes that the layers give them.

        Raises:
            ValueError: two of them have one name, such as those of the keys 1 and "1" of a dict.
        """
        named = list(self.named_tensors())
        if len(dict(named)) < len(named):
            raise ValueError("state_dict: two tensors have one name; rename what holds them")
        return dict(named)

    def load_state_dict(
        self, state: Mapping[str, Tensor | ArrayLike], strict: bool = True
    ) -> LoadedState:
        """Overwrite every parameter and buffer, or nothing where the state does not fit.

        Args:
            state: values by name, of the shapes that `state_dict` has.
            strict: whether a name that is missing or unknown is an error; if not, it is left out.

        Returns:
            The names that were left out.

        Raises:
            ValueError: a shape differs; or, if strict, a name.
        """
        own = self.state_dict()
        left_out = LoadedState(sorted(set(own) - set(state)), sorted(set(state) - set(own)))
        if strict and any(left_out):
            missing, unknown = left_out
            raise ValueError(
                f"load_state_dict: missing {missing or 'none'}, unknown {unknown or 'none'}"
            )
        load_all({name: t for name, t in own.items() if name in state}, state)
        return left_out

    def train(self, mode: bool = True) -> Self:
        """Let batch norms use the batch's own statistics, and dropout drop.

        Args:
            mode: False lets batch norms use the running statistics, and dropout do nothing.

        Returns:
            The module itself.

        Raises:
            TypeError: `mode` is neither True nor False.
        """
        if not isinstance(mode, bool):
            raise TypeError(f"train: mode is True or False, not {mode!r}")
        self._change_modules(lambda module: setattr(module, "training", mode), set())
        return self

    def _change_modules(self, change: Callable[[Module], None], seen: set[int]) -> None:
        """Change this module and those beneath it, each once."""
        if id(self) not in seen:
            seen.add(id(self))
            change(self)
            for _, child in self._children():
                child._change_modules(change, seen)

    def eval(self) -> Self:
        """Let batch norms use their running statistics, and dropout do nothing.

        Returns:
            The module itself.
        """
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for _, value in self.named_tensors():  # a frozen parameter may have one too
            value.grad = None

    def __repr__(self) -> str:
        """Return the layers with shapes and settings, and the number of parameters."""
        sizes = {id(t): t.size for _, t in self.named_tensors() if t.is_parameter}
        total = sum(sizes.values())
        return f"{self._described(set())}\n{total:,} parameter{'s' * (total != 1)}"

    def _described(self, seen: set[int]) -> str:
        kind = type(self).__name__
        if id(self) in seen:
            return f"{kind}(…)"  # is above already
        seen.add(id(self))
        shapes = [f"{name}={t.shape}" for name, t in self._tensors()]
        settings = [
            f"{name}={value!r}"
            for name, value in vars(self).items()
            if name != "training" and isinstance(value, (bool, int, float, str, tuple))
            if not name.startswith("_") and not _holds_modules(value)
        ]
        own = ", ".join([*shapes, *settings])
        children = [f"({name}): {child._described(seen)}" for name, child in self._children()]
        if not children:
            return f"{kind}({own})"
        lines = "\n".join([*([own] if own else []), *children]).replace("\n", "\n  ")
        return f"{kind}(\n  {lines}\n)"


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _is_parameter(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_parameter


def _attributes(module: Module) -> Iterator[tuple[str, Any]]:
    """Yield a module's attributes by name, and what lists, tuples and dicts among them hold, by dotted name."""
    for name, value in vars(module).items():
        yield from _contents(name, value, ())


def _contents(name: str, value: Any, within: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, (list, tuple, dict)):
        yield name, value
    elif id(value) not in within:  # else a list that holds itself
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _contents(f"{name}.{key}", part, (*within, id(value)))


def _holds_modules(value: Any) -> bool:
    return any(isinstance(part, (Module, Tensor)) for _, part in _contents("", value, ()))
