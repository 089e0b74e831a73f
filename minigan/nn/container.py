"""Modules that hold modules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from minigan.nn.module import Module
from minigan.nn.normalization import BatchNorm
from minigan.nn.products import Conv2d, ConvTranspose2d, Linear
from minigan.tensor import Tensor


class Sequential(Module):
    """Modules one after another; `groups` reaches the batch norms among them.

    A linear layer or convolution that stands before a batch norm finds the statistics for it.
    """

    def __init__(self, *modules: Module) -> None:
        self.modules = modules

    def _children(self) -> Iterator[tuple[str, Module]]:
        return ((str(i), module) for i, module in enumerate(self.modules))

    def forward(self, x: Tensor, groups: Sequence[str] | None = None) -> Tensor:
        statistics = None
        for module, after in zip(self.modules, (*self.modules[1:], None), strict=False):
            if isinstance(module, BatchNorm):
                x = module(x, groups, statistics)
                statistics = None
            elif isinstance(module, Sequential):
                x = module(x, groups)
            elif type(module) in _PRODUCTS and isinstance(after, BatchNorm):
                statistics = after.room_for_statistics(groups)
                x = module(x, statistics)
            else:
                x = module(x)
        return x


_PRODUCTS = (
    Linear,
    Conv2d,
    ConvTranspose2d,
)  # not what derives from them, whose forward may take less
