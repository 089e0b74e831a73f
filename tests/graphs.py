"""Tensors and operations for the graphs of the engine's tests."""

import numpy as np

import minigan as mg
from minigan.tensor import Tensor


def leaf(*values: float, shape: tuple[int, ...] | None = None) -> Tensor:
    """A float64 tensor that requires a gradient."""
    array = np.array(values, np.float64)
    return mg.tensor(array if shape is None else array.reshape(shape), requires_grad=True)


def assert_grad(x: Tensor, *expected: float) -> None:
    """The gradient's elements, in order; its shape and dtype are the tensor's own."""
    assert x.grad is not None
    assert (x.grad.shape, x.grad.dtype) == (x.shape, x.dtype)
    np.testing.assert_allclose(x.grad.numpy().ravel(), expected, rtol=1e-14)
