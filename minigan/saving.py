"""What an operation saves for its gradient: declared, watched, or refused.

An operation returns ``(output, vjp, saved)``. The memory of each saved array has a `Version`, which
counts the writes to it. So a write between forward and backward is an error, never a wrong
gradient.
"""

from __future__ import annotations

import array as python_arrays
import dis
import functools
import weakref
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from minigan.devices import Device
from minigan.devices.memory import byte_range, is_on_gpu, layout, share_memory

Array = Any  # a NumPy or CuPy array: any array of the device's array module
VJP = Callable[[Array, tuple[bool, ...]], tuple[Array | None, ...]]
Result = tuple[Array, VJP | None] | tuple[Array, VJP | None, Sequence[Array | None]]


class ShapeAndDtype:
    """Shape and dtype of an operand; the rule does not need its values."""

    __slots__ = ("dtype", "shape")

    def __init__(self, operand: Any) -> None:
        self.shape = getattr(operand, "shape", ())
        self.dtype = getattr(operand, "dtype", None)


# values that a rule may keep unnamed, since they hold no array
_NO_PARTS = (
    *(str, bytes, int, float, complex, type(None), np.generic, np.dtype),
    *(type, ModuleType, Device, ShapeAndDtype),
)
_ARRAYS = (memoryview, python_arrays.array)  # arrays without an array's methods


class Version:
    """How often the memory of a tensor, and of all its views, has been written in place.

    Two tensors that meet in memory by way of another library have a version each. `exchange` makes partners of them:
    a write to one counts for both. What another library writes is not counted.
    """

    __slots__ = ("__weakref__", "count", "partners", "reach", "readers", "written_outside")

    def __init__(self) -> None:
        self.count = 0
        self.readers = 0  # the nodes that saved this memory and were not walked yet
        self.written_outside = False  # whether another library can write to it
        self.reach: tuple[int, int] | None = None  # the first byte that was exchanged, and the end
        self.partners: weakref.WeakSet[Version] | None = None

    def mark_changed(self) -> None:
        self.count += 1
        for partner in self.partners or ():
            partner.count += 1


_exchanged: weakref.WeakSet[Version] = weakref.WeakSet()


def exchange(version: Version, array: Array, *, writable: bool = True) -> None:
    """Note that another library holds this memory too, and find the tensors that already reach it so."""
    version.written_outside |= writable
    described = layout(array)
    if described is None:
        return
    first, last = byte_range(described)
    if version.reach is not None:
        first, last = min(first, version.reach[0]), max(last, version.reach[1])
    if version.reach == (first, last):
        return
    version.reach = first, last
    for other in list(_exchanged):
        assert other.reach is not None  # it was exchanged
        if other is not version and first < other.reach[1] and other.reach[0] < last:
            for one, another in ((version, other), (other, version)):
                one.partners = one.partners or weakref.WeakSet()
                one.partners.add(another)
    _exchanged.add(version)


class Saved(NamedTuple):
    """A tensor that an operation saved for its vjp, and its version at the time."""

    version: Version
    changes: int
    position: str
    shared: np.ndarray | None  # the memory, if another library can write to it
    checksum: int

    def is_unchanged(self) -> bool:
        """Return whether the memory holds what it held when it was saved."""
        return self.version.count == self.changes and _checksum(self.shared) == self.checksum


def _checksum(memory: np.ndarray | None) -> int:
    return 0 if memory is None else zlib.crc32(np.ascontiguousarray(memory).data)


Watched = tuple[tuple[Saved, ...], list[Array]]


def watch(
    operation: str, vjp: VJP, saved: Iterable[Any], inputs: Sequence[Any], output: Any
) -> Watched:
    """Return the tensors that no write may change before the backward pass, and the arrays that the rule reads.

    TypeError for a rule that keeps an array which it does not declare.
    """
    kept = [s for s in saved if is_array(s)]  # a number needs no watching
    declared = [_array(s) for s in kept]
    for name, array in kept_arrays(vjp, declared):
        if not _shares_memory(array, declared):
            raise TypeError(
                f"{operation}: its vjp keeps the array '{name}', which is not declared; return (output, vjp, saved) "
                "with every array in `saved` that the vjp keeps"
            )
    tensors = [(f"input {i}", t) for i, t in enumerate(inputs, 1) if t is not None]
    tensors.append(("output", output))
    tensors += [("saved tensor", s) for s in kept if is_tensor(s)]
    watched = [_saved(t, position) for position, t in tensors if _shares_memory(t.data, declared)]
    return tuple(watched), declared


