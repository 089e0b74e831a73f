"""Exercises: a text to start from, a solution, and the cases for the judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Exercise:
    """A function to write: its `header` is signature and docstring, its `body` the solution."""

    name: str
    chapter: str
    task: str
    header: str
    body: str

    @property
    def file_name(self) -> str:
        return f"{self.name}.py"

    @property
    def solution(self) -> str:
        """Return a file that passes."""
        return f'"""{self.task}"""\n\nimport numpy as np\n\n\n{self.header}\n{self.body}\n'

    @property
    def start(self) -> str:
        """Return a file that fails until the function is written."""
        return self.solution.replace(f"\n{self.body}\n", "\n    raise NotImplementedError\n")


@dataclass(frozen=True)
class Function(Exercise):
    """A function in NumPy. The judge compares it with `expected`, from the smallest case on.

    `slips` maps a sentence about a usual mistake to the function that makes it.
    """

    cases: Callable[[np.random.Generator], list[tuple[Any, ...]]]
    expected: Callable[..., Any]
    slips: dict[str, Callable[..., Any]] = field(default_factory=dict)

    @property
    def start(self) -> str:
        """Return a file with one failing example, which running it tries."""
        case = self.cases(np.random.default_rng(0))[0]
        arguments = ", ".join(_written(value) for value in case)
        example = f"print({self.name}({arguments}))  # expected: {_flat(self.expected(*case))}"
        return f'{super().start}\n\nif __name__ == "__main__":\n    {example}\n'


@dataclass(frozen=True)
class Launch:
    """A launch to judge. The array at place `output` of `arguments` is the kernel's result."""

    grid: tuple[int, ...]
    block: tuple[int, ...]
    arguments: tuple[Any, ...]
    output: int
    expected: Array
    least_bytes: int


@dataclass(frozen=True)
class Kernel(Exercise):
    """A CUDA kernel; `launches` go from small to large, and the last one has a goal on traffic."""

    launches: Callable[[np.random.Generator], list[Launch]]
    tolerance: float
    include: str

    @property
    def file_name(self) -> str:
        return f"{self.name}.cu"

    @property
    def solution(self) -> str:
        """Return a file that passes."""
        top = f'// {self.task}\n#include "{self.include}"\n\n'
        return f"{top}{self.header} {{\n{self.body}\n}}\n"

    @property
    def start(self) -> str:
        """Return a file with one failing example."""
        launch = self.launches(np.random.default_rng(0))[0]
        example = (
            f"    // Example: {launch.grid} blocks of {launch.block} threads; "
            f"the result begins with {_flat(launch.expected.ravel()[:4])}."
        )
        return self.solution.replace(self.body, f"{example}\n    // Your code comes here.")


def cuda_kernel(
    name: str,
    task: str,
    parameters: str,
    body: str,
    launches: Callable[[np.random.Generator], list[Launch]],
    tolerance: float = 1e-5,
    include: str = "minigan.cuh",
) -> Kernel:
    """Return an exercise of the last chapter: a kernel with that name and those parameters."""
    header = f"KERNEL {name}({parameters})"
    return Kernel(name, "CUDA kernels", task, header, body, launches, tolerance, include)


def _written(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"np.array({np.round(value, 4).tolist()})"
    return repr(value)


def _flat(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_flat(item) for item in value)
    return str(np.round(np.asarray(value), 4).tolist())
