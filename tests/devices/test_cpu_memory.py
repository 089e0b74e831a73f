"""The CPU's pool of buffers: lent again when the last reference is gone, and never before."""

import gc
import math
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigan.devices.cpu import memory
from minigan.devices.cpu.memory import Pool

Array = np.ndarray[Any, Any]
LARGE = (64, 80)  # large enough to be lent, in any dtype
CACHE_LINE = 64  # bytes


@pytest.fixture
def pool() -> Pool:
    return Pool()


def address(array: Array) -> int:
    return int(array.ctypes.data)


def test_memory_is_used_again_when_its_array_is_gone(pool: Pool) -> None:
    first = pool.empty(LARGE, np.float64)
    place, size = address(first), first.nbytes
    del first
    second = pool.empty(LARGE, np.float64)
    assert address(second) == place
    assert pool.allocated_bytes == size
    third = pool.empty(LARGE, np.float64)  # while the second is alive
    assert not np.shares_memory(second, third)
    assert pool.allocated_bytes == 2 * size


def test_only_the_number_of_bytes_counts(pool: Pool) -> None:
    first = pool.empty((64, 80), np.float64)
    place = address(first)
    del first
    second = pool.empty((40, 256), np.float32)  # as many bytes
    assert address(second) == place
    del second
    other = pool.empty((64, 81), np.float64)
    assert pool.allocated_bytes == (64 * 80 + 64 * 81) * 8
    del other


