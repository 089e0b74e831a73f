"""Is a gradient right? Compare it with central differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigan.recording import no_grad
from minigan.tensor import Tensor, tensor


class GradientMismatch(AssertionError):  # noqa: N818  (its name says the finding)
    """A gradient that differs from its numerical estimate: which input, which element, both values."""


def check_gradients(
    function: Callable[..., Tensor],
    *inputs: Tensor,
    step: float = 1e-6,
    tolerance: float = 1e-6,
    seed: int = 0,
) -> None:
    """Check the gradient of `function` by every input that has ``requires_grad``; float64.

    The output is contracted with fixed random weights w. For each element of each input, ∂⟨w, f⟩/∂x
    is compared with (⟨w, f(x + h)⟩ − ⟨w, f(x − h)⟩) / 2h. The step h is `step`·max(1, |x|). They
    must agree within `tolerance`·max(1, the largest gradient of that input). The inputs and their
    `grad` are left as they were.

    Args:
        function: the function f of the inputs; it returns a tensor.
        inputs: the tensors at which the gradient is checked, of any shapes.
        step: the step of the differences, relative to max(1, |x|).
        tolerance: the largest error, relative to max(1, the largest gradient).
        seed: the seed of the weights w.

    Raises:
        GradientMismatch: a gradient differs, and the message names the worst element; or the
            function or a gradient rule wrote to an input.
        TypeError: an input that has ``requires_grad`` is not float64.
    """
    for i, x in enumerate(inputs):
        if x.requires_grad and x.dtype != np.float64:
            raise TypeError(
                f"check_gradients: input {i + 1} is {x.dtype}; differences need float64"
            )
    name = getattr(function, "__name__", "function")
    given = [x.numpy().copy() for x in inputs]
    output = function(*inputs)
    weights = np.random.default_rng(seed).uniform(0.5, 1.5, output.shape)
    weights *= np.where(np.arange(weights.size).reshape(weights.shape) % 2, -1, 1)
    found = _gradients(output, tensor(weights, device=output.device), inputs)
    _check_unchanged(name, inputs, given)
    for i, x in enumerate(inputs):
        if x.requires_grad:
            expected = _differences(
                lambda: float((function(*inputs).numpy() * weights).sum()), x, step
            )
            _compare(f"{name}: the gradient of input {i + 1}", found[i], expected, tolerance)


def _gradients(output: Tensor, weights: Tensor, inputs: tuple[Tensor, ...]) -> list[np.ndarray]:
    """Return ∂⟨weights, output⟩/∂x for each input, and leave every `grad` as it was."""
    variables = [x for x in inputs if x.requires_grad]
    before = [x.grad for x in inputs]
    try:
        for x in inputs:
            x.grad = None
        output.backward(weights, inputs=variables)
        return [np.zeros(x.shape) if x.grad is None else x.grad.numpy().copy() for x in inputs]
    finally:
        for x, grad in zip(inputs, before, strict=True):
            x.grad = grad


def _check_unchanged(name: str, inputs: tuple[Tensor, ...], given: list[np.ndarray]) -> None:
    changed = [i for i, x in enumerate(inputs) if x.numpy().tobytes() != given[i].tobytes()]
    for i in changed:
        with no_grad():
            inputs[i].copy_(given[i])
    if changed:
        raise GradientMismatch(
            f"{name}: it wrote to its input {changed[0] + 1}, forward or backward; compute on a copy"
        )


def _differences(objective: Callable[[], float], x: Tensor, step: float) -> np.ndarray:
    """Return the central differences of the objective by each element of x, and leave x as it was."""
    values, estimate = x.numpy().copy(), np.zeros(x.shape)

    def at(index: tuple[int, ...], value: float) -> float:
        moved = values.copy()
        moved[index] = value
        x.copy_(moved)
        return objective()

    with no_grad():
        try:
            for index in np.ndindex(*x.shape):
                value = float(values[index])
                h = step * max(1.0, abs(value))
                above, below = value + h, value - h
                estimate[index] = (at(index, above) - at(index, below)) / (above - below)
        finally:
            x.copy_(values)
    return estimate


def _compare(what: str, found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    error = np.abs(found - expected)
    scale = np.abs(expected).max(initial=1.0)
    if not (error <= tolerance * scale).all():  # NaN is a mismatch too
        worst = np.unravel_index(np.argmax(error), error.shape)
        where = tuple(int(i) for i in worst)
        raise GradientMismatch(
            f"{what} at {where} is {found[where]:.9g}, and central differences give {expected[where]:.9g}"
        )
