"""The operators and methods of a tensor: operations, with the tensor as their first operand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigan.ops import (
    activations,
    arithmetic,
    comparison,
    elementwise,
    exponentials,
    indexing,
    joining,
    linear,
    moments,
    reduction,
    rounding,
    scans,
    shaping,
)
from minigan.tensor import Tensor

Binary = Callable[[Any, Any], Tensor]


def _operators(operation: Binary) -> tuple[Binary, Binary, Binary]:
    """Return the operators tensor ∘ other, other ∘ tensor, and tensor ∘= other."""

    def in_place(self: Tensor, other: Any) -> Tensor:
        name = f"{operation.__name__} in place"
        self.check_writable(name, other, leaf=False)  # an error where a gradient would be lost
        result = operation(self.detach(), other).detach()
        if result.shape != self.shape or not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise TypeError(
                f"{name}: the result is {result.dtype} of shape {result.shape}, and the tensor {self.dtype} of "
                f"shape {self.shape}"
            )
        return self.copy_(result)

    return operation, lambda self, other: operation(other, self), in_place


class Methods:
    """What `Tensor` inherits from the operations."""

    __slots__ = ()

    __add__, __radd__, __iadd__ = _operators(arithmetic.add)
    __sub__, __rsub__, __isub__ = _operators(arithmetic.subtract)
    __mul__, __rmul__, __imul__ = _operators(arithmetic.multiply)
    __truediv__, __rtruediv__, __itruediv__ = _operators(arithmetic.divide)
    __floordiv__, __rfloordiv__, __ifloordiv__ = _operators(rounding.floor_divide)
    __mod__, __rmod__, __imod__ = _operators(rounding.remainder)
    __divmod__ = rounding.divmod
    __pow__, __rpow__, __ipow__ = _operators(arithmetic.power)
    __matmul__, __rmatmul__, __imatmul__ = _operators(linear.matmul)
    __and__, __rand__, __iand__ = _operators(comparison.bitwise_and)
    __or__, __ror__, __ior__ = _operators(comparison.bitwise_or)
    __xor__, __rxor__, __ixor__ = _operators(comparison.bitwise_xor)
    __lshift__, __rlshift__, __ilshift__ = _operators(comparison.bitwise_left_shift)
    __rshift__, __rrshift__, __irshift__ = _operators(comparison.bitwise_right_shift)
    __invert__ = comparison.bitwise_invert

    def __contains__(self, value: Any) -> bool:
        return bool(comparison.any(comparison.equal(self, value)))

    def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]:
        return rounding.divmod(other, self)  # type: ignore[arg-type]

    __neg__ = elementwise.negative
    __pos__ = copy = elementwise.positive
    __abs__ = abs = elementwise.absolute
    __round__ = round = rounding.round
    __eq__ = eq = comparison.equal  # type: ignore[assignment]
    __ne__ = ne = comparison.not_equal  # type: ignore[assignment]
    __lt__ = comparison.less
    __le__ = comparison.less_equal
    __gt__ = comparison.greater
    __ge__ = comparison.greater_equal
    __hash__ = object.__hash__
    __getitem__ = indexing.getitem
    __setitem__ = indexing.setitem

    exp = elementwise.exp
    expm1 = elementwise.expm1
    log = elementwise.log
    log1p = elementwise.log1p
    sqrt = elementwise.sqrt
    square = elementwise.square
    reciprocal = elementwise.reciprocal
    sin = elementwise.sin
    cos = elementwise.cos
    tan = elementwise.tan
    tanh = activations.tanh
    sigmoid = activations.sigmoid
    relu = activations.relu
    leaky_relu = activations.leaky_relu
    clip = arithmetic.clip
    maximum = arithmetic.maximum
    minimum = arithmetic.minimum
    astype = elementwise.astype
    all = comparison.all
    any = comparison.any
    isfinite = comparison.isfinite
    isinf = comparison.isinf
    isnan = comparison.isnan
    sign = rounding.sign
    floor = rounding.floor
    ceil = rounding.ceil
    trunc = rounding.trunc
    reshape = shaping.reshape
    flatten = shaping.flatten
    transpose = shaping.transpose
    swapaxes = shaping.swapaxes
    moveaxis = shaping.moveaxis
    squeeze = shaping.squeeze
    expand_dims = shaping.expand_dims
    broadcast_to = shaping.broadcast_to
    flip = joining.flip
    roll = joining.roll
    repeat = joining.repeat
    split = joining.split
    unstack = joining.unstack
    pad = joining.pad
    tile = joining.tile
    sum = reduction.sum
    mean = reduction.mean
    var = moments.var
    std = moments.std
    max = reduction.max
    min = reduction.min
    prod = reduction.prod
    cumsum = scans.cumsum
    logsumexp = exponentials.logsumexp
    softmax = exponentials.softmax
    log_softmax = exponentials.log_softmax
    norm = moments.norm
    argmax = reduction.argmax
    argmin = reduction.argmin
    matmul = linear.matmul
    take_along_axis = indexing.take_along_axis
    sort = indexing.sort
    argsort = indexing.argsort
    take = indexing.take
    diagonal = indexing.diagonal
    trace = indexing.trace
    nonzero = indexing.nonzero
    scatter_add = indexing.scatter_add
