"""The contract of a user's kernel: a Python file beside the .cu file, which defines the right results.

It defines `operation`, `oracle` and `examples`, and may define what `OPTIONAL` lists; docs/your_own_kernel.md shows one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigan.devices.sources import KernelSource, read_source
from minigan.errors import SettingsError
from minigan.inspect.user_code import place_of, run_file

Array = np.ndarray[Any, Any]
Arguments = tuple[Any, ...]

REQUIRED = {
    "operation": "the function under @mg.differentiable that launches the kernels, operation(device, *arguments)",
    "oracle": "the same in plain NumPy, oracle(*arguments)",
    "examples": "what gives tuples of arguments to check with, examples(rng)",
}
OPTIONAL = {
    "tolerance": "how far a result may be from the oracle's, relative where that is over 1, {'float32': 1e-5, …}",
    "no_gradient": "the places, from 0, of arguments that vjp gives no gradient, (1,)",
    "peer": "the same by PyTorch, peer(torch, *tensors)",
    "large_example": "a tuple of arguments to time, large_example(rng)",
    "least_bytes": "bytes that the forward pass must move, least_bytes(*arguments)",
    "flops": "operations that the forward pass must do, flops(*arguments)",
}
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


@dataclass(frozen=True)
class Contract:
    """A .cu file and what its contract defines."""

    kernels: Path
    file: Path
    names: dict[str, Any]

    @property
    def source(self) -> KernelSource:
        """Return the .cu file as it now is."""
        return read_source(self.kernels)

    def missing(self) -> list[str]:
        """Return the missing parts, each by its name and meaning."""
        return [
            f"'{name}', {what}" for name, what in REQUIRED.items() if not callable(self.get(name))
        ]

    def get(self, name: str) -> Any:
        """Return the contract's definition of that name, or None."""
        return self.names.get(name)

    def tolerance(self, dtype: str) -> float:
        """Return how far a result of that dtype may be from the oracle's."""
        own = self.get("tolerance")
        own = TOLERANCE if own is None else own
        value = own.get(dtype, TOLERANCE[dtype]) if isinstance(own, dict) else own
        if not isinstance(value, (int, float)) or not value >= 0:
            raise SettingsError(
                f"{self.file.name}: tolerance is {own!r}; it should be a number, or {{'float32': …, 'float64': …}}"
            )
        return float(value)

    def has_gradient(self, place: int, value: Any) -> bool:
        """Return whether vjp gives the argument at that place a gradient: arrays of floats, but those of `no_gradient`."""
        return _is_float(value) and place not in (self.get("no_gradient") or ())

    def examples(self) -> list[Arguments]:
        """Return the arguments to check with. SettingsError if there are none, or they hold no array."""
        given = self.call("examples", np.random.default_rng(0))
        if not isinstance(given, Iterable) or isinstance(given, (np.ndarray, str)):
            raise SettingsError(
                f"{self.file.name}: examples(rng) gives {_kind(given)}; it should yield tuples of arguments"
            )
        examples = [self._arguments("examples(rng)", one) for one in self._exhausted(given)]
        if not examples:
            raise SettingsError(f"{self.file.name}: examples(rng) gives nothing to check with")
        return examples

    def large_example(self) -> Arguments | None:
        """Return the arguments to time, if the contract has any."""
        if not callable(self.get("large_example")):
            return None
        given = self.call("large_example", np.random.default_rng(0))
        return self._arguments("large_example(rng)", given)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of the contract; SettingsError with the line where it failed."""
        try:
            return self.names[name](*arguments)
        except Exception as error:
            raise SettingsError(f"{name} failed: {self.describe(error)}") from error

    def describe(self, error: BaseException) -> str:
        """Return an error, and the line of the contract that it came from."""
        place = place_of(error, self.file)
        return f"{f'{place}: ' if place else ''}{type(error).__name__}: {error}"

    def _exhausted(self, given: Iterable[Any]) -> list[Any]:
        try:
            return list(given)
        except Exception as error:
            raise SettingsError(f"examples failed: {self.describe(error)}") from error

    def _arguments(self, what: str, given: Any) -> Arguments:
        arguments = tuple(given) if isinstance(given, (tuple, list)) else (given,)
        if not any(isinstance(value, np.ndarray) for value in arguments):
            raise SettingsError(
                f"{self.file.name}: {what} gives {_kind(given)} without an array of NumPy's; it should give tuples of "
                "arguments"
            )
        return arguments


def find_kernels(path: Path) -> list[Path]:
    """Return the .cu file at `path`, or those in the folder at `path`."""
    if path.is_dir():
        files = sorted(path.glob("*.cu"))
        if not files:
            raise SettingsError(f"{path} has no .cu file in it")
        return files
    if path.suffix != ".cu":
        raise SettingsError(f"{path} is no .cu file, and no folder with one")
    return [path]


def load_contract(kernels: Path) -> Contract:
    """Run the contract of a .cu file. SettingsError if there is none or it cannot be run, KernelError for the .cu file."""
    kernels = kernels.absolute()
    read_source(kernels)  # the error message comes first
    file = kernels.with_suffix(".py")
    try:
        names = run_file(file)
    except FileNotFoundError:
        raise SettingsError(
            f"{kernels.name} has no contract: there is no {file.name} beside it ('minigan kernel new NAME' writes one to "
            "start from)"
        ) from None
    return Contract(kernels, file, names)


def of_dtype(arguments: Arguments, dtype: str) -> Arguments:
    """Return the arguments with their floating-point arrays in that dtype."""
    return mapped_floats(arguments, lambda array: array.astype(dtype))


def mapped_floats(arguments: Arguments, function: Callable[[Array], Any]) -> Arguments:
    """Return the arguments with `function` of each floating-point array."""
    return tuple(function(value) if _is_float(value) else value for value in arguments)


def mapped_arrays(arguments: Arguments, function: Callable[[Array], Any]) -> Arguments:
    """Return the arguments with `function` of each array."""
    return tuple(function(value) if isinstance(value, np.ndarray) else value for value in arguments)


def shapes(arguments: Arguments) -> str:
    """Return the arguments for a person: shapes of arrays, and numbers."""
    return ", ".join(
        "×".join(map(str, value.shape)) or "()" if isinstance(value, np.ndarray) else repr(value)
        for value in arguments
    )


def elements(arguments: Arguments) -> int:
    """Return how many numbers the floating-point arrays hold."""
    return sum(value.size for value in arguments if _is_float(value))


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
