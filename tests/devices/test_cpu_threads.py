"""The pool of threads that shares a kernel's work."""

import itertools
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba.core.compiler_lock import global_compiler_lock

from minigan.devices import get_device
from minigan.devices.cpu import memory
from minigan.devices.cpu.compile import announcing
from minigan.devices.cpu.threads import ThreadPool


def ranges_of(count: int, parts: int) -> list[tuple[int, int]]:
    """The ranges that a call is given, in order."""
    found: list[tuple[int, int]] = []
    ThreadPool().run(lambda begin, end: found.append((begin, end)), count, parts, ())
    return sorted(found)


@pytest.mark.parametrize("count", [1, 2, 7, 100])
@pytest.mark.parametrize("parts", [1, 2, 3, 5])
def test_parts_cover_the_range_once(count: int, parts: int) -> None:
    ranges = ranges_of(count, parts)
    assert len(ranges) == parts and ranges[0][0] == 0 and ranges[-1][1] == count
    assert all(one[1] == other[0] for one, other in itertools.pairwise(ranges))


def test_parts_run_side_by_side() -> None:
    """Each part waits for the others: in one thread none would end."""
    barrier = threading.Barrier(3, timeout=20)
    ThreadPool().run(lambda begin, end: barrier.wait(), 3, 3, ())
    assert not barrier.broken


def test_a_caller_in_a_thread_of_the_pool_runs_all_parts_itself() -> None:
    pool, inner = ThreadPool(), []

    def outer(begin: int, end: int) -> None:
        pool.run(lambda b, e: inner.append((b, e)), 4, 2, ())

    pool.run(outer, 2, 2, ())
    assert inner == [(0, 4), (0, 4)]


@pytest.mark.parametrize("where", [0, 1])
def test_an_error_of_any_part_reaches_the_caller(where: int) -> None:
    """After all parts have ended; and the pool serves the next call."""
    pool, ended = ThreadPool(), []

    def fails(begin: int, end: int) -> None:
        ended.append(begin)
        if begin == where:
            raise ValueError("part")

    with pytest.raises(ValueError, match="part"):
        pool.run(fails, 2, 2, ())
    assert sorted(ended) == [0, 1]
    pool.run(lambda begin, end: ended.append(end), 2, 2, ())
    assert sorted(ended) == [0, 1, 1, 2]


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def forked(work: Callable[[], bool]) -> bool:
    """Whether `work` is true in a forked process; one that hangs is killed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of a fork among threads
        child = os.fork()
    if child == 0:
        try:
            signal.alarm(20)
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@needs_fork
def test_a_forked_process_has_threads_too() -> None:
    device: Any = get_device("cpu")
    x = np.ones((300, 200), np.float32)
    expected = device.gemm(x, x, transpose_b=True)
    assert forked(lambda: bool((device.gemm(x, x, transpose_b=True) == expected).all()))


@needs_fork
def test_a_fork_while_another_thread_is_in_a_kernel() -> None:
    device: Any = get_device("cpu")
    x = np.ones((300, 200), np.float32)
    expected = device.gemm(x, x, transpose_b=True)
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            device.gemm(x, x, transpose_b=True)

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        for _ in range(10):
            assert forked(lambda: bool((device.gemm(x, x, transpose_b=True) == expected).all()))
            assert (device.gemm(x, x, transpose_b=True) == expected).all()
    finally:
        stop.set()
        thread.join()


@needs_fork
@pytest.mark.parametrize("lock", [memory.LOCK, announcing.lock, global_compiler_lock])
def test_a_fork_waits_for_a_lock_that_its_child_needs(lock: Any) -> None:
    """Another thread allocates, or compiles, at the time of the fork."""
    device: Any = get_device("cpu")
    held, released = threading.Event(), []

    def hold() -> None:
        lock.acquire()
        held.set()
        time.sleep(0.3)
        released.append(True)
        lock.release()

    def work() -> bool:
        with lock:
            pass
        return bool(device.empty((100, 100), np.float32).size and released)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    assert forked(work)
    thread.join()