VIEWS: dict[str, Callable[[Array], Any]] = {
    "part": lambda a: a[10:11, 3],
    "reshape": lambda a: a.reshape(-1),
    "transpose": lambda a: a.T,
    "other dtype": lambda a: a.view(np.uint8),
    "broadcast": lambda a: np.broadcast_to(a, (2, *a.shape)),
    "view of a view": lambda a: a.T.reshape(-1, order="F")[5:].view(np.int64)[2:3],
    "memoryview": memoryview,
    "frombuffer": lambda a: np.frombuffer(a, np.float64),
    "dlpack": np.from_dlpack,
    "asarray": lambda a: np.asarray(a, a.dtype),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_keeps_the_memory(pool: Pool, view: Callable[[Array], Any]) -> None:
    array = pool.empty(LARGE, np.float64)
    array[:] = 5.0
    place = address(array)
    held = view(array)
    before = bytes(held)
    del array
    others = [pool.empty(LARGE, np.float64) for _ in range(3)]
    for other in others:
        other[:] = 7.0
    assert place not in map(address, others)
    assert bytes(held) == before
    del held
    assert address(pool.empty(LARGE, np.float64)) == place


def test_a_cycle_gives_its_memory_back_when_it_is_collected(pool: Pool) -> None:
    array = pool.empty(LARGE, np.float64)
    place = address(array)
    cycle: list[Any] = [array]
    cycle.append(cycle)
    del array, cycle
    gc.collect()
    assert address(pool.empty(LARGE, np.float64)) == place


@given(
    shape=st.lists(st.integers(0, 40), max_size=3).map(tuple),
    dtype=st.sampled_from([np.uint8, np.uint32, np.float32, np.float64]),
)
def test_every_shape(shape: tuple[int, ...], dtype: Any) -> None:
    pool = Pool()
    for _ in range(2):  # fresh memory, then the same memory again
        array = pool.empty(shape, dtype)
        assert (array.shape, array.dtype) == (shape, dtype)
        assert array.flags.c_contiguous and array.flags.writeable and array.flags.aligned
        if pool.allocated_bytes:  # lent, not NumPy's own
            assert address(array) % CACHE_LINE == 0
            assert array.nbytes <= pool.allocated_bytes < array.nbytes + CACHE_LINE
        array[...] = 1
        assert array.sum(dtype=np.float64) == math.prod(shape)
        del array


@pytest.mark.parametrize("shape", [(), (0,), (3,), (0, 10**6), (10**6, 0, 5)])
def test_small_and_empty_arrays_are_numpys_own(pool: Pool, shape: tuple[int, ...]) -> None:
    array = pool.empty(shape, np.float32)
    assert array.shape == shape
    assert pool.allocated_bytes == 0


def test_sizes_at_the_edges_are_whole(pool: Pool) -> None:
    """A buffer can be written to its last byte, where a cache line is left over too."""
    sizes = [4095, 4096, 4097, 4096 + 63, 4096 + 64, 4096 + 65]
    for _ in range(2):
        arrays = [pool.empty((size,), np.uint8) for size in sizes for _ in range(3)]
        for i, array in enumerate(arrays):
            array[:] = i
        assert all((array == i).all() for i, array in enumerate(arrays))
        for i, a in enumerate(arrays):
            assert not any(np.shares_memory(a, b) for b in arrays[:i])
        del arrays, array, a


def test_clear_gives_free_memory_back_to_the_system(pool: Pool) -> None:
    tracemalloc.start()
    try:
        shape = (1000, 1000)
        kept, freed = pool.empty(shape, np.float64), pool.empty(shape, np.float64)
        kept[:] = 3.0
        size, place = kept.nbytes, address(kept)
        del freed
        before = tracemalloc.get_traced_memory()[0]
        pool.clear()
        assert before - tracemalloc.get_traced_memory()[0] > 0.9 * size
    finally:
        tracemalloc.stop()
    assert (kept == 3.0).all()
    other = pool.empty(shape, np.float64)
    assert not np.shares_memory(kept, other)
    assert pool.allocated_bytes == 3 * size  # all that it ever took
    del kept
    assert address(pool.empty(shape, np.float64)) == place  # lent before, and taken back after


def test_two_pools_share_nothing() -> None:
    first, second = Pool(), Pool()
    array = first.empty(LARGE, np.float64)
    place = address(array)
    del array
    assert address(second.empty(LARGE, np.float64)) != place


def test_threads_never_get_the_same_memory(pool: Pool) -> None:
    wrong: list[Any] = []
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait()
        for _ in range(400):
            arrays = [pool.empty(LARGE, np.uint8) for _ in range(3)]
            for k, array in enumerate(arrays):
                array[:] = 10 * number + k
            wrong.extend(a for k, a in enumerate(arrays) if not (a == 10 * number + k).all())

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    taken = pool.allocated_bytes
    buffers = taken // math.prod(LARGE)
    # What lived at once: a thread's three arrays of the round before wait until their name has new ones.
    assert 3 <= buffers <= 4 * 6
    again = [pool.empty(LARGE, np.uint8) for _ in range(buffers)]
    assert len(set(map(address, again))) == buffers
    assert pool.allocated_bytes == taken  # not one was lost


def test_what_is_kept_unused_is_bounded_and_the_longest_unused_goes_first() -> None:
    size = 2**16
    pool = Pool(limit=4 * size)
    for k in range(20):  # each of another size: nothing is used again
        del_me = pool.empty((size + 64 * k,), np.uint8)
        del del_me
        assert pool.free_bytes <= pool.limit
    taken = pool.allocated_bytes
    newest = pool.empty((size + 64 * 19,), np.uint8)
    assert pool.allocated_bytes == taken  # kept
    oldest = pool.empty((size,), np.uint8)
    assert pool.allocated_bytes == taken + size  # given back
    del newest, oldest


def test_a_buffer_over_the_limit_goes_back_at_once() -> None:
    pool = Pool(limit=2**20)
    tracemalloc.start()
    try:
        large = pool.empty((2**22,), np.uint8)
        before = tracemalloc.get_traced_memory()[0]
        del large
        assert before - tracemalloc.get_traced_memory()[0] > 0.9 * 2**22
    finally:
        tracemalloc.stop()
    assert pool.free_bytes == 0


def test_short_memory_is_freed_and_the_allocation_tried_once_more(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system can hold one array of that size: the one that the pool keeps is in the way."""
    kept = pool.empty((2**16,), np.uint8)
    del kept
    allocate = memory._Buffer

    def short(size: int) -> Any:
        if pool.free_bytes:
            raise MemoryError
        return allocate(size)

    monkeypatch.setattr(memory, "_Buffer", short)
    assert pool.empty((2**17,), np.uint8).shape == (2**17,)
    assert pool.free_bytes in {0, 2**17}
    monkeypatch.setattr(memory, "_Buffer", lambda size: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(MemoryError):
        pool.empty((2**18,), np.uint8)
