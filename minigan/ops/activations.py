"""Activations: elementwise functions of one operand that have kernels, and those made of them.

``dy`` is the gradient of the output. At a kink (0 of `relu`) the rule takes a subgradient, named in the
docstring and in docs/singular_points.md.
"""

from __future__ import annotations

from collections.abc import Callable

from minigan.devices import Device
from minigan.ops.shared import differentiable_of_reals
from minigan.saving import Array, Result
from minigan.tensor import Tensor

__all__ = ["leaky_relu", "relu", "sigmoid", "softplus", "tanh"]


@differentiable_of_reals
def tanh(device: Device, x: Array) -> Result:
    """sinh x / cosh x, elementwise, as `numpy.tanh`."""
    y = device.tanh(device.contiguous(x))
    return y, lambda dy, needs: (device.tanh_backward(device.contiguous(dy), y),), (y,)


@differentiable_of_reals
def sigmoid(device: Device, x: Array) -> Result:
    """1 / (1 + e⁻ˣ), without overflow, elementwise."""
    y = device.sigmoid(device.contiguous(x))
    return y, lambda dy, needs: (device.sigmoid_backward(device.contiguous(dy), y),), (y,)


@differentiable_of_reals
def softplus(device: Device, x: Array) -> Result:
    """log(1 + eˣ), without overflow, elementwise.

    Reference: Dugas et al. (2000), "Incorporating second-order functional knowledge for better
    option pricing".
    """
    y = device.array_module.logaddexp(x, x.dtype.type(0))
    return y, lambda dy, needs: (dy * device.sigmoid(device.contiguous(x)),), (x,)


@differentiable_of_reals
def leaky_relu(device: Device, x: Array, negative_slope: float = 0.1) -> Result:
    """x if x > 0 else negative_slope·x, elementwise; its gradient at 0 is negative_slope.

    Args:
        negative_slope: the slope below 0; 0.1 is the InfoGAN paper's (appendix C).

    Reference: Maas et al. (2013), "Rectifier nonlinearities improve neural network acoustic
    models".
    """
    x = device.contiguous(x)
    y = device.leaky_relu(x, negative_slope)

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (device.leaky_relu_backward(device.contiguous(dy), x, negative_slope),)

    return y, vjp, (x,)


def behind_activation(
    device: Device, y: Array, negative_slope: float
) -> tuple[Callable[[Array], Array], tuple[Array, ...]]:
    """Return the map from the gradient of y = activation(x) to that of x, contiguous, and the arrays that it saves.

    It reads the sign of x from y: y > 0 where x > 0.

    Slope 1 needs no y, and saves none.
    """
    if negative_slope == 1:
        return device.contiguous, ()
    return lambda dy: device.leaky_relu_backward(device.contiguous(dy), y, negative_slope), (y,)


def relu(x: Tensor) -> Tensor:
    """max(x, 0), elementwise; its gradient at 0 is 0.

    Reference: Nair & Hinton (2010), "Rectified linear units improve restricted Boltzmann machines".
    """
    return leaky_relu(x, negative_slope=0.0)
