"""Sums of products over named axes, and their special cases."""

from __future__ import annotations

import functools
import string
from collections.abc import Sequence

import numpy as np

from minigan.devices import Device
from minigan.operation import differentiable, explained
from minigan.ops.indexing import diagonal
from minigan.ops.shaping import moveaxis
from minigan.ops.shared import axes_of, axis_of
from minigan.ops.summation import broadcast_rule
from minigan.saving import Array, Result
from minigan.tensor import Tensor

__all__ = ["einsum", "outer", "tensordot", "vecdot"]


@differentiable
def _einsum(device: Device, *operands: Array, names: tuple[str, ...], result: str) -> Result:
    xp = device.array_module

    def gradient(i: int, dy: Array) -> Array:
        """Return the gradient of operand i: the einsum of dy and the other operands."""
        given = ",".join([result, *names[:i], *names[i + 1 :]])
        d = xp.einsum(f"{given}->{names[i]}", dy, *operands[:i], *operands[i + 1 :])
        # a length of 1 stands for any: here and in the operand
        return xp.broadcast_to(d, np.broadcast_shapes(d.shape, operands[i].shape))

    gradients = [functools.partial(gradient, i) for i in range(len(operands))]
    vjp = broadcast_rule(device, operands, *gradients)
    return xp.einsum(f"{','.join(names)}->{result}", *operands), vjp, operands


@explained
def einsum(subscripts: str, *operands: Tensor) -> Tensor:
    """Σ of the operands' products over the axes that the result leaves out, as `numpy.einsum`.

    ``einsum("bij,bjk->bik", a, b)`` is a stack of matrix products.

    Args:
        subscripts: a letter for each axis of each operand, and of the result behind ``->``. Without
            ``->`` the result has the letters that stand once, in alphabetical order.
            ``...`` stands for all other axes, which broadcast. A letter twice in one operand takes
            its diagonal.
        operands: a tensor for each term between commas, of the shape that its letters name.

    Returns:
        A tensor with the lengths of the result's letters as its shape.

    Raises:
        ValueError: the subscripts do not fit the operands.
    """
    try:
        names, result = _names(subscripts, [x.ndim for x in operands])
    except ValueError as error:
        shapes = " and ".join(str(x.shape) for x in operands)
        raise ValueError(f"einsum: '{subscripts}': {error} (shapes {shapes})") from error
    pairs = [_without_repeats(x, n) for x, n in zip(operands, names, strict=True)]
    letters = [result, *(n for _, n in pairs)]
    pairs = [_without_lone_axes(x, n, "".join(letters)) for x, n in pairs]
    return _einsum(*(x for x, _ in pairs), names=tuple(n for _, n in pairs), result=result)


def _names(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """Return a letter for each axis of each operand, and of the result; "..." has letters that are not used elsewhere."""
    given, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = given.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"it names {len(terms)} operands, not {len(ndims)}")
    more = [n - len(term.replace("...", "")) for term, n in zip(terms, ndims, strict=True)]
    if any(m < 0 or (m and "..." not in term) for term, m in zip(terms, more, strict=True)):
        raise ValueError("it does not name the axes of the operands")
    free = [c for c in string.ascii_letters if c not in subscripts]
    wide = "".join(free[: max(more)])
    names = [t.replace("...", wide[len(wide) - m :]) for t, m in zip(terms, more, strict=True)]
    if not arrow:
        result = "..." + "".join(sorted(c for c in set(given) - set(",.") if given.count(c) == 1))
    result = result.replace("...", wide)
    if not set("".join([*names, result])) <= set(string.ascii_letters):
        raise ValueError("axes are named by letters")
    if len(set(result)) != len(result) or not set(result) <= set("".join(names)):
        raise ValueError("each axis of the result is one of the operands', once")
    return names, result


def _without_repeats(x: Tensor, names: str) -> tuple[Tensor, str]:
    """Take the diagonal of axes of one name, until each name stands once."""
    for name in sorted(set(names)):
        while names.count(name) > 1:
            first, second = names.index(name), names.rindex(name)
            _check_length("einsum", x, x, first, second)
            x = diagonal(x, axis1=first, axis2=second)
            names = "".join(n for i, n in enumerate(names) if i not in (first, second)) + name
    return x, names


def _without_lone_axes(x: Tensor, names: str, letters: str) -> tuple[Tensor, str]:
    """Sum floats along axes with a letter that stands nowhere else: pairwise, as einsum does not."""
    lone = [i for i, name in enumerate(names) if letters.count(name) == 1]
    if not lone or x.dtype.kind != "f":
        return x, names
    return x.sum(axis=lone), "".join(n for n in names if letters.count(n) > 1)


@explained
def outer(a: Tensor, b: Tensor) -> Tensor:
    """Return the products aᵢ·bⱼ of two vectors, as `numpy.outer`.

    Args:
        a: a vector, (n,).
        b: a vector, (m,).

    Returns:
        A tensor (n, m).

    Raises:
        ValueError: a or b is no vector.
    """
    return einsum("i,j->ij", a, b)


@explained
def vecdot(a: Tensor, b: Tensor, axis: int = -1) -> Tensor:
    """Return Σ a·b along an axis of both, as `numpy.vecdot`.

    Args:
        a: any shape, with the axis.
        b: a shape that broadcasts with a's, with the same length of the axis.

    Returns:
        A tensor of the common shape without the axis.

    Raises:
        ValueError: a or b lacks the axis, or the shapes do not fit.
    """
    _check_length("vecdot", a, b, axis, axis)
    return einsum("...i,...i->...", moveaxis(a, axis, -1), moveaxis(b, axis, -1))


def _check_length(operation: str, a: Tensor, b: Tensor, i: int, j: int) -> None:
    """Refuse a pair of axes of two lengths: einsum would repeat an axis of length 1."""
    if a.shape[axis_of(a.ndim, i)] != b.shape[axis_of(b.ndim, j)]:
        raise ValueError(
            f"{operation}: axes {i} and {j} of {a.shape} and {b.shape} differ in length"
        )


@explained
def tensordot(a: Tensor, b: Tensor, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Tensor:
    """Return Σ a·b over pairs of axes, as `numpy.tensordot`.

    Args:
        a: any shape, with the axes.
        b: any shape, with the same lengths along the axes paired.
        axes: the axes of a, and those of b paired with them. A number n pairs the last n of a with
            the first n of b.

    Returns:
        A tensor with the lengths of the other axes of a, then of those of b.

    Raises:
        ValueError: a or b lacks an axis, or paired lengths differ.
    """
    if not isinstance(axes, (tuple, list)):
        axes = range(-axes, 0), range(axes)
    letters = sorted(string.ascii_letters)  # einsum sorts those that stand once: the result's
    of_a, of_b = letters[: a.ndim], letters[a.ndim : a.ndim + b.ndim]
    of_both = [axes_of(x.ndim, np.ravel(n).tolist()) for x, n in zip((a, b), axes, strict=False)]
    if len(axes) != 2 or len(of_both[0]) != len(of_both[1]):
        raise ValueError(f"tensordot: axes are two lists of one length, not {axes}")
    for i, j in zip(*of_both, strict=True):
        _check_length("tensordot", a, b, i, j)
        of_b[j] = of_a[i]
    return einsum(f"{''.join(of_a)},{''.join(of_b)}", a, b)
