"""Where minigan differs from PyTorch on purpose: which samples, and why. What differs and is not here is a fault."""

from __future__ import annotations

from typing import NamedTuple


class Convention(NamedTuple):
    """An operation ("*" for all), a text that the sample's difference has, and the reason."""

    operation: str
    contains: str
    reason: str


_NO_AXES = "a tensor without axes has no axis 0 or −1, as in NumPy"
_FINITE = "minigan takes the finite value or gradient: docs/singular_points.md"
_PROMOTED = "NumPy's promotion: float64 of two Python numbers, where PyTorch takes float32"
_NUMBERS = (
    "add", "clamp", "div.floor_rounding", "div.no_rounding_mode", "div.trunc_rounding", "floor_divide", "mul", "sub", "true_divide",
)  # fmt: skip

CONVENTIONS = (
    Convention("*", "is not one of the 0 axes", _NO_AXES),
    Convention("*", "out of bounds for array of dimension 0", _NO_AXES),
    *(Convention(name, "is not one of the 0 axes of ()", _NO_AXES) for name in ("transpose", "transpose_copy")),
    *(Convention(name, "Calling nonzero on 0d arrays", _NO_AXES) for name in ("argwhere", "nonzero")),
    *(Convention(name, "shape (1,), torch ()", "a tensor without axes becomes one of one axis, as in NumPy")
      for name in ("argsort", "cumsum")),
    *(Convention(name, "torch nan", _FINITE)
      for name in ("atan2", "copysign", "hypot", "logaddexp", "nn.functional.silu")),
    *(Convention(name, "dtype float64, torch float32", _PROMOTED) for name in _NUMBERS),
    *(Convention(name, "minigan nan, torch 0.0", "the sign of NaN is NaN, as in NumPy") for name in ("sgn", "sign")),
    Convention("acosh", "gradient: at", "the gradient is NaN where the value is"),
    Convention("cat", "concatenate: ", "PyTorch takes an empty tensor of shape (0,) beside any; NumPy does not"),
    Convention("half", "value: at", "PyTorch rounds to float32 first, then to float16; NumPy rounds once"),
    Convention("nn.functional.layer_norm", "eps is at least 0", "minigan refuses a negative eps"),
    Convention("nn.functional.batch_norm", "momentum is in [0, 1]", "minigan refuses a momentum that is no share"),
    Convention("nn.functional.batch_norm", "running statistics are contiguous", "running statistics are contiguous: kernels write them"),
    Convention("tensordot", "differ in length", "axes of two lengths are refused, as in NumPy; PyTorch repeats one of length 1"),
)  # fmt: skip


def reason(operation: str, difference: str) -> str | None:
    """Return why a difference is a convention, or None for a fault."""
    for convention in CONVENTIONS:
        if convention.operation in {"*", operation} and convention.contains in difference:
            return convention.reason
    return None
