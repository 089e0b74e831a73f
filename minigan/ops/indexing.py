"""Elements chosen or ordered by integer indices."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np

from minigan.devices import Device
from minigan.graph import Part
from minigan.operation import as_operand, differentiable, explained
from minigan.ops.shared import array_beside, axis_of, integer
from minigan.ops.summation import broadcast_rule
from minigan.saving import Array, Result, is_array
from minigan.tensor import Tensor, common_device, values_on

__all__ = [
    "argsort", "diagonal", "getitem", "nonzero", "scatter_add", "sort", "take", "take_along_axis",
    "trace",
]  # fmt: skip


@explained
def take_along_axis(x: Tensor, indices: Tensor | Any, axis: int) -> Tensor:
    """result[…, j, …] = x[…, indices[…, j, …], …], as `numpy.take_along_axis`.

    Args:
        x: any shape, with the axis.
        indices: integers, of x's shape but for the length of that axis; −1 is the last element.

    Returns:
        A tensor of the shape of the indices.

    Raises:
        ValueError: the indices have another shape, or are no integers; or x lacks the axis.
        IndexError: an index is outside the axis.
    """
    values = array_beside("take_along_axis", x, indices)
    axis = axis_of(x.ndim, axis)
    others = (*x.shape[:axis], *x.shape[axis + 1 :])
    if values.dtype.kind not in "iu" or (*values.shape[:axis], *values.shape[axis + 1 :]) != others:
        raise ValueError(
            f"take_along_axis: integer indices have the shape {x.shape} but for axis {axis}; got "
            f"{values.dtype} {tuple(values.shape)}"
        )
    n = x.shape[axis]
    if values.size and not (-n <= values.min() and values.max() < n):
        raise IndexError(f"take_along_axis: an index is outside the {n} elements of axis {axis}")
    where = list(np.indices(values.shape, sparse=True))
    where[axis] = values
    return getitem(x, tuple(where))


@differentiable
def argsort(device: Device, x: Array, axis: int | None = -1) -> tuple[Array, None]:
    """Return the indices that sort x along an axis, as `numpy.argsort`. It has no gradient.

    Equal elements stay in their order.

    Args:
        x: any shape, with the axis.
        axis: one axis, or None for the indices in x flattened.

    Returns:
        A tensor of x's shape, int64.

    Raises:
        ValueError: x lacks the axis.
    """
    return device.array_module.argsort(x, axis=axis, kind="stable"), None


@explained
def sort(x: Tensor, axis: int = -1) -> Tensor:
    """x in rising order along an axis, as `numpy.sort`.

    A gradient goes to the element that came there.

    Args:
        x: any shape, with the axis.

    Returns:
        A tensor of x's shape.

    Raises:
        ValueError: x lacks the axis.
    """
    return take_along_axis(x, argsort(x, axis=axis), axis)


@differentiable
def _getitem(device: Device, x: Array, *arrays: Array, index: tuple[Any, ...]) -> Result:
    """x[index]; the index holds `ARRAY` where the next of the arrays goes."""
    whole = _fill_index(index, arrays)
    return x[whole], lambda dy, needs: (Part(whole, dy),), arrays


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index]: slices, integers, None, ..., and arrays or tensors of integers or bool, as NumPy's.

    Args:
        x: any shape.
        index: one of these, or a tuple of them, as in x[index].

    Returns:
        A tensor of the shape that NumPy's indexing gives: a view where it holds no array.

    Raises:
        IndexError: the index does not fit x.
    """
    try:
        parts, arrays = _split_index(index)
        return _getitem(x, *arrays, index=parts)
    except IndexError as error:
        raise IndexError(f"getitem: {error} (shape {x.shape})") from error


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value, in place and not differentiable."""
    x.check_writable("assignment", value, leaf=False)
    parts, arrays = _split_index(index)
    device = common_device("assignment", [x, value, *arrays])
    whole = _fill_index(parts, [as_operand("assignment", a, device) for a in arrays])
    x.data[whole] = value if isinstance(value, (int, float)) else values_on(value, device)
    x.mark_changed()


@explained
def take(x: Tensor, indices: Any, axis: int | None = None) -> Tensor:
    """Return the slices of x at integer indices along an axis, as `numpy.take`.

    Args:
        x: any shape.
        indices: an integer, or integers of any shape; −1 is the last place.
        axis: the axis; None takes elements of x flattened.

    Returns:
        A tensor of x's shape, with the shape of the indices in place of the axis.

    Raises:
        TypeError: the indices are no integers; x[mask] takes a mask.
        IndexError: an index is outside the axis.
        ValueError: x lacks the axis.
    """
    if axis is None:
        x, axis = x.flatten(), 0
    before = (slice(None),) * axis_of(x.ndim, axis)
    indices = indices if hasattr(indices, "dtype") else np.asarray(indices)
    if indices.dtype.kind not in "iu" and indices.size:
        raise TypeError(f"take: indices are integers, not {indices.dtype}; x[mask] takes a mask")
    return getitem(x, (*before, indices if indices.size else np.zeros(indices.shape, np.int64)))


@explained
def diagonal(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Return the elements with indices along two axes that differ by `offset`, as `numpy.diagonal`.

    Args:
        x: any shape, with the axes.
        offset: the index along `axis2` less the index along `axis1`; 0 is the main diagonal.
        axis1: the axis of the rows.
        axis2: the axis of the columns.

    Returns:
        A tensor of x's shape without the two axes, with the diagonal as a new last axis.

    Raises:
        ValueError: the two axes are the same, or x lacks one.
    """
    first, second = axis_of(x.ndim, axis1), axis_of(x.ndim, axis2)
    if first == second:
        raise ValueError(f"diagonal: axes {axis1} and {axis2} are the same")
    offset = integer(offset, "diagonal: offset")
    rows = np.arange(max(0, -offset), min(x.shape[first], x.shape[second] - offset))
    moved = x.moveaxis((first, second), (0, 1))
    return getitem(moved, (rows, rows + offset)).moveaxis(0, -1)


