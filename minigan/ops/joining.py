"""Tensors joined, split, padded, repeated, and moved along an axis: their gradient moves back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from minigan.devices import Device
from minigan.operation import as_tensor, differentiable, explained, first_device
from minigan.ops.indexing import take
from minigan.ops.shaping import broadcast_to, expand_dims, flatten, reshape
from minigan.ops.shared import Axis, check_fits, checked_axis, in_kernel_dtype, integer, integers
from minigan.saving import Array, Result
from minigan.tensor import Tensor

__all__ = ["concatenate", "flip", "pad", "repeat", "roll", "split", "stack", "tile", "unstack"]


@differentiable
def _concatenate(device: Device, *arrays: Array, axis: int) -> Result:
    xp, ends = device.array_module, list(itertools.accumulate(a.shape[axis] for a in arrays))

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        before = (slice(None),) * (axis % dy.ndim)  # slices: a captured step holds them
        return tuple(dy[(*before, slice(a, b))] for a, b in itertools.pairwise([0, *ends]))

    one_kind = len({(a.dtype, a.shape[1:]) for a in arrays}) == 1
    if axis == 0 and one_kind and in_kernel_dtype(arrays[0]):
        return device.concatenate_rows([device.contiguous(a) for a in arrays]), vjp
    return xp.concatenate(arrays, axis=axis), vjp


@explained
def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Return the tensors one after another along an axis, as `numpy.concatenate`.

    Args:
        tensors: at least one tensor, of equal shapes but for the length of the axis.

    Returns:
        A tensor of their shape, with the sum of their lengths along the axis. Its dtype holds all
        of theirs.

    Raises:
        ValueError: there is no tensor, they lack the axis, or other lengths differ.
    """
    tensors = _tensors("concatenate", tensors)
    axes = [checked_axis(t, axis, "concatenate") for t in tensors]
    dtype = np.result_type(*(t.dtype for t in tensors))
    alike = (t if t.dtype == dtype else t.astype(dtype) for t in tensors)
    return _concatenate(*alike, axis=axes[0])


def _tensors(name: str, values: Iterable[Any]) -> list[Tensor]:
    """Return the values as tensors, on the device of the first tensor among them."""
    given = list(values)
    if not given:
        raise ValueError(f"{name}: there is no tensor; give one or more")
    return [as_tensor(t, first_device(given)) for t in given]


@explained
def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Return the tensors, all of one shape, along a new axis, as `numpy.stack`.

    Args:
        tensors: at least one tensor, all of one shape.
        axis: the place of the new axis in the result.

    Returns:
        A tensor of that shape with the number of tensors as length of the new axis. Its dtype
        holds all of theirs.

    Raises:
        ValueError: the shapes differ, there is no tensor, or the axis is out of range.
    """
    tensors = _tensors("stack", tensors)
    if len({t.shape for t in tensors}) > 1:
        raise ValueError(f"stack: the shapes differ: {', '.join(str(t.shape) for t in tensors)}")
    return concatenate([expand_dims(t, axis=axis) for t in tensors], axis)


@explained
def split(x: Tensor, sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Return equal pieces of x along an axis, or pieces between positions, as `numpy.split`.

    Args:
        x: any shape, with the axis.
        sections: the number of pieces, or the positions between them.

    Returns:
        A tensor of x's shape, but for the length along the axis, for each piece: views.

    Raises:
        ValueError: the axis does not divide by the number of pieces, or x lacks it.
    """
    axis = checked_axis(x, axis, "split")
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
    """Return the slices of x along an axis, as `numpy.unstack`; x is their `stack`.

    Args:
        x: any shape, with the axis.

    Returns:
        A tensor of x's shape without the axis for each place along it: views.

    Raises:
        ValueError: x lacks the axis.
    """
    before = (slice(None),) * checked_axis(x, axis, "unstack")
    return [x[(*before, i)] for i in range(x.shape[axis])]


