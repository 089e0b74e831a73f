"""The kernel calls of a training step: the shapes that matter, with real values in them."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigan.devices import Device, get_device
from minigan.devices.device import KERNELS
from minigan.experiments.trainer import Trainer
from minigan.infogan.settings import Settings

# What `watched_kernels` hands each call to: the kernel's name, its arguments and settings, and what runs it.
Watch = Callable[[str, tuple[Any, ...], dict[str, Any], Callable[[], Any]], Any]


@dataclass
class Call:
    """A kernel of the contract and its arguments, arrays on the host; and how often a step makes a call of these shapes."""

    kernel: str
    arguments: tuple[Any, ...]
    settings: dict[str, Any]
    count: int = 1

    def __str__(self) -> str:
        values = _without_named_tuples((*self.arguments, *self.settings.values()))
        shapes = [_shape(value) for value in values]
        return f"{self.kernel}({', '.join(filter(None, shapes))})"

    @property
    def key(self) -> str:
        """Return the kernel, and the shapes and values of its arguments: what tells calls apart but for the arrays' contents."""
        return f"{self} {_scalars((self.arguments, self.settings))}"

    def moved(
        self, move: Callable[[np.ndarray[Any, Any]], Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments and settings with every array as `move` gives it."""
        return _mapped(self.arguments, move), _mapped(self.settings, move)

    def on(self, device: Device) -> Callable[[], Any]:
        """Return a function that makes the call on a device, once: its arguments are there, as copies, since a kernel may change them."""
        arguments, settings = self.moved(lambda array: device.copy(device.asarray(array)))
        return lambda: getattr(device, self.kernel)(*arguments, **settings)


def training_calls(settings: Settings) -> list[Call]:
    """Return the calls of one step of an experiment, on random images, in order of first appearance; those of the same shapes once."""
    settings = dataclasses.replace(settings, device="cpu")
    rng = np.random.default_rng(0)
    count = 2 * settings.batch_size
    images = rng.integers(0, 256, (count, *settings.image_shape), dtype=np.uint8)
    trainer = Trainer(settings, images)
    with recorded_calls(get_device("cpu")) as calls:
        trainer.step()
    return calls


@contextlib.contextmanager
def recorded_calls(device: Device) -> Iterator[list[Call]]:
    """Within it the kernel calls of a device are recorded; a kernel that calls another is one call."""
    calls: dict[str, Call] = {}

    def record(
        kernel: str, arguments: tuple[Any, ...], settings: dict[str, Any], run: Callable[[], Any]
    ) -> Any:
        made = Call(kernel, arguments, settings)
        if made.key in calls:
            calls[made.key].count += 1
        else:  # the arrays as they are now: the kernel may change them
            made.arguments = _mapped(arguments, _on_host(device))
            made.settings = _mapped(settings, _on_host(device))
            calls[made.key] = made
        return run()

    recorded: list[Call] = []
    with watched_kernels(device, record):
        yield recorded
    recorded += calls.values()


@contextlib.contextmanager
def watched_kernels(device: Device, watch: Watch) -> Iterator[None]:
    """Within it every kernel call of a device goes through `watch`, which has to `run` it and return what that returns.

    A kernel that calls another is one call.
    """
    depth = 0

    def watched(name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **settings: Any) -> Any:
            nonlocal depth
            if depth:
                return kernel(*arguments, **settings)
            depth += 1
            try:
                return watch(name, arguments, settings, lambda: kernel(*arguments, **settings))
            finally:
                depth -= 1

        return call

    try:
        for name in KERNELS:
            setattr(device, name, watched(name, getattr(device, name)))
        yield
    finally:
        for name in KERNELS:
            vars(device).pop(name, None)


def _on_host(device: Device) -> Callable[[Any], Any]:
    return lambda array: np.array(device.to_numpy(array))


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and not np.isscalar(value)


def _mapped(value: Any, of_array: Callable[[Any], Any]) -> Any:
    if _is_array(value):
        return of_array(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):  # a named tuple
        return type(value)(*(_mapped(item, of_array) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(_mapped(item, of_array) for item in value)
    if isinstance(value, dict):
        return {name: _mapped(item, of_array) for name, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **_mapped(fields, of_array))
    return copy.copy(value)


def _without_named_tuples(values: Iterable[Any]) -> Iterator[Any]:
    """Yield the values, and in place of a named tuple those in it."""
    for value in values:
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            yield from value
        else:
            yield value


def _shape(value: Any) -> str:
    if _is_array(value):
        return "×".join(map(str, value.shape)) or "1"
    if isinstance(value, (tuple, list)) and value and all(_is_array(item) for item in value):
        return f"{len(value)} arrays of {sum(item.size for item in value):,}"
    return ""


def _scalars(value: Any) -> str:
    """Return the arguments that are no arrays, as text: calls that differ in it are different calls."""
    return repr(_mapped(value, lambda array: (array.shape, str(array.dtype))))
