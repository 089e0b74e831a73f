"""Compile all kernels for a real type before they are needed, in two processes side by side.

Numba compiles under one lock, so threads gain nothing; a second process fills the same cache. Both take kernels from one list.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigan.devices.cpu.compile import (
    KERNELS,
    Kernel,
    announcing,
    kernel_folder,
    observing,
    tell_observers,
)


def prepare(dtype: Any, progress: Callable[[int, int, str], None] | None = None) -> None:
    """Compile the kernels for arrays of `dtype`, unless an earlier call, of any process, has.

    `progress` is called after each kernel: how many are done, of how many, and a name, here "". Those who look
    on (``compile.observing``) are told too.
    """
    if progress is None:
        _prepare(dtype)
        return
    with observing(lambda done, total: progress(done, total, "")):
        _prepare(dtype)


def _prepare(dtype: Any) -> None:
    dtype = np.dtype(dtype)
    folder = kernel_folder()
    finished = folder / f"{dtype.name}.complete" if folder else None
    if finished is not None and finished.exists():
        return
    with announcing():
        _compile_all(dtype, side_by_side=finished is not None and _cores() > 1)
    if finished is not None:
        with contextlib.suppress(OSError):
            finished.touch()


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _compile_all(dtype: np.dtype[Any], side_by_side: bool) -> None:
    kernels = _own_kernels()
    missing = deque(kernels)
    done = _Count(len(kernels))
    with _helper(missing, dtype, done) if side_by_side else contextlib.nullcontext():
        while missing:
            with contextlib.suppress(IndexError):  # the helper has taken the last one
                kernels[missing.popleft()].compile(dtype)
                done.add()
    tell_observers(done.total, done.total)  # the helper may have compiled the last one
    # those that the helper compiled are read, the others are compiled here
    for kernel in kernels.values():
        kernel.compile(dtype)


def _own_kernels() -> dict[str, Kernel]:
    """Return the CPU device's kernels by name, in the order of their definition; others may define more."""
    package = "minigan.devices.cpu."
    return {kernel.name: kernel for kernel in KERNELS if kernel.name.startswith(package)}


class _Count:
    """How many kernels are done, in both processes; observers are told by the calling thread alone."""

    def __init__(self, total: int) -> None:
        self.total, self.helped, self.own = total, 0, 0

    def add(self) -> None:
        self.own += 1
        tell_observers(self.own + self.helped, self.total)


@contextlib.contextmanager
def _helper(missing: deque[str], dtype: np.dtype[Any], done: _Count) -> Iterator[None]:
    """Return a process that compiles kernels of the list too, until it is empty."""
    command = [sys.executable, "-m", "minigan.devices.cpu.prepare", dtype.name]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        start_new_session=True,
    )  # fmt: skip

    def feed() -> None:
        assert process.stdin and process.stdout
        with contextlib.suppress(OSError, IndexError):  # it has died; the list is empty
            process.stdout.readline()  # it has started
            while True:
                process.stdin.write(f"{missing.pop()}\n")
                process.stdin.flush()
                if not process.stdout.readline():
                    break
                done.helped += 1

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        yield
        thread.join()
    finally:
        process.kill()
        process.communicate()


def _help(dtype: str) -> None:
    """Compile the kernels named on stdin, and say so after each."""
    kernels = _own_kernels()
    print("ready", flush=True)
    for line in sys.stdin:
        kernels[line.strip()].compile(dtype)
        print(line, end="", flush=True)


if __name__ == "__main__":
    _help(sys.argv[1])
