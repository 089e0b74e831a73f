"""A piece of the command, and its parts."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from minigan.experiments.pages import Table

Values = dict[str, Any]


class AbsentError(Exception):
    """Something that a part needs is not on this machine; the message says what, and what to bring."""


class FailedError(Exception):
    """A part ran, and its check failed; the message says how."""


class OutOfTimeError(Exception):
    """The time is over. A part that `kept` its state goes on in the next call; another one begins again."""

    def __init__(self, message: str, kept: bool = False) -> None:
        super().__init__(message)
        self.kept = kept


def _never() -> float:
    return float("inf")


@dataclass(frozen=True)
class Context:
    """The arguments of a part.

    `small` asks for sizes that a stand-in for a GPU can bear. `work` is a folder that is kept from call to call. `left` returns
    the seconds until the part has to stop. `say` takes a line of progress.
    """

    work: Path
    small: bool = False
    left: Callable[[], float] = _never
    say: Callable[[str], object] = print

    def within(self, seconds: float) -> Context:
        """Return the same with a time limit from now."""
        end = time.monotonic() + seconds
        return replace(self, left=lambda: end - time.monotonic())


@dataclass(frozen=True)
class Part:
    """One thing to measure.

    `seconds` is about how long it takes: with less time left it is not begun. After `limit` seconds it is taken to hang.
    """

    name: str
    measure: Callable[[Context], Values]
    seconds: float = 20
    limit: float = 300


@dataclass(frozen=True)
class Piece:
    """A question, its parts, and the table that answers it.

    `table` makes a table of the parts that were measured, by name; None if it would be empty.
    """

    name: str
    question: str
    parts: Sequence[Part]
    table: Callable[[Mapping[str, Values]], Table | None]
    plots: Mapping[Path, Callable[[Mapping[str, Values]], Any]] = field(default_factory=dict)

    def part(self, name: str) -> Part:
        """Return the part of that name."""
        return next(part for part in self.parts if part.name == name)


def need(module: str, wheel: str | None = None) -> Any:
    """Return a module; AbsentError names the wheel that has it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = wheel or module.partition(".")[0]
        raise AbsentError(f"{name} is missing ({error}); bring the wheel of {name}") from None


def has(module: str) -> bool:
    """Return whether a module can be imported."""
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def need_torch() -> Any:
    """Return PyTorch, which has to find a GPU."""
    torch = need("torch")
    if not torch.cuda.is_available():
        raise AbsentError("this PyTorch finds no GPU")
    return torch
