"""Exercises on the engine: the walk back through a graph, and a step of Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigan.learn.exercise import Array, Function

_GRAPHS: list[list[list[int]]] = [
    [[], [0]],
    [[], [0], [0, 1]],
    [[], [], [0], [0, 2], [2, 3]],
    [[], [], [], [1, 1], [0], [3, 1], [5, 3]],
]


def _graphs(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    return [(graph,) for graph in _GRAPHS]


def _weighted_graphs(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    cases = []
    for graph in _GRAPHS:
        local = [[round(float(rng.uniform(0.5, 2)), 2) for _ in parents] for parents in graph]
        cases.append((graph, local))
    return cases


def _accumulate(parents: list[list[int]], local: list[list[float]], add: bool = True) -> Array:
    gradient = np.zeros(len(parents))
    gradient[-1] = 1
    for node in reversed(range(len(parents))):
        for parent, factor in zip(parents[node], local[node], strict=True):
            gradient[parent] = add * gradient[parent] + gradient[node] * factor
    return gradient


def _reached(parents: list[list[int]]) -> list[int]:
    reached = {len(parents) - 1}
    for node in reversed(range(len(parents))):
        if node in reached:
            reached.update(parents[node])
    return sorted(reached, reverse=True)


def _last_use(parents: list[list[int]]) -> list[int]:
    users = [[u for u, used in enumerate(parents) if n in used] for n in range(len(parents))]
    return [max(nodes, default=-1) for nodes in users]


def _first_use(parents: list[list[int]]) -> list[int]:
    users = [[u for u, used in enumerate(parents) if n in used] for n in range(len(parents))]
    return [min(nodes, default=-1) for nodes in users]


def _unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    front = gradient.ndim - len(shape)
    result = gradient.sum(axis=tuple(range(front)))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1)
    return np.asarray(result.sum(axis=stretched, keepdims=True))


def _broadcast_cases(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    pairs: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((2,), (1,)),
        ((2, 3), (3,)),
        ((2, 3), (2, 1)),
        ((4, 2, 3), (1, 3)),
        ((3, 2), ()),
    ]
    return [(rng.normal(size=large), small) for large, small in pairs]


def _adam(x: Array, dx: Array, m: Array, v: Array, t: int) -> tuple[Array, Array, Array]:
    m, v = 0.9 * m + 0.1 * dx, 0.999 * v + 0.001 * dx**2
    step = 1e-3 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return x - step, m, v


def _adam_uncorrected(
    x: Array, dx: Array, m: Array, v: Array, t: int
) -> tuple[Array, Array, Array]:
    m, v = 0.9 * m + 0.1 * dx, 0.999 * v + 0.001 * dx**2
    return x - 1e-3 * m / (np.sqrt(v) + 1e-8), m, v


def _adam_upward(x: Array, dx: Array, m: Array, v: Array, t: int) -> tuple[Array, Array, Array]:
    moved, m, v = _adam(x, dx, m, v, t)
    return 2 * x - moved, m, v


def _adam_cases(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    cases: list[tuple[Any, ...]] = []
    for size, t in [(1, 1), (3, 2), (5, 100)]:
        x, dx, m = rng.normal(size=(3, size))
        cases.append((x, dx, 0.1 * m, 0.01 * rng.uniform(size=size), t))
    return cases


ENGINE = (
    Function(
        name="walk_back",
        chapter="engine",
        task="Return the nodes that the last one depends on, itself included, from high to low.",
        header='def walk_back(parents):\n    """Node i reads the nodes parents[i], all below i."""',
        body="""\
    reached = {len(parents) - 1}
    for node in reversed(range(len(parents))):
        if node in reached:
            reached.update(parents[node])
    return sorted(reached, reverse=True)""",
        cases=_graphs,
        expected=_reached,
        slips={
            "The order is reversed: the walk goes from the last node back.": lambda parents: (
                _reached(parents)[::-1]
            ),
            "A node is there that the last one does not depend on.": lambda parents: list(
                range(len(parents))
            )[::-1],
        },
    ),
    Function(
        name="accumulate",
        chapter="engine",
        task="Return the gradient of the last node by every node.",
        header="def accumulate(parents, local):\n"
        '    """Node i reads parents[i]; local[i] has its derivative by each of them."""',
        body="""\
    gradient = np.zeros(len(parents))
    gradient[-1] = 1
    for node in reversed(range(len(parents))):
        for parent, factor in zip(parents[node], local[node]):
            gradient[parent] += gradient[node] * factor
    return gradient""",
        cases=_weighted_graphs,
        expected=_accumulate,
        slips={
            "A gradient is overwritten: add up what comes along each path.": (
                lambda parents, local: _accumulate(parents, local, add=False)
            )
        },
    ),
    Function(
        name="unbroadcast",
        chapter="engine",
        task="Return the gradient of an array of `shape` that broadcasting made larger.",
        header='def unbroadcast(gradient, shape):\n    """Sum the axes that broadcasting added or stretched."""',
        body="""\
    front = gradient.ndim - len(shape)
    result = gradient.sum(axis=tuple(range(front)))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1)
    return result.sum(axis=stretched, keepdims=True)""",
        cases=_broadcast_cases,
        expected=_unbroadcast,
    ),
    Function(
        name="last_use",
        chapter="engine",
        task="Return for each node the last node that reads it, or -1: then its memory is free.",
        header='def last_use(parents):\n    """Node i reads the nodes parents[i], all below i."""',
        body="""\
    last = [-1] * len(parents)
    for node, read in enumerate(parents):
        for parent in read:
            last[parent] = node
    return last""",
        cases=_graphs,
        expected=_last_use,
        slips={"This is the first use: a later node still reads the array.": _first_use},
    ),
    Function(
        name="adam_step",
        chapter="engine",
        task="Return x, m and v after step t of Adam: rate 1e-3, decays 0.9 and 0.999, ε = 1e-8.",
        header='def adam_step(x, dx, m, v, t):\n    """t is 1 in the first step."""',
        body="""\
    m = 0.9 * m + 0.1 * dx
    v = 0.999 * v + 0.001 * dx**2
    step = 1e-3 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return x - step, m, v""",
        cases=_adam_cases,
        expected=_adam,
        slips={
            "The bias correction is missing: divide by 1 − decay^t.": _adam_uncorrected,
            "The sign of the step is wrong: Adam walks down the gradient.": _adam_upward,
        },
    ),
)
