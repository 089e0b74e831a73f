"""Functions that a formula of others gives, and their gradients: the hypotenuse, the error function, activations."""

from __future__ import annotations

import math

from minigan.devices import Device
from minigan.ops.shared import differentiable_of_reals
from minigan.ops.summation import broadcast_rule
from minigan.saving import Array, Result

__all__ = ["copysign", "erf", "gelu", "hypot", "silu"]


@differentiable_of_reals
def hypot(device: Device, x: Array, y: Array) -> Result:
    """√(x² + y²), without overflow, elementwise, as `numpy.hypot`; its gradient at (0, 0) is 0."""
    xp = device.array_module
    r = xp.hypot(x, y)
    divisor = xp.where(r == 0, 1, r)
    vjp = broadcast_rule(
        device, (x, y), lambda dy: dy * (x / divisor), lambda dy: dy * (y / divisor)
    )
    return r, vjp, (x, y, divisor)


@differentiable_of_reals
def copysign(device: Device, x: Array, y: Array) -> Result:
    """Return |x| with the sign of y, elementwise, as `numpy.copysign`.

    Its gradient by x at 0 is 0, and by y is 0.
    """
    xp = device.array_module
    slope = xp.where(x == 0, 0, xp.copysign(1, y) * xp.sign(x))
    vjp = broadcast_rule(device, (x, y), lambda dy: dy * slope, xp.zeros_like)
    return xp.copysign(x, y), vjp, (slope,)


@differentiable_of_reals
def erf(device: Device, x: Array) -> Result:
    """2/√π·∫₀ˣ e^(−t²) dt, elementwise, as `scipy.special.erf`."""
    exp, factor = device.array_module.exp, 2 / math.sqrt(math.pi)
    y = device.erf(x).astype(x.dtype, copy=False)
    return y, lambda dy, needs: (dy * factor * exp(-x * x),), (x,)


@differentiable_of_reals
def gelu(device: Device, x: Array) -> Result:
    """x·Φ(x), Φ the normal distribution function, elementwise; 0 at −∞.

    Reference: Hendrycks & Gimpel (2016), "Gaussian error linear units".
    """
    xp = device.array_module
    below = (1 + device.erf(x * math.sqrt(0.5)).astype(x.dtype, copy=False)) / 2
    finite = xp.where(xp.isfinite(x), x, x.dtype.type(0))

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        density = xp.exp(-0.5 * finite * finite) / math.sqrt(2 * math.pi)
        return (dy * (below + finite * density).astype(dy.dtype, copy=False),)

    return xp.where(below == 0, below, x * below), vjp, (finite, below)


@differentiable_of_reals
def silu(device: Device, x: Array) -> Result:
    """x/(1 + e⁻ˣ), also called swish, elementwise; 0 at −∞.

    Reference: Elfwing et al. (2018), "Sigmoid-weighted linear units for neural network function
    approximation in reinforcement learning".
    """
    xp = device.array_module
    s = device.sigmoid(device.contiguous(x))
    finite = xp.where(xp.isfinite(x), x, x.dtype.type(0))

    def vjp(dy: Array, needs: tuple[bool, ...]) -> tuple[Array | None, ...]:
        return (dy * s * (1 + finite * (1 - s)),)

    return xp.where(s == 0, s, x * s), vjp, (finite, s)
