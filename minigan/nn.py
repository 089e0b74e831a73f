"""Layers: modules that hold parameters, with the names that PyTorch users know.

Layouts are minigan's: NHWC images, HWIO filters, and a linear layer's weight is (features in, features out).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from minigan.devices import Device, get_device
from minigan.ops.convolution import Padding, Pair, conv2d, conv_transpose2d
from minigan.ops.elementwise import leaky_relu, sigmoid
from minigan.ops.linear import linear
from minigan.ops.normalization import (
    BatchStatistics,
    RunningStatistics,
    batch_norm,
    room_for_statistics,
)
from minigan.random import Generator, default_generator
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


class Linear(Module):
    """y = activation(x·weight + bias); weight is (features in, features out).

    `negative_slope` fuses the activation that follows, here and in the convolutions: 1 is none, 0 ReLU. With
    `statistics` the layer finds those of its result, for the batch norm that follows; `Sequential` asks for them.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        negative_slope: float = 1.0,
        *,
        dtype: DTypeLike = np.float32,
        device: str | Device | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.negative_slope = negative_slope
        make = _Initializer(in_features, dtype, device, generator)
        self.weight = make((in_features, out_features))
        self.bias = make((out_features,)) if bias else None

    def forward(self, x: Tensor, statistics: BatchStatistics | None = None) -> Tensor:
        return linear(
            x, self.weight, self.bias,
            negative_slope=self.negative_slope, statistics=statistics,
        )  # fmt: skip


class Conv2d(Module):
    """`minigan.conv2d` with its own filter (kernel height, kernel width, channels in, channels out)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        bias: bool = True,
        negative_slope: float = 1.0,
        *,
        dtype: DTypeLike = np.float32,
        device: str | Device | None = None,
        generator: Generator | None = None,
    ) -> None:
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        self.stride, self.padding, self.negative_slope = stride, padding, negative_slope
        make = _Initializer(math.prod(kernel) * in_channels, dtype, device, generator)
        self.weight = make((*kernel, in_channels, out_channels))
        self.bias = make((out_channels,)) if bias else None

    def forward(self, x: Tensor, statistics: BatchStatistics | None = None) -> Tensor:
        return conv2d(
            x, self.weight, self.bias, self.stride, self.padding,
            negative_slope=self.negative_slope, statistics=statistics,
        )  # fmt: skip


class ConvTranspose2d(Module):
    """`minigan.conv_transpose2d` with its own filter (kernel height, kernel width, channels in, channels out)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Padding = 0,
        output_padding: Pair = 0,
        bias: bool = True,
        negative_slope: float = 1.0,
        *,
        dtype: DTypeLike = np.float32,
        device: str | Device | None = None,
        generator: Generator | None = None,
    ) -> None:
        kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        self.stride, self.padding, self.output_padding = stride, padding, output_padding
        self.negative_slope = negative_slope
        make = _Initializer(math.prod(kernel) * in_channels, dtype, device, generator)
        self.weight = make((*kernel, in_channels, out_channels))
        self.bias = make((out_channels,)) if bias else None

    def forward(self, x: Tensor, statistics: BatchStatistics | None = None) -> Tensor:
        return conv_transpose2d(
            x, self.weight, self.bias, self.stride, self.padding, self.output_padding,
            negative_slope=self.negative_slope, statistics=statistics,
        )  # fmt: skip


class BatchNorm(Module):
    """`minigan.batch_norm` over the last axis, with running statistics for each named group.

    `negative_slope` fuses the activation that follows: 1 is none, 0 ReLU, 0.1 the paper's leaky ReLU.
    """

    def __init__(
        self,
        channels: int,
        groups: Sequence[str] = ("default",),
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        negative_slope: float = 1.0,
        *,
        dtype: DTypeLike = np.float32,
        device: str | Device | None = None,
    ) -> None:
        place = get_device(device)
        self.momentum, self.epsilon, self.negative_slope = momentum, epsilon, negative_slope
        self.weight = Tensor(place.ones((channels,), dtype), place, requires_grad=True)
        self.bias = Tensor(place.zeros((channels,), dtype), place, requires_grad=True)
        self.running = {
            group: RunningStatistics(
                Tensor(place.zeros((channels,), dtype), place),
                Tensor(place.ones((channels,), dtype), place),
            )
            for group in groups
        }

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield from super()._tensors()
        for group, statistics in self.running.items():
            yield f"running_mean.{group}", statistics.mean
            yield f"running_variance.{group}", statistics.variance

    def forward(
        self,
        x: Tensor,
        groups: Sequence[str] | None = None,
        statistics: BatchStatistics | None = None,
    ) -> Tensor:
        """`groups` names the equal runs of the batch; a layer with one group needs no name.

        `statistics` are those that the layer before filled; see `room_for_statistics`.
        """
        return batch_norm(
            x, self.weight, self.bias, self.running, self._named(groups), self.training,
            self.momentum, self.epsilon, self.negative_slope, statistics,
        )  # fmt: skip

    def room_for_statistics(self, groups: Sequence[str] | None = None) -> BatchStatistics | None:
        """What the layer before is to fill, where its result's statistics are wanted: in training."""
        if not self.training:
            return None
        return room_for_statistics(self.weight, self.running, self._named(groups), self.momentum)

    def _named(self, groups: Sequence[str] | None) -> Sequence[str]:
        if groups is None:
            if len(self.running) != 1:
                raise ValueError(f"BatchNorm: say which of its groups, {', '.join(self.running)}")
            groups = tuple(self.running)
        return groups


class LeakyReLU(Module):
    """`minigan.leaky_relu`; the slope 0.1 is the paper's."""

    def __init__(self, negative_slope: float = 0.1) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(x, negative_slope=self.negative_slope)


class ReLU(LeakyReLU):
    """max(x, 0)."""

    def __init__(self) -> None:
        super().__init__(0.0)


class Sigmoid(Module):
    """1 / (1 + e⁻ˣ)."""

    def forward(self, x: Tensor) -> Tensor:
        return sigmoid(x)


class Tanh(Module):
    """sinh x / cosh x."""

    def forward(self, x: Tensor) -> Tensor:
        return x.tanh()


class Flatten(Module):
    """(batch, …) to (batch, features)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1)


class Reshape(Module):
    """(batch, features) to (batch, *shape)."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.shape)


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


class _Initializer:
    """Uniform in ±1/√fan_in, PyTorch's default for these layers."""

    def __init__(
        self,
        fan_in: int,
        dtype: DTypeLike,
        device: str | Device | None,
        generator: Generator | None,
    ) -> None:
        self.bound = 1 / math.sqrt(max(fan_in, 1))
        self.dtype, self.device = np.dtype(dtype), get_device(device)
        self.generator = generator or default_generator()

    def __call__(self, shape: Sequence[int]) -> Tensor:
        values = self.device.random_uniform(
            shape, -self.bound, self.bound, self.dtype, self.generator.next_key()
        )
        return Tensor(values, self.device, requires_grad=True)


__all__ = [
    "BatchNorm", "Conv2d", "ConvTranspose2d", "Flatten", "LeakyReLU", "Linear", "Module", "ReLU",
    "Reshape", "Sequential", "Sigmoid", "Tanh",
]  # fmt: skip
