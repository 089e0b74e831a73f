"""Make elementwise operations of functions that NumPy has: each is a name, a description and a rule.

``dy`` is the gradient of the output.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from minigan.devices import Device
from minigan.operation import differentiable
from minigan.ops.shared import differentiable_of_reals
from minigan.saving import Array, Result
from minigan.tensor import Tensor

Rule = Callable[[Any, Array, Array], Array]  # of the array module, x or y, and dy: it gives dx


def of_x(name: str, description: str, rule: Rule) -> Callable[[Any], Tensor]:
    """Make a function of real numbers x, with a gradient that is a formula of x."""

    def function(device: Device, x: Array) -> Result:
        xp = device.array_module
        return getattr(xp, name)(x), lambda dy, needs: (rule(xp, x, dy),), (x,)

    return differentiable_of_reals(_described(function, name, description))


def of_y(name: str, description: str, rule: Rule) -> Callable[[Any], Tensor]:
    """Make a function y of real numbers, with a gradient that is a formula of y."""

    def function(device: Device, x: Array) -> Result:
        xp = device.array_module
        y = getattr(xp, name)(x)
        return y, lambda dy, needs: (rule(xp, y, dy),), (y,)

    return differentiable_of_reals(_described(function, name, description))


def of_one(name: str, description: str) -> Callable[[Any], Tensor]:
    """Make a function of x without a gradient."""

    def function(device: Device, x: Array) -> Result:
        return getattr(device.array_module, name)(x), None

    return differentiable(_described(function, name, description, "\n\nIt has no gradient."))


def of_two(name: str, description: str) -> Callable[[Any, Any], Tensor]:
    """Make a function of x and y without a gradient."""

    def function(device: Device, x: Array, y: Array) -> Result:
        return getattr(device.array_module, name)(x, y), None

    return differentiable(_described(function, name, description, "\n\nIt has no gradient."))


def _described(
    function: Callable[..., Result], name: str, description: str, note: str = ""
) -> Callable[..., Result]:
    function.__name__ = function.__qualname__ = name
    function.__module__ = sys._getframe(2).f_globals["__name__"]  # where pickle looks for it
    function.__doc__ = f"{description}, elementwise, as `numpy.{name}`.{note}"
    return function
