"""How the CPU's kernels are compiled, cached and run: Numba, with one pool of threads that owns the cores.

Who owns the cores. Numba's pool runs every parallel kernel, and no kernel calls a library that has
threads of its own (products are ``gemm.py``'s). The pool's layer is ``workqueue``: its idle
threads sleep, where those of GNU OpenMP spin after each region and halve the speed of whatever runs
next, and it does not break under ``fork``. It aborts the process when two Python threads enter it at
once, so parallel kernels take one lock.

Compiled code is cached under a folder named by a hash of all the sources here: Numba itself would
not notice a change in a function that is called from another file.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
from numba.core import config as numba_config
from numba.np.ufunc.parallel import threading_layer

from minigan.files import cache_folder

config: Any = numba_config  # whose attributes are made when it is loaded

# No fast-math: Numba keeps a copy of a helper in each kernel that calls it, and with freedom to reorder, the
# copies that run after a fresh compilation and after a cached one differ in the last bit. The kernels
# need none of it to be vectorized: they add along rows, with a vector of channels side by side.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_pool_lock = threading.RLock()


def use_own_pool() -> None:
    """Choose the ``workqueue`` layer, unless the user's own Numba code has started another already."""
    with contextlib.suppress(ValueError):
        threading_layer()  # raises ValueError while no layer runs
        return
    config.THREADING_LAYER = "workqueue"


def thread_count() -> int:
    """The number of threads that parallel kernels use (``numba.set_num_threads`` changes it)."""
    return int(numba.get_num_threads())


@functools.cache
def cache_directory() -> Path | None:
    """Where compiled kernels are kept, or None where no folder can be written."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return cache_folder(f"numba/{digest.hexdigest()[:16]}")


@contextlib.contextmanager
def _our_cache(folder: str) -> Iterator[bool]:
    """Point Numba at a folder of ours while a function is decorated, and back: the user's own stay put."""
    directory = cache_directory()
    before = config.CACHE_DIR
    config.CACHE_DIR = str(directory / folder) if directory else before
    try:
        yield directory is not None
    finally:
        config.CACHE_DIR = before


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A serial kernel, or a piece of one."""
    with _our_cache("serial") as cache:
        dispatcher: Callable[..., Any] = numba.njit(cache=cache, **_OPTIONS)(function)
    return dispatcher


def parallel(function: Callable[..., Any]) -> Callable[..., Any]:
    """A kernel whose ``prange`` loops run on the pool, one caller at a time.

    With one thread they are plain loops: to hand work to the pool's one thread and wait for it takes some 20 µs, which is most of
    a small kernel's time. (Numba's cache does not tell the two compilations apart, so each has a folder.)
    """
    serial = compiled(function)
    with _our_cache("parallel") as cache:
        dispatcher = numba.njit(parallel=True, cache=cache, **_OPTIONS)(function)

    @functools.wraps(function)
    def launch(*arguments: Any) -> Any:
        if thread_count() == 1:
            return serial(*arguments)
        with _pool_lock:
            return dispatcher(*arguments)

    return launch
