"""Elements chosen or ordered by integer indices."""

from __future__ import annotations

from typing import Any

from minigan.devices import Device
from minigan.saving import Array, Result
from minigan.tensor import Tensor, common_device, differentiable

__all__ = [
    "argsort",
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
