"""Threads that change at every moment, so that a race shows."""

import sys
import threading
from collections.abc import Callable

THREADS = 8


def in_threads(function: Callable[[], object]) -> None:
    """Call a function in eight threads at once, and wait for all."""
    threads = [threading.Thread(target=function) for _ in range(THREADS)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
