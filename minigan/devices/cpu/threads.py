"""The threads that share a kernel's work: Python threads which hold no lock while compiled code runs.

A kernel is a compiled function of a range of work, so any thread may run any part of it. The caller runs the first
part and the pool the others. The division among threads depends on the number of threads alone, never on timing.

Why not Numba's threads: with ``parallel=True`` the same loops take twice as long to compile. The
layer ``workqueue`` aborts when two Python threads enter it at once.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable
from typing import Any

import numba
from numba.core import config as numba_config
from numba.np.ufunc import parallel

from minigan.errors import SettingsError

config: Any = numba_config  # its attributes are made when it is loaded


def use_sleeping_layer() -> None:
    """Choose Numba's layer ``workqueue``, unless the user's own code has started another already.

    No kernel enters it. But Numba starts its threads to say how many there are, and those of OpenMP do not survive `fork`.
    """
    with contextlib.suppress(ValueError):
        parallel.threading_layer()  # raises ValueError while no layer runs
        return
    config.THREADING_LAYER = "workqueue"


def hold_while_forking(*locks: Any) -> None:
    """Let `fork` wait until no other thread has these locks, taken in that order: a child could never get them."""

    def release() -> None:
        for lock in reversed(locks):
            lock.release()

    def acquire() -> None:
        for lock in locks:
            lock.acquire()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=acquire, after_in_parent=release, after_in_child=release)


def thread_count() -> int:
    """Return the number of threads that share a kernel (``NUMBA_NUM_THREADS`` or ``numba.set_num_threads``)."""
    return _read_thread_count()()


@functools.cache
def _read_thread_count() -> Callable[[], int]:
    """Return the function that Numba's own calls, which takes no lock. It is there once the layer runs."""
    numba.get_num_threads()  # starts the layer
    read: Callable[[], int] = getattr(parallel, "_get_num_threads", numba.get_num_threads)
    return read


def set_thread_count(count: int) -> None:
    """Let `count` threads share a kernel that the calling thread runs.

    Raises:
        SettingsError: There are fewer cores.
    """
    most = int(config.NUMBA_NUM_THREADS)
    if not 1 <= count <= most:
        raise SettingsError(f"threads must be 1 to {most}, the cores that there are; not {count}")
    numba.set_num_threads(count)


class _Worker:
    """One thread, which sleeps until it is given a call."""

    def __init__(self) -> None:
        self._wake, self._done = threading.Lock(), threading.Lock()
        self._wake.acquire()
        self._done.acquire()
        self._call: Callable[[], Any] = lambda: None
        self._error: BaseException | None = None
        threading.Thread(target=self._work, name="minigan", daemon=True).start()

    def start(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._wake.release()

    def wait(self) -> BaseException | None:
        """Return the error of the call, when it has ended. KeyboardInterrupt is returned too, since arrays are in use until then."""
        interrupted: BaseException | None = None
        while True:
            try:
                self._done.acquire()
                return self._error or interrupted
            except KeyboardInterrupt as error:
                interrupted = error

    def _work(self) -> None:
        while True:
            self._wake.acquire()
            self._error = None
            try:
                self._call()
            except BaseException as error:
                self._error = error
            self._call = lambda: None  # it holds arrays
            self._done.release()


class ThreadPool:
    """Runs the parts of one call at a time; another caller meanwhile runs all parts itself."""

    def __init__(self) -> None:
        self._start_empty()
        if hasattr(os, "register_at_fork"):  # threads do not live on in a forked process
            os.register_at_fork(after_in_child=self._start_empty)

    def _start_empty(self) -> None:
        self._workers: list[_Worker] = []
        self._in_use = threading.Lock()

    def run(
        self, function: Callable[..., Any], count: int, parts: int, arguments: tuple[Any, ...]
    ) -> None:
        """Call function(begin, end, *arguments) for each of `parts` equal parts of 0 … count."""
        if parts <= 1 or not self._in_use.acquire(blocking=False):
            function(0, count, *arguments)
            return
        try:
            while len(self._workers) < parts - 1:
                self._workers.append(_Worker())
            self._share(function, count, parts, arguments)
        finally:
            self._in_use.release()

    def _share(
        self, function: Callable[..., Any], count: int, parts: int, arguments: tuple[Any, ...]
    ) -> None:
        errors: list[BaseException | None] = []
        started: list[_Worker] = []
        try:
            for part in range(1, parts):
                begin, end = count * part // parts, count * (part + 1) // parts
                call = functools.partial(function, begin, end, *arguments)
                self._workers[part - 1].start(call)
                started.append(self._workers[part - 1])
            function(0, count // parts, *arguments)
        finally:
            errors = [worker.wait() for worker in started]
        for error in errors:
            if error is not None:
                raise error


POOL = ThreadPool()
