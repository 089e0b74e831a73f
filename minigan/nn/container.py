"""Modules that hold modules."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self, overload

from minigan.nn.module import Module
from minigan.nn.normalization import BatchNorm, batch_groups
from minigan.nn.products import Conv2d, ConvTranspose2d, Linear
from minigan.tensor import Tensor


class _Modules(Module):
    """Modules in order, with a list's ways to read them; they are named by their positions."""

    modules: Sequence[Module]

    def _children(self) -> Iterator[tuple[str, Module]]:
        own = [(n, child) for n, child in super()._children() if not n.startswith("modules.")]
        return iter([*((str(i), module) for i, module in enumerate(self.modules)), *own])

    def __len__(self) -> int:
        return len(self.modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.modules)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Module | Self:
        if isinstance(index, slice):
            part = copy.copy(self)
            part.modules = self.modules[index]
            return part
        return self.modules[index]


class Sequential(_Modules):
    """Modules one after another.

    A linear layer or convolution that stands before a batch norm finds the statistics for it.

    Args:
        modules: the modules in order; each takes the result of the one before.

    Raises:
        TypeError: a part is no module.
    """

    def __init__(self, *modules: Module) -> None:
        """Raise TypeError for a part that is no module."""
        self.modules: tuple[Module, ...] = tuple(_checked("Sequential", modules))

    def forward(self, x: Tensor, groups: Sequence[str] | None = None) -> Tensor:
        """Return the result of the last module.

        Args:
            x: a shape that the first module takes.
            groups: the groups of the batch norms, as for `batch_groups`.

        Returns:
            A tensor of the shape that the last module gives.
        """
        if groups is not None:
            with batch_groups(*groups):
                return self.forward(x)
        statistics = None
        for module, after in zip(self.modules, (*self.modules[1:], None), strict=False):
            if isinstance(module, BatchNorm) and statistics is not None:
                x, statistics = module(x, statistics=statistics), None
            elif type(module) in _PRODUCTS and type(after) is BatchNorm:
                statistics = after.allocate_batch_statistics()
                x = module(x, statistics)
            else:
                x = module(x)
        return x


class ModuleList(_Modules):
    """A list of modules, for a forward that says itself how they are used.

    Args:
        modules: the first modules of the list.

    Raises:
        TypeError: a part is no module.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        """Raise TypeError for a part that is no module."""
        self.modules: list[Module] = list(_checked("ModuleList", modules))

    def __setitem__(self, index: int, module: Module) -> None:
        (self.modules[index],) = _checked("ModuleList", [module])

    def append(self, module: Module) -> Self:
        """Add a module at the end.

        Args:
            module: the module.

        Returns:
            The list itself.

        Raises:
            TypeError: it is no module.
        """
        return self.extend([module])

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end.

        Args:
            modules: the modules, in order.

        Returns:
            The list itself.

        Raises:
            TypeError: one of them is no module.
        """
        self.modules += _checked("ModuleList", modules)
        return self


def _checked(kind: str, modules: Iterable[Any]) -> list[Module]:
    """Return the modules as a list; raise TypeError, with advice, for a part that is no module."""
    modules = list(modules)
    for i, module in enumerate(modules):
        if not isinstance(module, Module):
            advice = "write a class with `forward`"
            if isinstance(module, type):
                advice = f"write {module.__name__}()"
            elif isinstance(module, (list, tuple)):
                advice = "write its modules one by one, *modules"
            raise TypeError(
                f"{kind} holds modules, and part {i} is a {type(module).__name__}; {advice}"
            )
    return modules


# not what derives from them, or from BatchNorm: their forward may take less
_PRODUCTS = (Linear, Conv2d, ConvTranspose2d)
