"""Ctrl-C while kernels compile: the process ends at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from minigan.errors import INTERRUPTED

_NONE = b"\0"  # no signal: the block has ended


@contextmanager
def ending_at_once(clean_up: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C end the process within the block, after `clean_up`. The block must leave nothing half-written.

    A handler of Python's waits until LLVM returns, and Numba drops its exception now and then. So a thread waits
    for the byte that Python writes when the signal comes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def watch() -> None:
        while (byte := os.read(reading, 1)) != _NONE:
            if byte[0] == signal.SIGINT:
                clean_up()
                print("minigan: interrupted", file=sys.stderr, flush=True)
                os._exit(INTERRUPTED)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    handler = signal.signal(signal.SIGINT, lambda number, frame: None)
    former = signal.set_wakeup_fd(writing)
    try:
        yield
    finally:
        signal.set_wakeup_fd(former)
        signal.signal(signal.SIGINT, handler)
        os.write(writing, _NONE)
        watcher.join()
        os.close(reading)
        os.close(writing)
