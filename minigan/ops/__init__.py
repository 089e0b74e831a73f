"""Differentiable operations, and the table that gives Tensor its operators and methods."""

from __future__ import annotations

from typing import Any

from minigan.ops import elementwise, indexing, linear, reduction, shaping
from minigan.tensor import Tensor


def _swapped(operation: Any) -> Any:
    return lambda self, other: operation(other, self)


_OPERATORS = {
    "__add__": elementwise.add,
    "__radd__": _swapped(elementwise.add),
    "__sub__": elementwise.subtract,
    "__rsub__": _swapped(elementwise.subtract),
    "__mul__": elementwise.multiply,
    "__rmul__": _swapped(elementwise.multiply),
    "__truediv__": elementwise.divide,
    "__rtruediv__": _swapped(elementwise.divide),
    "__pow__": elementwise.power,
    "__rpow__": _swapped(elementwise.power),
    "__matmul__": linear.matmul,
    "__rmatmul__": _swapped(linear.matmul),
    "__neg__": elementwise.negative,
    "__abs__": elementwise.absolute,
    "__lt__": elementwise.less,
    "__le__": elementwise.less_equal,
    "__gt__": elementwise.greater,
    "__ge__": elementwise.greater_equal,
    "__getitem__": shaping.getitem,
}

_METHODS = {
    elementwise: "abs exp expm1 log log1p sqrt square reciprocal sin cos tan tanh sigmoid relu leaky_relu clip "
    "maximum minimum astype eq ne isfinite isnan sign floor ceil round",
    shaping: "reshape flatten transpose swapaxes moveaxis squeeze expand_dims broadcast_to flip roll repeat "
    "split pad tile",
    reduction: "sum mean var std max min prod cumsum logsumexp softmax log_softmax norm argmax argmin",
    linear: "matmul",
    indexing: "take_along_axis sort argsort",
}

_ALIASES = {"abs": "absolute", "eq": "equal", "ne": "not_equal"}

for _name, _operation in _OPERATORS.items():
    setattr(Tensor, _name, _operation)
for _module, _names in _METHODS.items():
    for _name in _names.split():
        setattr(Tensor, _name, getattr(_module, _ALIASES.get(_name, _name)))
Tensor.T = property(shaping.transpose)  # type: ignore[attr-defined]
