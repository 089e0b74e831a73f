"""How the CPU's kernels are compiled, kept and called.

A kernel is a function of a range of work, ``kernel(begin, end, …)``, that Numba compiles as plain loops; ``threads.py``
shares the range among threads. The annotations of its arguments are the types it is compiled for.
`Vector`, `Matrix`, `Blocks` and `Images` are C-contiguous arrays of the device's real type. That is
float32 or float64, so there is one compilation for each. A kernel is compiled when it is first
called, or by `prepare` (``prepare.py``).

Compiled code is kept in a folder named by a hash of all the sources here: Numba itself would not notice a change in a
function that is called from another file.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import inspect
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minigan.caches import versioned_folder
from minigan.devices.cpu import threads
from minigan.devices.cpu.threads import POOL, config

Vector: TypeAlias = np.ndarray[Any, Any]
Matrix: TypeAlias = np.ndarray[Any, Any]
Blocks: TypeAlias = np.ndarray[Any, Any]
Images: TypeAlias = np.ndarray[Any, Any]
MatrixPair: TypeAlias = tuple[Matrix, Matrix]
Integers: TypeAlias = np.ndarray[Any, Any]
IntegerMatrix: TypeAlias = np.ndarray[Any, Any]
IntegerBlocks: TypeAlias = np.ndarray[Any, Any]
Reals: TypeAlias = np.ndarray[Any, Any]  # always float64
Words: TypeAlias = np.ndarray[Any, Any]
Bytes: TypeAlias = np.ndarray[Any, Any]
Sizes2: TypeAlias = tuple[int, ...]
Sizes4: TypeAlias = tuple[int, ...]
Sizes8: TypeAlias = tuple[int, ...]
Sizes10: TypeAlias = tuple[int, ...]

_REAL_ARRAYS = {"Vector": 1, "Matrix": 2, "Blocks": 3, "Images": 4}
_TYPES: dict[str, Any] = {
    "int": types.int64,
    "float": types.float64,
    "bool": types.boolean,
    "Integers": types.int64[::1],
    "IntegerMatrix": types.int64[:, ::1],
    "IntegerBlocks": types.int64[:, :, ::1],
    "Reals": types.float64[::1],
    "Words": types.uint32[:, ::1],
    "Bytes": types.uint8[:, ::1],
}

# No fast-math: results must not depend on how LLVM orders additions. The kernels need none of it to be
# vectorized: they add along rows, with a vector of channels side by side.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_MESSAGE_AFTER = 2.0  # seconds

SERIAL = sys.maxsize  # the grain of a kernel that one thread runs

KERNELS: list[Kernel] = []  # in the order of their definition

_observers: list[Observer] = []


@functools.cache
def kernel_folder() -> Path | None:
    """Return where compiled kernels are kept, or None where no folder can be written."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return versioned_folder("numba", digest.hexdigest()[:16])


@contextlib.contextmanager
def _our_cache() -> Iterator[bool]:
    """Point Numba at our folder while a function is decorated, and back: the user's own functions stay put."""
    folder = kernel_folder()
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder) if folder else before
    try:
        yield folder is not None
    finally:
        config.CACHE_DIR = before


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a piece of a kernel. It is compiled with each kernel that calls it, so it is not kept."""
    dispatcher: Callable[..., Any] = numba.njit(**_OPTIONS)(function)
    return dispatcher


class Kernel:
    """A compiled function of a range of work, called with the size of the range: ``kernel(count, …)``."""

    def __init__(self, function: Callable[..., Any], grain: int) -> None:
        functools.update_wrapper(self, function)
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.grain = grain
        with _our_cache() as cache:
            self.dispatcher: Any = numba.njit(cache=cache, **_OPTIONS)(function)
        self.parameters = list(inspect.signature(function).parameters.values())
        # The argument that tells the real type; there are kernels of whole numbers alone.
        self._real = next(
            (i for i, p in enumerate(self.parameters) if p.annotation in _REAL_ARRAYS), None
        )
        self._ready: dict[Any, int] = {}
        KERNELS.append(self)

    def __call__(self, count: int, *arguments: Any) -> None:
        dtype = None if self._real is None else arguments[self._real - 2].dtype
        if dtype not in self._ready:
            self.compile(dtype)
        parts = min(threads.thread_count(), count // self.grain)
        POOL.run(self.dispatcher, count, parts, arguments)

    def signature(self, dtype: Any) -> tuple[Any, ...]:
        """Numba's types of the arguments, for arrays of that real type."""
        real = None if self._real is None else numba.from_dtype(np.dtype(dtype))
        return tuple(_numba_type(p.annotation, real) for p in self.parameters)

    def compile(self, dtype: Any) -> None:
        """Compile for that real type, or read the kept code."""
        dtype = None if self._real is None else np.dtype(dtype)
        if dtype in self._ready:
            return
        with announcing():
            signature = self.signature(dtype)
            self.dispatcher.compile(signature)
        result = self.dispatcher.overloads[signature]
        self._ready[dtype] = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)

    def address(self, dtype: Any) -> int:
        """Return where the compiled code lies, for another kernel to call it through `pointer_call`."""
        self.compile(dtype)
        return self._ready[np.dtype(dtype)]


