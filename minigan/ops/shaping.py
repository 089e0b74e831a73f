"""Operations that move elements: their gradient moves them back."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigan.devices import Device
from minigan.operation import differentiable, explained
from minigan.ops.indexing import take
from minigan.ops.shared import axis_of, in_kernel_dtype, integer, integers
from minigan.ops.summation import unbroadcast
from minigan.saving import Array, Result, ShapeAndDtype
from minigan.tensor import Tensor

__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "concatenate",
    "expand_dims",
    "flatten",
    "flip",
    "matrix_transpose",
    "moveaxis",
    "pad",
    "repeat",
    "reshape",
    "roll",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "tile",
    "transpose",
    "unstack",
]


@differentiable
def _reshape(device: Device, x: Array, shape: tuple[int, ...]) -> Result:
    before = x.shape
    return x.reshape(shape), lambda dy, needs: (dy.reshape(before),)


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """Return the same elements, in the same order, in another shape; one length may be −1."""
    return _reshape(x, shape=_sequence(shape))


@explained
def flatten(x: Tensor, start_axis: int = 0) -> Tensor:
    """Return all axes from `start_axis` on joined into one."""
    start = _axis(x, start_axis, "flatten") if x.ndim else 0
    return reshape(x, *x.shape[:start], math.prod(x.shape[start:]))


@differentiable
def _transpose(device: Device, x: Array, axes: tuple[int, ...]) -> Result:
    inverse = tuple(sorted(range(len(axes)), key=axes.__getitem__))
    return x.transpose(axes), lambda dy, needs: (dy.transpose(inverse),)


def transpose(x: Tensor, *axes: Any) -> Tensor:
    """Return the axes in the order given, or reversed.

    Args:
        axes: every axis once, as numbers or as one sequence. Without them the order is reversed.

    Raises:
        ValueError: the axes are no order of x's.
    """
    order = _sequence(axes) or tuple(reversed(range(x.ndim)))
    positions = tuple(_axis(x, a, "transpose") for a in order)
    if sorted(positions) != list(range(x.ndim)):
        raise ValueError(
            f"transpose: axes {order} are not an order of the {x.ndim} axes of {x.shape}"
        )
    return _transpose(x, axes=positions)


def swapaxes(x: Tensor, first: int, second: int) -> Tensor:
    """Return x with two axes exchanged.

    Args:
        first: one of the axes.
        second: the other.

    Raises:
        ValueError: x lacks one of them.
    """
    order = list(range(x.ndim))
    first, second = _axis(x, first, "swapaxes"), _axis(x, second, "swapaxes")
    order[first], order[second] = second, first
    return transpose(x, order)


def moveaxis(x: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Return x with an axis, or each of several, moved; the others stay in order.

    Args:
        source: the axis, or the axes, to move.
        destination: the place of each in the result.

    Raises:
        ValueError: an axis is unknown, a source or a destination is named twice, or the two differ in number.
    """
    sources = [_axis(x, a, "moveaxis") for a in _sequence((source,))]
    destinations = [_axis(x, a, "moveaxis") for a in _sequence((destination,))]
    if not len(sources) == len(destinations) == len(set(sources)) == len(set(destinations)):
        raise ValueError(
            f"moveaxis: {source} and {destination} are as many axes, each named once on either side"
        )
    order = [a for a in range(x.ndim) if a not in sources]
    for place, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(place, axis)
    return transpose(x, order)


@differentiable
def squeeze(device: Device, x: Array, axis: int | tuple[int, ...] | None = None) -> Result:
    """Without its axes of length 1, or without the given ones."""
    before = x.shape
    return device.array_module.squeeze(x, axis), lambda dy, needs: (dy.reshape(before),)


@differentiable
def expand_dims(device: Device, x: Array, axis: int | tuple[int, ...]) -> Result:
    """Return the tensor with a new axis of length 1 at each given position."""
    before = x.shape
    return device.array_module.expand_dims(x, axis), lambda dy, needs: (dy.reshape(before),)


@differentiable
def _broadcast_to(device: Device, x: Array, shape: tuple[int, ...]) -> Result:
    like = ShapeAndDtype(x)
    return device.array_module.broadcast_to(x, shape), lambda dy, needs: (
        unbroadcast(device, dy, like),
    )


def broadcast_to(x: Tensor, *shape: Any) -> Tensor:
    """x repeated to that shape, by NumPy's rules: a view."""
    return _broadcast_to(x, shape=_sequence(shape))


@differentiable
def _concatenate(device: Device, *arrays: Array, axis: int) -> Result:
    lengths = [a.shape[axis] for a in arrays]
    ends = list(itertools.accumulate(lengths))

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        before = (slice(None),) * (axis % dy.ndim)
        return tuple(
            dy[(*before, slice(end - length, end))] if needed else None
            for needed, end, length in zip(needs, ends, lengths, strict=True)
        )

    one_kind = len({(a.dtype, a.shape[1:]) for a in arrays}) == 1
    if axis == 0 and one_kind and in_kernel_dtype(arrays[0]):
        return device.concatenate_rows([device.contiguous(a) for a in arrays]), vjp
    return device.array_module.concatenate(arrays, axis=axis), vjp