def _saved(tensor: Any, position: str) -> Saved:
    version, array = tensor._version, tensor.data
    on_host = version.written_outside and isinstance(array, np.ndarray)
    shared = array if on_host else None
    return Saved(version, version.count, position, shared, _checksum(shared))


def _shares_memory(array: Array, others: list[Array]) -> bool:
    """Return whether a write to one of the others may change this array."""
    return any(array is o for o in others) or any(share_memory(array, o) for o in others)


def kept_arrays(vjp: VJP, known: Sequence[Array] = ()) -> list[tuple[str, Array]]:
    """Return every array but the known ones that a rule is seen to keep, with the name that it has there."""
    found: list[tuple[str, Array]] = []
    seen = {id(array) for array in known}
    stack: list[tuple[str, Any]] = [("vjp", vjp)]
    while stack:
        for name, value in _parts(*stack.pop()):
            kind = type(value)
            if _holds_nothing(kind) or id(value) in seen:  # type: ignore[arg-type]
                continue
            seen.add(id(value))
            if not is_array(value):
                stack.append((name, value))
            elif getattr(_array(value), "size", 1):  # a memoryview has none
                found.append((name, _array(value)))
    return found


@functools.cache
def _holds_nothing(kind: type) -> bool:
    return issubclass(kind, _NO_PARTS)


def _parts(name: str, value: Any) -> Iterable[tuple[str, Any]]:
    """Return the parts of a value: a function its closure, defaults and globals, an object its attributes."""
    if isinstance(value, FunctionType):
        return _parts_of_function(value)
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [(name, part) for part in value]
    if hasattr(value, "__self__"):  # a method, of Python or built in
        return ((name, value.__self__), (name, getattr(value, "__func__", None)))
    if isinstance(value, functools.partial):
        return [(name, part) for part in (value.func, value.args, value.keywords)]
    if isinstance(value, (dict, MappingProxyType)):
        keys = [(name, key) for key in value]
        return [*keys, *((str(key), part) for key, part in value.items())]
    slots = [(s, getattr(value, s, None)) for s in _slots(type(value))]  # type: ignore[arg-type]
    return [*getattr(value, "__dict__", {}).items(), *slots]


def _parts_of_function(function: FunctionType) -> list[tuple[str, Any]]:
    code, parts = function.__code__, [*vars(function).items()]
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            parts.append((name, cell.cell_contents))
        except ValueError:  # a variable that was never assigned
            continue
    held = function.__globals__
    for name in _global_names(code):
        if name in held and not callable(held[name]):
            parts.append((name, held[name]))
    if function.__defaults__:
        parts += [("a default", default) for default in function.__defaults__]
    if function.__kwdefaults__:
        parts += function.__kwdefaults__.items()
    return parts


@functools.cache
def _slots(kind: type) -> tuple[str, ...]:
    return tuple(s for base in kind.__mro__ for s in getattr(base, "__slots__", ()))


@functools.cache
def _global_names(code: CodeType) -> tuple[str, ...]:
    """Return the globals that a function reads: known once for all the closures of one code."""
    return tuple({i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"})


def is_tensor(value: Any) -> bool:
    return hasattr(value, "_version") and hasattr(value, "add_gradient")


def is_array(value: Any) -> bool:
    """Return whether this is a tensor, or an array of any library; a NumPy scalar is a number, and none."""
    kind = type(value)
    return _is_array_type(kind) or (not _holds_nothing(kind) and is_on_gpu(value))  # type: ignore[arg-type]


@functools.cache
def _is_array_type(kind: type) -> bool:
    if issubclass(kind, np.generic):  # it has an array's methods, and is a number
        return False
    names = ("__dlpack__", "__array__", "__cuda_array_interface__")
    return issubclass(kind, _ARRAYS) or any(hasattr(kind, name) for name in names)


def _array(value: Any) -> Array:
    return value.data if is_tensor(value) else value