@differentiable
def pad(device: Device, x: Array, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Result:
    """Return x with `value` before and after it, as `numpy.pad`.

    Args:
        x: any shape.
        widths: (before, after) for each axis, none negative.
        value: the value of the new elements.

    Returns:
        A tensor, before + length + after along each axis.

    Raises:
        ValueError: there is not one pair for each axis, or a width is negative.
    """
    if x.ndim and np.shape(widths) != (x.ndim, 2):
        raise ValueError(f"there are {np.size(widths) // 2} pairs of widths for {x.ndim} axes")
    inner = tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape, strict=True))
    check_fits(x.dtype, value)
    padded = device.array_module.pad(x, widths, constant_values=value)
    return padded, lambda dy, needs: (dy[inner],)


@differentiable
def flip(device: Device, x: Array, axis: Axis = None) -> Result:
    """Return the elements in reverse order along the axes, as `numpy.flip`.

    Args:
        x: any shape.

    Returns:
        A tensor of x's shape: a view.

    Raises:
        ValueError: x lacks an axis, or one is named twice.
    """
    xp = device.array_module
    return xp.flip(x, axis), lambda dy, needs: (xp.flip(dy, axis),)


@differentiable
def roll(device: Device, x: Array, shift: int | tuple[int, ...], axis: Axis = None) -> Result:
    """Move the elements on along the axis, the last ones first again, as `numpy.roll`.

    Args:
        x: any shape.
        shift: the number of places, or one number for each of several axes.
        axis: the axis, or the axes; None moves along x flattened.

    Returns:
        A tensor of x's shape.

    Raises:
        ValueError: x lacks an axis, or the shifts do not broadcast to the axes.
        TypeError: a shift is no integer.
    """
    xp, places = device.array_module, integers((shift,), "shift")
    return xp.roll(x, places, axis), lambda dy, _: (xp.roll(dy, tuple(-n for n in places), axis),)


@explained
def repeat(x: Tensor, repeats: int | Sequence[int], axis: int | None = None) -> Tensor:
    """Repeat each element along an axis, a, a, b, b, …, as `numpy.repeat`.

    Args:
        x: any shape.
        repeats: how often, at least 0: one number, or one for each place along the axis.
        axis: the axis; None repeats the elements of x flattened.

    Returns:
        A tensor of x's shape, with the sum of the repeats along the axis.

    Raises:
        ValueError: x lacks the axis, or the repeats are negative or do not fit it.
    """
    if axis is None:
        x, axis = flatten(x), 0
    axis = checked_axis(x, axis, "repeat")
    if not isinstance(repeats, int | np.integer):
        return take(x, np.repeat(np.arange(x.shape[axis]), np.asarray(repeats)), axis)
    before, length, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    wide = broadcast_to(expand_dims(x, axis=axis + 1), *before, length, repeats, *after)
    return reshape(wide, *before, length * int(repeats), *after)


@explained
def tile(x: Tensor, repeats: int | Sequence[int]) -> Tensor:
    """Return the whole tensor repeated along each axis, a, b, a, b, …, as `numpy.tile`.

    Args:
        x: any shape.
        repeats: how often, for each axis, or one number for the last axis. With fewer numbers than
            axes, the first axes are not repeated. With more, new axes come first.

    Returns:
        A tensor of x's lengths times the repeats.

    Raises:
        TypeError: a number of repeats is no integer.
        ValueError: one is negative.
    """
    counts = integers((repeats,), "a number of repeats")
    axes = max(len(counts), x.ndim)
    counts = (1,) * (axes - len(counts)) + counts
    shape = (1,) * (axes - x.ndim) + x.shape
    apart = reshape(x, tuple(n for length in shape for n in (1, length)))
    wide = broadcast_to(apart, tuple(n for pair in zip(counts, shape, strict=True) for n in pair))
    return reshape(wide, tuple(n * m for n, m in zip(counts, shape, strict=True)))
