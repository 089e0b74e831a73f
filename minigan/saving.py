"""What an operation saves for its gradient: declared, watched, or refused.

An operation returns ``(output, vjp, saved)``. The memory of each saved array has a `Version`, which counts the writes to it:
a write between forward and backward is an error, never a wrong gradient.
"""

from __future__ import annotations

import array as python_arrays
import dis
import functools
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from minigan.devices import Device
from minigan.devices.memory import byte_range, layout, share_memory

Array = Any  # a NumPy or CuPy array: whatever the device's array module makes
VJP = Callable[[Array, tuple[bool, ...]], tuple[Array | None, ...]]
Result = tuple[Array, VJP | None] | tuple[Array, VJP | None, Sequence[Array | None]]

_NO_PARTS = (str, bytes, int, float, complex, type(None), type, ModuleType, Device, np.generic, np.dtype)  # fmt: skip
_NO_ARRAYS = (
    int,
    float,
    str,
    tuple,
    list,
    dict,
    type(None),
    np.generic,
    type,
)  # asked first, since it is fast


class Version:
    """How often the memory of a tensor, and of all its views, has been written in place.

    Two tensors that meet in memory by way of another library have a version each. `exchange` makes partners of them:
    a write to one counts for both.
    """

    __slots__ = ("__weakref__", "count", "partners", "reach")

    def __init__(self) -> None:
        self.count = 0
        self.reach: tuple[int, int] | None = None  # the first byte that was exchanged, and the end
        self.partners: weakref.WeakSet[Version] | None = None

    def mark_changed(self) -> None:
        self.count += 1
        for partner in self.partners or ():
            partner.count += 1


_exchanged: weakref.WeakSet[Version] = weakref.WeakSet()


def exchange(version: Version, array: Array) -> None:
    """Another library holds this memory too: find the tensors that already reach it this way."""
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
        if (
            other is not version
            and other.reach
            and first < other.reach[1]
            and other.reach[0] < last
        ):
            for one, another in ((version, other), (other, version)):
                one.partners = one.partners or weakref.WeakSet()
                one.partners.add(another)
    _exchanged.add(version)


class Saved(NamedTuple):
    """A tensor that an operation saved for its vjp, and its version at the time."""

    version: Version
    changes: int
    position: str


def watch(
    operation: str, vjp: VJP, saved: Iterable[Any], tensors: Sequence[tuple[str, Any]]
) -> tuple[Saved, ...]:
    """The tensors among `tensors`, (position, tensor), that a later write must not change.

    TypeError for a rule that keeps an array which it does not declare.
    """
    tensors = [*tensors, *(("saved tensor", s) for s in saved if _is_tensor(s))]
    declared = [_array(s) for s in saved if is_array(s)]  # a number needs no watching
    for name, kept in kept_arrays(vjp):
        if not any(kept is d or share_memory(kept, d) for d in declared):
            raise TypeError(
                f"{operation}: its vjp keeps the array '{name}', which is not declared; return (output, vjp, saved) "
                "with every array in `saved` that the vjp keeps"
            )
    return tuple(
        Saved(t._version, t._version.count, position)
        for position, t in tensors
        if any(share_memory(t.data, d) for d in declared)
    )


def kept_arrays(vjp: VJP) -> Iterator[tuple[str, Array]]:
    """Every array that a rule is seen to keep, with the name that it has there."""
    seen: set[int] = set()
    stack: list[tuple[str, Any]] = [("vjp", vjp)]
    while stack:
        name, value = stack.pop()
        if id(value) in seen or isinstance(value, _NO_PARTS):
            continue
        seen.add(id(value))
        if not isinstance(value, (FunctionType, tuple)) and is_array(value):
            if _array(value).size:
                yield name, _array(value)
        else:
            stack += _parts(name, value)


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What a value holds: a function its closure, defaults and globals, an object its attributes."""
    if isinstance(value, FunctionType):
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        yield from ((n, c.cell_contents) for n, c in cells if _is_assigned(c))
        yield from (("a default", d) for d in value.__defaults__ or ())
        yield from (value.__kwdefaults__ or {}).items()
        names = _global_names(value.__code__)
        held = ((n, value.__globals__[n]) for n in names if n in value.__globals__)
        yield from ((n, g) for n, g in held if not callable(g))
    elif isinstance(value, MethodType):
        yield from ((name, value.__self__), (name, value.__func__))
    elif isinstance(value, functools.partial):
        yield from ((name, part) for part in (value.func, value.args, value.keywords))
    elif isinstance(value, dict):
        yield from ((str(key), part) for key, part in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((name, part) for part in value)
    else:
        yield from getattr(value, "__dict__", {}).items()
        slots = (s for kind in type(value).__mro__ for s in getattr(kind, "__slots__", ()))
        yield from ((s, getattr(value, s)) for s in slots if hasattr(value, s))


def _is_assigned(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a variable that was never assigned
        return False


@functools.cache
def _global_names(code: CodeType) -> tuple[str, ...]:
    return tuple(i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL")


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "_version") and hasattr(value, "add_gradient")


def is_array(value: Any) -> bool:
    """Whether this is a tensor, or an array of any library; a NumPy scalar is a number, and none."""
    if isinstance(value, (np.ndarray, memoryview, python_arrays.array)):
        return True
    if isinstance(value, _NO_ARRAYS):
        return False
    names = ("__dlpack__", "__array__", "__cuda_array_interface__")
    return any(hasattr(value, name) for name in names)


def _array(value: Any) -> Array:
    return value if isinstance(value, np.ndarray) or not _is_tensor(value) else value.data
