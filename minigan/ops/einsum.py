"""Sums of products over named axes, and their special case, the outer product."""

from __future__ import annotations

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.saving import Array, Result
from minigan.tensor import Tensor

__all__ = [
    "einsum",
    "outer",
]


@differentiable
def _einsum(device: Device, *operands: Array, names: list[str], result: str) -> Result:
    xp = device.array_module

    def gradient(dy: Array, i: int) -> Array:
        """Of operand i: the einsum of dy and the other operands, repeated along the axes only i has."""
        others = [(names[k], operands[k]) for k in range(len(operands)) if k != i]
        known = set(result).union(*(n for n, _ in others)) if others else set(result)
        kept = "".join(axis for axis in names[i] if axis in known)
        subscripts = ",".join([result, *(n for n, _ in others)])
        d = xp.einsum(f"{subscripts}->{kept}", dy, *(a for _, a in others))
        lone = tuple(k for k, axis in enumerate(names[i]) if axis not in known)
        return xp.broadcast_to(xp.expand_dims(d, lone), operands[i].shape)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return tuple(
            gradient(dy, i).astype(operands[i].dtype) if needed else None
            for i, needed in enumerate(needs)
        )

    return xp.einsum(f"{','.join(names)}->{result}", *operands), vjp, operands


def einsum(subscripts: str, *operands: Tensor) -> Tensor:
    """Σ over the axes that the result leaves out: ``einsum("bij,bjk->bik", a, b)`` is a stack of products.

    Each operand's axes are named by letters, and the result's stand behind ``->`` (left out: those named once, in
    alphabetical order, as NumPy's). A letter stands once in an operand; ``...`` is not supported.
    """
    given, _, result = subscripts.replace(" ", "").partition("->")
    names = given.split(",")
    if "->" not in subscripts:
        result = "".join(sorted(axis for axis in set(given) - {","} if given.count(axis) == 1))
    shapes = " and ".join(str(x.shape) for x in operands)
    if len(names) != len(operands) or any(
        len(n) != x.ndim for n, x in zip(names, operands, strict=False)
    ):
        raise ValueError(f"einsum: '{subscripts}' does not name the axes of {shapes}")
    if any(len(set(n)) != len(n) or (n and not n.isalpha()) for n in [*names, result]):
        raise ValueError(
            f"einsum: '{subscripts}': a letter stands once in an operand and in the result"
        )
    if not set(result) <= set(given):
        raise ValueError(f"einsum: '{subscripts}': an axis of the result is of no operand")
    return _einsum(*operands, names=names, result=result)


def outer(a: Tensor, b: Tensor) -> Tensor:
    """aᵢ·bⱼ of two vectors: (n,) and (m,) to (n, m)."""
    return einsum("i,j->ij", a, b)
