"""Exercises on gradients: the gradient that central differences give is the right one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigan.learn.exercise import Array, Function

_STEP = 1e-6
_Cases = Callable[[np.random.Generator], list[tuple[Any, ...]]]


def numerical_gradient(forward: Callable[..., Array], count: int) -> Callable[..., Any]:
    """Return the function (dy, *inputs) → ∂⟨dy, forward⟩/∂input for the first `count` inputs."""

    def gradients(dy: Array, *inputs: Any) -> Any:
        results = tuple(_differences(forward, dy, inputs, place) for place in range(count))
        return results[0] if count == 1 else results

    return gradients


def _differences(
    forward: Callable[..., Array], dy: Array, inputs: tuple[Any, ...], place: int
) -> Array:
    result = np.zeros(inputs[place].shape)
    for index in np.ndindex(*result.shape):
        values = []
        for step in (_STEP, -_STEP):
            moved = [np.copy(value) for value in inputs]
            moved[place][index] += step
            values.append(float((forward(*moved) * dy).sum()))
        result[index] = (values[0] - values[1]) / (2 * _STEP)
    return result


def shaped(forward: Callable[..., Array], *examples: tuple[tuple[int, ...], ...]) -> _Cases:
    """Return cases (dy, *inputs) of random numbers, one for each tuple of the inputs' shapes."""

    def cases(rng: np.random.Generator) -> list[tuple[Any, ...]]:
        made = []
        for shapes in examples:
            inputs = [rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape) for shape in shapes]
            made.append((rng.normal(size=forward(*inputs).shape), *inputs))
        return made

    return cases


def _gradient(
    name: str,
    formula: str,
    inputs: str,
    body: str,
    forward: Callable[..., Array],
    *shapes: tuple[tuple[int, ...], ...],
    slips: dict[str, Callable[..., Any]] | None = None,
) -> Function:
    task = f"Return the gradient of {formula} by {inputs}, for the gradient dy of the result."
    return Function(
        name=name,
        chapter="gradients",
        task=task,
        header=f'def {name}(dy, {inputs}):\n    """{task}"""',
        body=f"    {body}",
        cases=shaped(forward, *shapes),
        expected=numerical_gradient(forward, len(shapes[0])),
        slips=slips or {},
    )


def _log_softmax(x: Array) -> Array:
    result: Array = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    return result


def _normalize(x: Array) -> Array:
    result: Array = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
    return result


_VECTORS = ((2,),), ((3,),), ((2, 5),)
_ROWS = ((1, 2),), ((3, 4),)
_NORMALIZE_BODY = """\
centred = x - x.mean(axis=0)
    scale = 1 / np.sqrt(x.var(axis=0) + 1e-5)
    normal = centred * scale
    return scale * (dy - dy.mean(axis=0) - normal * (dy * normal).mean(axis=0))"""

GRADIENTS = (
    _gradient("square", "x²", "x", "return 2 * x * dy", lambda x: x**2, *_VECTORS),
    _gradient("reciprocal", "1/x", "x", "return -dy / x**2", lambda x: 1 / x, *_VECTORS),
    _gradient("tanh", "tanh(x)", "x", "return dy * (1 - np.tanh(x) ** 2)", np.tanh, *_VECTORS),
    _gradient(
        "leaky_relu",
        "max(x, x/10)",
        "x",
        "return dy * np.where(x > 0, 1, 0.1)",
        lambda x: np.maximum(x, 0.1 * x),
        *_VECTORS,
    ),
    _gradient(
        "multiply",
        "a·b",
        "a, b",
        "return dy * b, dy * a",
        lambda a, b: a * b,
        ((2,), (2,)),
        ((3,), (3,)),
    ),
    _gradient(
        "add_bias",
        "x + b (b is added to each row)",
        "x, b",
        "return dy, dy.sum(axis=0)",
        lambda x, b: x + b,
        ((2, 3), (3,)),
        ((4, 4), (4,)),
    ),
    _gradient(
        "matrix_product",
        "the matrix product a·b",
        "a, b",
        "return dy @ b.T, a.T @ dy",
        lambda a, b: a @ b,
        ((2, 2), (2, 2)),
        ((2, 3), (3, 4)),
    ),
    _gradient(
        "mean_of_rows",
        "the mean of each row",
        "x",
        "return np.repeat(dy[:, None], x.shape[1], axis=1) / x.shape[1]",
        lambda x: x.mean(axis=1),
        *_ROWS,
    ),
    _gradient(
        "log_softmax",
        "log softmax of each row",
        "x",
        "return dy - np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)"
        " * dy.sum(axis=1, keepdims=True)",
        _log_softmax,
        *_ROWS,
        slips={
            "The factor Σ dy of each row is missing.": lambda dy, x: (
                dy - np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
            )
        },
    ),
    _gradient(
        "batch_norm",
        "(x − mean)/√(variance + 1e-5) of each column",
        "x",
        _NORMALIZE_BODY,
        _normalize,
        ((3, 2),),
        ((5, 4),),
        slips={
            "The mean and the variance depend on x too: two terms are missing.": lambda dy, x: (
                dy / np.sqrt(x.var(axis=0) + 1e-5)
            )
        },
    ),
)