@explained
def trace(x: Tensor, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Return the sum of a diagonal, as `numpy.trace`.

    Args:
        x: any shape, with the axes.
        offset: as for `diagonal`.
        axis1: the axis of the rows.
        axis2: the axis of the columns.

    Returns:
        A tensor of x's shape without the two axes.

    Raises:
        ValueError: the two axes are the same, or x lacks one.
    """
    return diagonal(x, offset, axis1, axis2).sum(axis=-1)


@explained
def nonzero(x: Tensor) -> tuple[Tensor, ...]:
    """Return the indices of the elements that are not 0, as `numpy.nonzero`.

    Args:
        x: any shape, of at least one axis.

    Returns:
        A tensor (count,) of int64 for each axis.

    Raises:
        ValueError: x has no axis.
    """
    return tuple(Tensor(i, x.device) for i in x.device.array_module.nonzero(x.data))


@differentiable
def _scatter_add(
    device: Device, x: Array, values: Array, *arrays: Array, index: tuple[Any, ...]
) -> Result:
    whole = _fill_index(index, arrays)
    y = device.copy(x)
    device.array_module.add.at(y, whole, values)
    return y, broadcast_rule(device, (x, values), lambda dy: dy, lambda dy: dy[whole]), arrays


def scatter_add(x: Tensor, index: Any, values: Tensor | Any) -> Tensor:
    """Return a copy of x with `values` added at x[index], as `numpy.add.at` adds them in place.

    An element that the index names twice gets both.

    Args:
        x: any shape.
        index: as for `getitem`.
        values: a tensor, an array or a number, of a shape that broadcasts to that of x[index].

    Returns:
        A tensor of x's shape.

    Raises:
        IndexError: the index does not fit x.
        ValueError: the values do not broadcast.
    """
    parts, arrays = _split_index(index)
    return _scatter_add(x, values, *arrays, index=parts)


_ARRAY = object()  # where an array goes in an index


def _split_index(index: Any) -> tuple[tuple[Any, ...], list[Any]]:
    """Return an index as a tuple of its slices, integers, None and ..., and the arrays that stand at `_ARRAY` in it."""
    given = index if isinstance(index, tuple) else (index,)
    parts = [p if p is None or p is ... or is_array(p) else _part_of_index(p) for p in given]
    arrays = [part for part in parts if is_array(part)]
    return tuple(_ARRAY if is_array(part) else part for part in parts), arrays


def _part_of_index(part: Any) -> Any:
    """Return what no one changes later: an array for what NumPy reads as one, which is any sequence, True and False."""
    if isinstance(part, slice):
        bounds = (part.start, part.stop, part.step)
        return slice(*(b if b is None else operator.index(b) for b in bounds))
    if hasattr(part, "__index__") and not isinstance(part, (bool, np.bool_)):
        return operator.index(part)
    return np.asarray(part, np.int64 if hasattr(part, "__len__") and len(part) == 0 else None)


def _fill_index(parts: tuple[Any, ...], arrays: Iterable[Array]) -> tuple[Any, ...]:
    """Return the index that `_split_index` took apart."""
    rest = iter(arrays)
    return tuple(next(rest) if part is _ARRAY else part for part in parts)