def _numba_type(annotation: str, real: Any) -> Any:
    if annotation in _REAL_ARRAYS:
        return types.Array(real, _REAL_ARRAYS[annotation], "C")
    if annotation == "MatrixPair":
        return types.UniTuple(_numba_type("Matrix", real), 2)
    if annotation.startswith("Sizes"):
        return types.UniTuple(types.int64, int(annotation[len("Sizes") :]))
    return _TYPES[annotation]


def kernel(grain: int = 1) -> Callable[[Callable[..., Any]], Kernel]:
    """Return a kernel in which a thread takes `grain` units of work or more."""
    return lambda function: Kernel(function, grain)


def pointer_call(callee: Kernel) -> Callable[..., Any]:
    """Return a function for kernels to call: ``call(address, (begin, end, …))`` runs `callee` where its code lies.

    So it is compiled once, where a direct call puts a copy into each kernel that makes it. The address is
    `callee.address(dtype)`, and the arrays in the tuple must have the types of the callee's annotations.
    """

    @intrinsic
    def call(typing_context: Any, address: Any, arguments: Any) -> Any:
        given = tuple(arguments)
        pairs = zip(given, callee.parameters, strict=True)
        real = next(kind.dtype for kind, p in pairs if p.annotation in _REAL_ARRAYS)
        expected = callee.signature(real.name)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            function = context.call_conv.get_function_type(types.none, expected)
            pointer = builder.inttoptr(values[0], function.as_pointer())
            unpacked = cgutils.unpack_tuple(builder, values[1])
            cast = [
                context.cast(builder, value, kind, other)
                for value, kind, other in zip(unpacked, given, expected, strict=True)
            ]
            context.call_conv.call_function(builder, pointer, types.none, expected, cast)
            return context.get_dummy_value()

        return types.none(types.int64, arguments), generate

    result: Callable[..., Any] = call
    return result


# -- telling people ------------------------------------------------------------------------------------

Observer = Callable[[int, int], None]


@contextlib.contextmanager
def observing(observer: Observer) -> Iterator[None]:
    """Call observer(done, total) while `prepare` compiles kernels, and print no line about it.

    An error of the observer ends the compilation.
    """
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def tell_observers(done: int, total: int) -> None:
    """Say how many kernels of `total` are compiled."""
    for observer in list(_observers):
        observer(done, total)


class _Announcer:
    """Prints one line on stderr when compilation has taken two seconds in all, in this process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._depth = 0
        self._seconds = 0.0
        self._said = False

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """While the block runs, kernels are compiled or read."""
        with self.lock:
            self._depth += 1
            outermost = self._depth == 1
        timer = threading.Timer(max(0.0, _MESSAGE_AFTER - self._seconds), self._say)
        timer.daemon = True
        started = time.perf_counter()
        if outermost and not self._said:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with self.lock:
                self._depth -= 1
                if outermost:
                    self._seconds += time.perf_counter() - started

    def _say(self) -> None:
        with self.lock:
            if self._said or _observers or os.environ.get("MINIGAN_QUIET"):
                return
            self._said = True
        where = f"; they are kept in {kernel_folder()}" if kernel_folder() else ""
        line = f"minigan: compiling kernels, once{where} (MINIGAN_QUIET=1 hides this line)"
        print(line, file=sys.stderr, flush=True)


announcing = _Announcer()
