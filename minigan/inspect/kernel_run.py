"""A run of a contract's operation: its result and gradients, and how far they are from the oracle's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigan.check import GradientMismatch
from minigan.devices import Device
from minigan.errors import MiniganError, SettingsError
from minigan.inspect.contract import (
    Arguments,
    Array,
    Contract,
    mapped_floats,
    of_dtype,
    shapes,
)
from minigan.tensor import Tensor


class CheckFailure(Exception):  # noqa: N818  (its name says the finding)
    """A check that failed, and why."""


class NotChecked(Exception):  # noqa: N818  (as above)
    """A check that cannot be made here, and why."""


def compared(
    contract: Contract, device: Device, example: Arguments, dtype: str, number: int
) -> tuple[list[Array], float]:
    """Return the result and the gradients on a device, and the result's largest error. `CheckFailure` if it is too large."""
    where = f"example {number + 1} ({shapes(example)})"
    arguments = of_dtype(example, dtype)
    results = evaluated(contract, device, arguments, where)
    exact = mapped_floats(arguments, lambda array: array.astype(np.float64))
    expected = np.asarray(contract.call("oracle", *exact))
    found = results[0]
    if found.shape != expected.shape:
        raise CheckFailure(
            f"{where}: operation gives the shape {found.shape}, and the oracle {expected.shape}"
        )
    error, tolerance = errors(found, expected), contract.tolerance(dtype)
    if error.size and not (error <= tolerance).all():
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(error)), error.shape))
        raise CheckFailure(
            f"{where}: at {at} operation gives {found[at]:.9g}, and the oracle {expected[at]:.9g}; "
            f"{int((error > tolerance).sum())} of {error.size} elements differ by more than {tolerance:g}"
        )
    return results, float(error.max(initial=0))


def errors(found: Array, expected: Array) -> Array:
    """Return the error of each element, relative where the oracle's is over 1; infinite where only one is a number."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.abs(found - expected) / np.maximum(1, np.abs(expected))
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    return np.where(same, 0, np.where(np.isnan(error), np.inf, error))


def as_tensors(
    contract: Contract, device: Device, arguments: Arguments, gaps: bool = False
) -> list[Any]:
    """Return the arrays as tensors on the device, those of floats with a gradient if the contract has one."""
    return [
        as_tensor(device, value, contract.has_gradient(place, value), gaps)
        if isinstance(value, np.ndarray) else value
        for place, value in enumerate(arguments)
    ]  # fmt: skip


def as_tensor(device: Device, value: Array, has_gradient: bool, gaps: bool) -> Tensor:
    array = device.copy(device.asarray(value))
    if gaps and array.ndim:
        array = device.asarray(np.repeat(value, 2, axis=-1))[..., ::2]
    return Tensor(array, device, requires_grad=has_gradient)


def evaluated(
    contract: Contract, device: Device, arguments: Arguments, where: str, gaps: bool = False
) -> list[Array]:
    """Return the result, and the gradient of each floating-point array for a fixed random gradient of the result."""
    tensors = as_tensors(contract, device, arguments, gaps)

    def evaluate() -> list[Array]:
        output = contract.names["operation"](*tensors)
        if not isinstance(output, Tensor):
            raise CheckFailure(
                f"{where}: operation gives a {type(output).__name__} and no tensor; is it under @mg.differentiable?"
            )
        variables = [t for t in tensors if isinstance(t, Tensor) and t.requires_grad]
        if output.dtype.kind == "f" and variables and output.dtype != variables[0].dtype:
            raise CheckFailure(
                f"{where}: operation gives {output.dtype} for arrays of {variables[0].dtype}"
            )
        if not output.requires_grad:
            return [np.array(output.numpy())]
        weights = np.random.default_rng(1).uniform(0.5, 1.5, output.shape).astype(output.dtype)
        output.backward(as_tensor(device, weights, False, gaps), inputs=variables)
        return [
            np.array(output.numpy()),
            *(np.array(t.grad.numpy()) for t in variables if t.grad is not None),
        ]

    results: list[Array] = guarded(contract, where, evaluate)
    for i, (value, after) in enumerate(zip(arguments, tensors, strict=True)):
        if isinstance(after, Tensor) and after.numpy().tobytes() != value.tobytes():
            raise CheckFailure(f"{where}: the kernels changed input {i + 1}")
    return results


def guarded(contract: Contract, where: str, call: Callable[[], Any]) -> Any:
    """Return the result of `call`; every error, the contract's own mistakes included, is a failure of the check."""
    try:
        return call()
    except (CheckFailure, NotChecked, SettingsError):
        raise
    except (MiniganError, GradientMismatch) as error:
        raise CheckFailure(f"{where}: {error}") from error
    except Exception as error:
        decorated = hasattr(contract.names["operation"], "__wrapped__")
        hint = "" if decorated else " (operation is not under @mg.differentiable)"
        raise CheckFailure(f"{where}: {contract.describe(error)}{hint}") from error
