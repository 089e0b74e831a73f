"""Optimization steps: a problem, and steps that solve it, each with one idea more than the one before."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from minigan.devices import Device
from minigan.errors import MiniganError

Array = Any


@dataclass(frozen=True)
class Problem(ABC):
    """The arguments of a kernel. A subclass has fields for them; arrays are float64 on the host until `on` moves them."""

    def on(self, device: Device, dtype: Any) -> Any:
        """Return the same problem, with copies of its arrays on a device: real numbers in `dtype`."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return dataclasses.replace(
            self, **{name: _moved(value, device, dtype) for name, value in values.items()}
        )

    @abstractmethod
    def expected(self) -> tuple[np.ndarray[Any, Any], ...]:
        """Compute the right result of every step, by NumPy in float64."""

    @property
    @abstractmethod
    def least_elements(self) -> int:
        """Return the elements that any solution moves: each operand read once, each result written once."""

    @property
    @abstractmethod
    def roundings(self) -> int:
        """Return how many operations, at most, an operand passes through on its way to a result."""

    @property
    def flops(self) -> float | None:
        """Operations of the formula, where it is they that bound it; None where it is memory."""
        return None


def _moved(value: Any, device: Device, dtype: Any) -> Any:
    if isinstance(value, np.ndarray):
        kept = value.astype(dtype) if value.dtype.kind == "f" else value
        return device.copy(device.asarray(np.ascontiguousarray(kept)))
    if isinstance(value, (tuple, list)):
        return type(value)(_moved(item, device, dtype) for item in value)
    return value


P = TypeVar("P", bound=Problem)


@dataclass(frozen=True)
class Step(Generic[P]):
    """A step: its name, the file to read (from the checkout's root), and what runs it, on a device or (device, problem) there.

    `operand_bits` is the significand that it rounds its operands to, where that is less than its dtype's: such a step is of
    float32 only. Of a step that has `vectors`, runs of contiguous elements must be whole 16-byte vectors.
    """

    name: str
    source: str
    run: Callable[[Any, P], tuple[Array, ...]]
    operand_bits: int | None = None
    vectors: bool = False
    in_use: bool = False

    @property
    def dtypes(self) -> tuple[str, ...]:
        return ("float32",) if self.operand_bits else ("float32", "float64")

    def allowed_error(self, problem: Problem, dtype: Any) -> float:
        """Return how far its result may be from float64's, relative to the result's size (both in the 2-norm).

        A rounding for each operation that an operand passes through, all of them one way. A product
        of operands that are rounded to few bits adds two.
        """
        operands = 2 * 2.0**-self.operand_bits if self.operand_bits else 0.0
        return problem.roundings * float(np.finfo(dtype).eps) / 2 + operands


@dataclass(frozen=True)
class Ladder(Generic[P]):
    """The steps of one kernel, on both devices; `problem` makes one of a size (in `unit`), with random numbers.

    `counted_size` is small, since the emulated device counts every access; times are measured for `timed_size`. `baseline` is
    the same on the GPU by PyTorch: of (torch, problem on the host, dtype, its device), it gives what computes the result.
    """

    name: str
    title: str
    problem: Callable[[int], P]
    cuda: Sequence[Step[P]]
    cpu: Sequence[Step[P]]
    baseline: Callable[[Any, P, str, str], Callable[[], Any]]
    counted_size: int = 4
    timed_size: int = 128
    unit: str = "images"


def relative_error(found: Sequence[Array], expected: Sequence[Array]) -> float:
    """‖found − expected‖ / ‖expected‖, the largest over the results; NaN if any is NaN."""
    errors = [
        float(np.linalg.norm(np.asarray(a, np.float64) - b) / np.linalg.norm(b))
        for a, b in zip(found, expected, strict=True)
    ]
    return math.nan if any(map(math.isnan, errors)) else max(errors)


class WrongResultError(MiniganError):
    """A step with a wrong result for its problem."""


def check(step: Step[Any], problem: Problem, dtype: str, found: Sequence[Array]) -> float:
    """Return the relative error of a result; WrongResultError, naming the step, if rounding does not explain it."""
    error, allowed = relative_error(found, problem.expected()), step.allowed_error(problem, dtype)
    if not error <= allowed:  # NaN is wrong too
        raise WrongResultError(
            f"step '{step.name}' ({step.source}) is wrong: its result differs from NumPy's by {error:.1e} of its size, "
            f"and rounding explains {allowed:.1e}"
        )
    return error


def ceil_divide(a: int, b: int) -> int:
    """⌈a/b⌉."""
    return -(-a // b)
