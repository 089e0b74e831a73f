"""Running sums and products, and the triangles of matrices."""

from __future__ import annotations

from collections.abc import Callable

from minigan.devices import Device
from minigan.operation import differentiable, explained
from minigan.ops.joining import pad
from minigan.ops.shared import axis_of, check_range, integer
from minigan.ops.summation import broadcast_rule
from minigan.saving import Array, Result
from minigan.tensor import Tensor

__all__ = ["cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "diff", "tril", "triu"]


@differentiable
def cumsum(device: Device, x: Array, axis: int) -> Result:
    """Return the running sums along an axis, as `numpy.cumsum`.

    Args:
        x: any shape, with the axis.

    Returns:
        A tensor of x's shape.

    Raises:
        ValueError: x lacks the axis.
    """
    xp, axis = device.array_module, axis_of(x.ndim, axis)
    # in float64, since each sum has the rounding of all before it
    wide = xp.float64 if x.dtype.kind == "f" else None

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        sums = xp.flip(xp.cumsum(xp.flip(dy, axis), axis=axis, dtype=wide), axis)
        return (sums.astype(dy.dtype, copy=False),)

    y = xp.cumsum(x, axis=axis, dtype=wide)
    return y.astype(x.dtype, copy=False) if wide else y, vjp


@differentiable
def cumprod(device: Device, x: Array, axis: int) -> Result:
    """Return the running products along an axis, as `numpy.cumprod`.

    Args:
        x: any shape, with the axis.

    Returns:
        A tensor of x's shape.

    Raises:
        ValueError: x lacks the axis.
    """
    xp, axis = device.array_module, axis_of(x.ndim, axis)
    y = xp.cumprod(x, axis=axis)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        # With Tᵢ = dyᵢ + xᵢ₊₁·Tᵢ₊₁ the gradient of xᵢ is Tᵢ·(x₀ … xᵢ₋₁): no division, so a 0 is like any number.
        moved, gradient = xp.moveaxis(x, axis, 0), xp.moveaxis(dy, axis, 0)
        before = xp.ones_like(moved)
        before[1:] = xp.moveaxis(y, axis, 0)[:-1]
        tails = device.copy(gradient)
        for i in reversed(range(len(moved) - 1)):
            tails[i] += moved[i + 1] * tails[i + 1]
        return (xp.moveaxis(before * tails, 0, axis),)

    return y, vjp, (x, y)


@explained
def cumulative_sum(x: Tensor, axis: int | None = None, include_initial: bool = False) -> Tensor:
    """Return the running sums along an axis, as `numpy.cumulative_sum`.

    Args:
        x: any shape of at least one axis; only a vector need not name the axis.
        include_initial: whether a 0 stands in front.

    Returns:
        A tensor of x's shape, one longer along the axis with `include_initial`.

    Raises:
        ValueError: x lacks the axis, or has several and none is named.
    """
    return _cumulative("cumulative_sum", cumsum, x, axis, 0 if include_initial else None)


@explained
def cumulative_prod(x: Tensor, axis: int | None = None, include_initial: bool = False) -> Tensor:
    """Return the running products along an axis, as `numpy.cumulative_prod`.

    Args:
        x: any shape of at least one axis; only a vector need not name the axis.
        include_initial: whether a 1 stands in front.

    Returns:
        A tensor of x's shape, one longer along the axis with `include_initial`.

    Raises:
        ValueError: x lacks the axis, or has several and none is named.
    """
    return _cumulative("cumulative_prod", cumprod, x, axis, 1 if include_initial else None)


def _cumulative(
    name: str, scan: Callable[..., Tensor], x: Tensor, axis: int | None, first: int | None
) -> Tensor:
    """Return the scan along an axis, behind a first value if there is one."""
    if axis is None and x.ndim != 1:
        raise ValueError(f"{name}: name the axis of a tensor of {x.ndim} axes")
    axis = axis_of(x.ndim, 0 if axis is None else axis)
    y = scan(x, axis=axis)
    return y if first is None else pad(y, [(int(i == axis), 0) for i in range(y.ndim)], first)


@explained
def diff(x: Tensor, n: int = 1, axis: int = -1) -> Tensor:
    """Return each element's difference from the one before it along an axis, as `numpy.diff`.

    Args:
        x: any shape, with the axis.
        n: how often differences are taken.

    Returns:
        A tensor of x's shape, n shorter along the axis.

    Raises:
        ValueError: x lacks the axis, or n is negative.
        TypeError: n is no integer.
    """
    check_range("diff: n", n)
    before = (slice(None),) * axis_of(x.ndim, axis)
    for _ in range(integer(n, "diff: n")):
        x = x[(*before, slice(1, None))] - x[(*before, slice(None, -1))]
    return x


@differentiable
def tril(device: Device, x: Array, k: int = 0) -> Result:
    """x on and below the k-th diagonal of its last two axes, 0 above it, as `numpy.tril`.

    Args:
        x: matrices, (…, rows, columns), or a vector, which stands for each row.
        k: the column of the diagonal in the first row; a negative one begins below that row.

    Returns:
        A tensor of x's shape; (n, n) for a vector (n,).

    Raises:
        ValueError: x has no axis.
    """
    return _triangle(device, "tril", x, k)


@differentiable
def triu(device: Device, x: Array, k: int = 0) -> Result:
    """x on and above the k-th diagonal of its last two axes, 0 below it, as `numpy.triu`.

    Args:
        x: matrices, (…, rows, columns), or a vector, which stands for each row.
        k: the column of the diagonal in the first row; a negative one begins below that row.

    Returns:
        A tensor of x's shape; (n, n) for a vector (n,).

    Raises:
        ValueError: x has no axis.
    """
    return _triangle(device, "triu", x, k)


def _triangle(device: Device, name: str, x: Array, k: int) -> Result:
    if x.ndim == 0:
        raise ValueError("a number has no diagonals: x is a matrix, matrices or a vector")
    cut = getattr(device.array_module, name)
    return cut(x, k), broadcast_rule(device, (x,), lambda dy: cut(dy, k))
