"""Elements chosen or ordered by integer indices."""

from __future__ import annotations

from typing import Any

from minigan.devices import Device
from minigan.graph import Part
from minigan.operation import as_operand, differentiable, fill_index, split_index
from minigan.saving import Array, Result
from minigan.tensor import Tensor, common_device

__all__ = [
    "argsort",
    "getitem",
    "sort",
    "take_along_axis",
]


@differentiable
def _take_along_axis(device: Device, x: Array, indices: Array, axis: int) -> Result:
    xp = device.array_module
    shape, dtype = x.shape, x.dtype

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        dx = device.zeros(shape, dtype)
        where = list(xp.ogrid[tuple(slice(n) for n in indices.shape)])
        where[axis] = indices
        xp.add.at(dx, tuple(where), dy)  # an element taken twice has the sum of both gradients
        return (dx,)

    return xp.take_along_axis(x, indices, axis), vjp, (indices,)


def take_along_axis(x: Tensor, indices: Tensor | Any, axis: int) -> Tensor:
    """result[…, j, …] = x[…, indices[…, j, …], …]: integer indices of x's shape but for the length of that axis."""
    device = common_device("take_along_axis", [x, indices])
    values = indices.data if isinstance(indices, Tensor) else device.asarray(indices)
    axis = axis % max(x.ndim, 1)
    others = (*x.shape[:axis], *x.shape[axis + 1 :])
    if values.dtype.kind not in "iu" or (*values.shape[:axis], *values.shape[axis + 1 :]) != others:
        raise ValueError(
            f"take_along_axis: integer indices have the shape {x.shape} but for axis {axis}; got "
            f"{values.dtype} {tuple(values.shape)}"
        )
    length = x.shape[axis]
    if values.size and not (-length <= values.min() and values.max() < length):
        raise IndexError(
            f"take_along_axis: an index is outside the {length} elements of axis {axis}"
        )
    wrapped = values % length if values.size else values
    return _take_along_axis(x, Tensor(wrapped, device), axis=axis)


@differentiable
def argsort(device: Device, x: Array, axis: int = -1) -> tuple[Array, None]:
    """The indices that sort x along an axis, equal elements in their order: integers, no gradient."""
    return device.array_module.argsort(x, axis=axis, kind="stable"), None


def sort(x: Tensor, axis: int = -1) -> Tensor:
    """x in rising order along an axis; a gradient goes to the element that came there."""
    return take_along_axis(x, argsort(x, axis=axis), axis)


@differentiable
def _getitem(device: Device, x: Array, *arrays: Array, index: tuple[Any, ...]) -> Result:
    """x[index]; the index holds `ARRAY` where the next of the arrays goes."""
    whole = fill_index(index, arrays)
    return x[whole], lambda dy, needs: (Part(whole, dy),), arrays


def getitem(x: Tensor, index: Any) -> Tensor:
    """x[index]: slices, integers, None, ..., and arrays or tensors of integers or bool, as NumPy's."""
    try:
        parts, arrays = split_index(index)
        return _getitem(x, *arrays, index=parts)
    except IndexError as error:
        raise IndexError(f"getitem: {error} (shape {x.shape})") from error


def setitem(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value, in place and not differentiable."""
    x.check_writable("assignment", value, leaf=False)
    parts, arrays = split_index(index)
    device = common_device("assignment", [x, value, *arrays])
    whole = fill_index(parts, [as_operand("assignment", a, device) for a in arrays])
    x.data[whole] = as_operand("assignment", value, device)
    x.mark_changed()
