"""The shape of a tensor and the order of its axes: a gradient gets the shape and order from before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np

from minigan.devices import Device
from minigan.operation import differentiable, explained
from minigan.ops.shared import checked_axis, integers
from minigan.ops.summation import broadcast_rule
from minigan.saving import Array, Result
from minigan.tensor import Tensor

__all__ = [
    "broadcast_arrays", "broadcast_to", "expand_dims", "flatten", "matrix_transpose", "moveaxis",
    "reshape", "squeeze", "swapaxes", "transpose",
]  # fmt: skip


@differentiable
def _reshape(device: Device, x: Array, shape: tuple[int, ...]) -> Result:
    before = x.shape
    return x.reshape(shape), lambda dy, needs: (dy.reshape(before),)


def reshape(x: Tensor, *shape: SupportsIndex | Sequence[SupportsIndex]) -> Tensor:
    """Return the same elements, in the same order, in another shape, as `numpy.reshape`.

    Args:
        x: any shape.
        shape: the lengths of the axes, as numbers or as one sequence; one of them may be −1.

    Returns:
        A tensor of that shape: a view where x is contiguous.

    Raises:
        ValueError: x has another number of elements.
        TypeError: a length is no integer.
    """
    return _reshape(x, shape=integers(shape))


@explained
def flatten(x: Tensor, start_axis: int = 0) -> Tensor:
    """Return x with all axes from `start_axis` on joined into one.

    Args:
        x: any shape.
        start_axis: the first of these axes.

    Returns:
        A tensor (…, elements), as `reshape` gives it.

    Raises:
        ValueError: x lacks the axis.
    """
    start = checked_axis(x, start_axis, "flatten") if x.ndim else 0
    return reshape(x, *x.shape[:start], math.prod(x.shape[start:]))


@differentiable
def _transpose(device: Device, x: Array, axes: tuple[int, ...]) -> Result:
    inverse = tuple(sorted(range(len(axes)), key=axes.__getitem__))
    return x.transpose(axes), lambda dy, needs: (dy.transpose(inverse),)


@explained
def transpose(x: Tensor, *axes: SupportsIndex | Sequence[SupportsIndex]) -> Tensor:
    """Return x with its axes in the order given, or reversed, as `numpy.transpose`.

    Args:
        x: any shape.
        axes: every axis once, as numbers or as one sequence. Without them the order is reversed.

    Returns:
        A tensor of x's lengths in that order: a view.

    Raises:
        ValueError: the axes are no order of x's.
    """
    order = integers(axes) or tuple(reversed(range(x.ndim)))
    positions = tuple(checked_axis(x, a, "transpose") for a in order)
    if sorted(positions) != list(range(x.ndim)):
        raise ValueError(
            f"transpose: axes {order} are not an order of the {x.ndim} axes of {x.shape}"
        )
    return _transpose(x, axes=positions)


@explained
def swapaxes(x: Tensor, first: int, second: int) -> Tensor:
    """Return x with two axes exchanged, as `numpy.swapaxes`.

    Args:
        x: any shape, with the axes.
        first: one of the axes.
        second: the other.

    Returns:
        A tensor of x's shape with the two lengths exchanged: a view.

    Raises:
        ValueError: x lacks one of them.
    """
    order = list(range(x.ndim))
    first, second = checked_axis(x, first, "swapaxes"), checked_axis(x, second, "swapaxes")
    order[first], order[second] = second, first
    return transpose(x, order)


@explained
def moveaxis(x: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Return x with an axis, or each of several, moved, as `numpy.moveaxis`.

    Args:
        x: any shape, with the axes.
        source: the axis, or the axes, to move; the others stay in order.
        destination: the place of each in the result.

    Returns:
        A tensor of x's lengths in the new order: a view.

    Raises:
        ValueError: an axis is unknown, a source or a destination is named twice, or the two differ
            in number.
    """
    sources = [checked_axis(x, a, "moveaxis") for a in integers((source,))]
    destinations = [checked_axis(x, a, "moveaxis") for a in integers((destination,))]
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
    """Return x without its axes of length 1, or without the given ones, as `numpy.squeeze`.

    Args:
        x: any shape.

    Returns:
        A tensor of x's shape without these axes: a view.

    Raises:
        ValueError: x lacks an axis, or one has another length than 1.
    """
    before = x.shape
    return device.array_module.squeeze(x, axis), lambda dy, needs: (dy.reshape(before),)


@differentiable
def expand_dims(device: Device, x: Array, axis: int | tuple[int, ...]) -> Result:
    """Return x with a new axis of length 1 at each given position, as `numpy.expand_dims`.

    Args:
        x: any shape.
        axis: the position, or the positions, in the result.

    Returns:
        A tensor of x's shape with 1 at each position: a view.

    Raises:
        ValueError: a position is not in the result, or is named twice.
    """
    before = x.shape
    return device.array_module.expand_dims(x, axis), lambda dy, needs: (dy.reshape(before),)


@differentiable
def _broadcast_to(device: Device, x: Array, shape: tuple[int, ...]) -> Result:
    vjp = broadcast_rule(device, (x,), lambda dy: dy)
    return device.array_module.broadcast_to(x, shape), vjp


def broadcast_to(x: Tensor, *shape: SupportsIndex | Sequence[SupportsIndex]) -> Tensor:
    """Return x repeated to a shape, as `numpy.broadcast_to`: a view.

    Args:
        x: a shape that broadcasts to the one given.
        shape: the lengths of the result, as numbers or as one sequence.

    Returns:
        A tensor of that shape.

    Raises:
        ValueError: x does not broadcast to the shape.
        TypeError: a length is no integer.
    """
    return _broadcast_to(x, shape=integers(shape))


@explained
def matrix_transpose(x: Tensor) -> Tensor:
    """Return x with its last two axes exchanged, as `numpy.matrix_transpose`.

    Args:
        x: matrices, (…, rows, columns).

    Returns:
        A tensor (…, columns, rows): a view.

    Raises:
        ValueError: x has fewer than two axes.
    """
    return swapaxes(x, -1, -2)


@explained
def broadcast_arrays(*tensors: Tensor) -> list[Tensor]:
    """Return the tensors broadcast to their common shape, as `numpy.broadcast_arrays`.

    Args:
        tensors: tensors of shapes that broadcast.

    Returns:
        A tensor of the common shape for each: a view.

    Raises:
        ValueError: the shapes do not broadcast.
    """
    shape = np.broadcast_shapes(*(t.shape for t in tensors))
    return [broadcast_to(t, shape) for t in tensors]
