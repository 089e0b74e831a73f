"""Whether operations are recorded for a backward pass, and what observes them."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


class Mode(threading.local):
    """How operations of this thread run: whether they are recorded (`no_grad`), and what observes them (`tracing`)."""

    recording = True
    observer: Any = None


mode = Mode()


class no_grad(threading.local):  # noqa: N801 - a function's name, as PyTorch's
    """Within this block operations are not recorded, so nothing is saved for a backward pass.

    It is of this thread alone. ``@mg.no_grad()`` does the same for a function.

    Raises:
        TypeError: what it decorates is a generator or a coroutine, which runs after its call.
    """

    def __init__(self) -> None:
        self._before: list[bool] = []  # for each entry that was not left yet

    def __enter__(self) -> None:
        self._before.append(mode.recording)
        mode.recording = False

    def __exit__(self, *error: object) -> None:
        mode.recording = self._before.pop()

    def __reduce__(self) -> tuple[Any, ...]:
        return no_grad, ()

    def __call__(self, function: Function) -> Function:
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            raise TypeError(
                f"no_grad: {function.__name__} runs after its call, so write `with mg.no_grad():` in it"
            )

        @functools.wraps(function)
        def call(*arguments: Any, **settings: Any) -> Any:
            with no_grad():
                return function(*arguments, **settings)

        return call  # type: ignore[return-value]
