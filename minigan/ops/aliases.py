"""Second names of NumPy 2 and of the array API standard for the same functions."""

from __future__ import annotations

from minigan.ops.arithmetic import arctan2, power
from minigan.ops.elementwise import absolute, arccos, arccosh, arcsin, arcsinh, arctan, arctanh
from minigan.ops.joining import concatenate
from minigan.ops.shaping import transpose

__all__ = [
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "concat", "permute_dims", "pow",
]  # fmt: skip

abs = absolute
acos, acosh, asin, asinh = arccos, arccosh, arcsin, arcsinh
atan, atan2, atanh = arctan, arctan2, arctanh
concat = concatenate
permute_dims = transpose
pow = power
