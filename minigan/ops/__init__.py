"""Differentiable operations; importing them gives Tensor its operators and methods."""

from minigan.ops.methods import Methods
from minigan.tensor import Tensor

for _name, _operation in vars(Methods).items():
    if _name not in ("__dict__", "__doc__", "__module__", "__slots__"):
        setattr(Tensor, _name, _operation)
