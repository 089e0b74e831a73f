"""Where minigan differs from PyTorch on purpose: which samples, and why. What differs and is not here is a fault."""

from __future__ import annotations

from typing import NamedTuple


class Convention(NamedTuple):
    """An operation ("*" for all), a text that the sample's difference has, and the reason."""

    operation: str
    contains: str
    reason: str


CONVENTIONS = (
    Convention("transpose", "axes of ()", "a tensor without axes has no axis 0 or −1, as in NumPy"),
    Convention("*", "(shapes ()", "a tensor without axes has no axis 0 or −1, as in NumPy"),
    Convention("*", "torch nan", "PyTorch's NaN where minigan is finite: docs/singular_points.md"),
    Convention("amax", "minigan", "the NaNs share the gradient, as in PyTorch's max"),
    Convention("amin", "minigan", "the NaNs share the gradient, as in PyTorch's min"),
    Convention("cumsum", "shape (1,), torch ()", "a tensor without axes becomes one of one axis, as in NumPy"),
    Convention("cat", "axes of (0,)", "PyTorch takes an empty tensor of shape (0,) beside any; NumPy does not"),
    Convention("*", "0 values has no correction", "a variance of no values is an error"),
    Convention("*", "values has no correction", "a variance of as many values as its correction is an error"),
)  # fmt: skip


def reason(operation: str, difference: str) -> str | None:
    """Return why a difference is a convention, or None for a fault."""
    for convention in CONVENTIONS:
        if convention.operation in {"*", operation} and convention.contains in difference:
            return convention.reason
    return None