@explained
def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Return the tensors one after another along an axis; their other lengths are equal.

    Args:
        tensors: at least one tensor; the result has a dtype that holds all of theirs.

    Raises:
        ValueError: there is no tensor, they lack the axis, or other lengths differ.
    """
    if len(tensors) == 0:
        raise ValueError("concatenate: there is no tensor to begin with")
    axis = _axis(tensors[0], axis, "concatenate")
    dtype = np.result_type(*(t.dtype for t in tensors))
    return _concatenate(*(t if t.dtype == dtype else t.astype(dtype) for t in tensors), axis=axis)


@explained
def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Return the tensors, all of one shape, along a new axis.

    Args:
        tensors: at least one tensor; the result has a dtype that holds all of theirs.

    Raises:
        ValueError: the shapes differ, there is no tensor, or the axis is out of range.
    """
    if len(tensors) == 0:
        raise ValueError("stack: there is no tensor; give one or more")
    if len({t.shape for t in tensors}) != 1:
        raise ValueError(f"stack: the shapes differ: {', '.join(str(t.shape) for t in tensors)}")
    return concatenate([expand_dims(t, axis=axis) for t in tensors], axis)


@explained
def split(x: Tensor, sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """`sections` equal pieces along an axis, or pieces that end at the given positions, as NumPy's.

    Args:
        sections: the number of pieces, or the positions between them.

    Raises:
        ValueError: the axis does not divide by the number of pieces, or x lacks it.
    """
    axis = _axis(x, axis, "split")
    length = x.shape[axis]
    if not isinstance(sections, (Sequence, np.ndarray)):
        sections = integer(sections, "split: sections")
        if sections < 1 or length % sections:
            raise ValueError(f"split: axis {axis} of {x.shape} does not divide by {sections}")
        cuts = [length // sections * i for i in range(sections + 1)]
    else:
        cuts = [0, *sections, length]
    before = (slice(None),) * axis
    return [x[(*before, slice(a, b))] for a, b in itertools.pairwise(cuts)]


@explained
def unstack(x: Tensor, axis: int = 0) -> list[Tensor]:
    """Return the slices of x along an axis, without that axis; x is first's, second's, … `stack`."""
    before = (slice(None),) * _axis(x, axis, "unstack")
    return [x[(*before, i)] for i in range(x.shape[axis])]


@differentiable
def pad(device: Device, x: Array, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Result:
    """x with `value` before and after it: a pair of widths for each axis.

    Args:
        widths: (before, after) for each axis, none negative.
        value: the value of the new elements.

    Raises:
        ValueError: there is not one pair for each axis, or a width is negative.
    """
    if len(widths) != x.ndim:
        raise ValueError(f"there are {len(widths)} pairs of widths for {x.ndim} axes")
    inner = tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape, strict=True))
    padded = device.array_module.pad(x, widths, constant_values=value)
    return padded, lambda dy, needs: (dy[inner],)


@differentiable
def flip(device: Device, x: Array, axis: int | tuple[int, ...] | None = None) -> Result:
    """Return the elements in reverse order along the axes (all of them for None)."""
    xp = device.array_module
    return xp.flip(x, axis), lambda dy, needs: (xp.flip(dy, axis),)


@differentiable
def roll(
    device: Device,
    x: Array,
    shift: int | tuple[int, ...],
    axis: int | tuple[int, ...] | None = None,
) -> Result:
    """Move the elements on by `shift` along the axis, the last ones first again; None: along x flattened."""
    xp = device.array_module
    back = tuple(-n for n in shift) if isinstance(shift, tuple) else -shift
    return xp.roll(x, shift, axis), lambda dy, needs: (xp.roll(dy, back, axis),)


@explained
def repeat(x: Tensor, repeats: int | Sequence[int], axis: int | None = None) -> Tensor:
    """Repeat each element `repeats` times along an axis: a, a, b, b, …; None: of x flattened."""
    if axis is None:
        x, axis = flatten(x) if x.ndim else reshape(x, 1), 0
    axis = _axis(x, axis, "repeat")
    if not isinstance(repeats, int | np.integer):
        return take(x, np.repeat(np.arange(x.shape[axis]), np.asarray(repeats)), axis)
    wide = broadcast_to(
        expand_dims(x, axis=axis + 1), *x.shape[: axis + 1], repeats, *x.shape[axis + 1 :]
    )
    return reshape(wide, *x.shape[:axis], x.shape[axis] * int(repeats), *x.shape[axis + 1 :])


@explained
def tile(x: Tensor, repeats: int | Sequence[int]) -> Tensor:
    """Return the whole tensor repeated along each axis: a, b, a, b, ….

    Args:
        repeats: how often, for each axis, or one number for the last axis. With fewer numbers than axes, the
            first axes are not repeated. With more, new axes come first.
    """
    counts = _sequence((repeats,))
    axes = max(len(counts), x.ndim)
    counts = (1,) * (axes - len(counts)) + counts
    shape = (1,) * (axes - x.ndim) + x.shape
    apart = reshape(x, tuple(n for length in shape for n in (1, length)))
    wide = broadcast_to(apart, tuple(n for pair in zip(counts, shape, strict=True) for n in pair))
    return reshape(wide, tuple(n * m for n, m in zip(counts, shape, strict=True)))


@explained
def matrix_transpose(x: Tensor) -> Tensor:
    """Swap the last two axes."""
    return swapaxes(x, -1, -2)


def broadcast_arrays(*tensors: Tensor) -> list[Tensor]:
    """Broadcast the tensors to the shape that they have together."""
    shape = np.broadcast_shapes(*(t.shape for t in tensors))
    return [broadcast_to(t, shape) for t in tensors]


def _axis(x: Tensor, axis: int, operation: str) -> int:
    """Return the axis, counted from the first."""
    try:
        return axis_of(x.ndim, axis)
    except ValueError:
        raise ValueError(
            f"{operation}: axis {axis} is not one of the {x.ndim} axes of {x.shape}"
        ) from None


def _sequence(values: tuple[Any, ...]) -> tuple[int, ...]:
    """Return (2, 3) from f(2, 3), f((2, 3)) or f([2, 3])."""
    return integers(values, "a length or an axis")
