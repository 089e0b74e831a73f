"""Element by element: of one operand, of two, and choices between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minigan as mg
from benchmarks.conformance.adapters.arguments import UntranslatableError, cast, refuse

# PyTorch's name where minigan's is another
_RENAMED = {
    "bitwise_not": "bitwise_invert", "conj": "positive", "conj_physical": "positive",
    "div.no_rounding_mode": "divide", "eq": "equal", "float_power": "power", "ge": "greater_equal", "gt": "greater",
    "le": "less_equal", "lt": "less", "max.binary": "maximum", "min.binary": "minimum",
    "mul": "multiply", "ne": "not_equal", "neg": "negative", "nn.functional.silu": "silu", "real": "positive",
    "resolve_conj": "positive", "resolve_neg": "positive", "sgn": "sign",
    "sub": "subtract", "true_divide": "divide",
}  # fmt: skip
_SAME_NAME = (
    "abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift "
    "bitwise_xor ceil copysign cos cosh erf exp exp2 expm1 floor floor_divide hypot isfinite isinf isnan log log10 "
    "log1p log2 logaddexp logical_and logical_not logical_or logical_xor maximum minimum nextafter positive pow "
    "reciprocal remainder sigmoid sign signbit sin sinh sqrt square tan tanh trunc"
)


def _plain(name: str) -> Callable[..., Any]:
    function = getattr(mg, name)

    def adapter(*operands: Any, alpha: Any = None) -> Any:
        if alpha is not None:
            operands = (operands[0], operands[1] * alpha)
        return function(*operands)

    return adapter


def clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    return mg.clip(x, min, max)


def divide(x: Any, other: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode == "floor":
        return mg.floor_divide(x, other)
    return mg.divide(x, other) if rounding_mode is None else mg.trunc(mg.divide(x, other))


def gelu(x: Any, approximate: str = "none") -> Any:
    refuse(approximate=approximate != "none")
    return mg.gelu(x)


def leaky_relu(x: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    refuse(inplace=inplace)
    return mg.leaky_relu(x, negative_slope)


def relu(x: Any, inplace: bool = False) -> Any:
    refuse(inplace=inplace)
    return mg.relu(x)


def softplus(x: Any, beta: float = 1, threshold: float = 20) -> Any:
    refuse(beta=beta != 1)
    return mg.softplus(x)


def to(x: Any, *given: Any, memory_format: Any = None, **named: Any) -> Any:
    dtypes = [v for v in (*given, *named.values()) if str(v).startswith("torch.")]
    kinds = [v for v in dtypes if "_format" not in str(v)]
    others = [v for v in (*given, *named.values()) if hasattr(v, "numpy")]
    if others or len(kinds) != len(dtypes):
        raise UntranslatableError("another tensor, or a memory format")
    return cast(x, kinds[0]) if kinds else mg.astype(x, dtype=x.dtype)


def _to(name: str) -> Callable[..., Any]:
    def adapter(x: Any, memory_format: Any = None) -> Any:
        return mg.astype(x, dtype=name)

    return adapter


_CASTS = {
    "float": "float32", "double": "float64", "half": "float16", "int": "int32", "long": "int64", "short": "int16",
    "char": "int8", "byte": "uint8", "bool": "bool",
}  # fmt: skip

ELEMENTWISE: dict[str, Callable[..., Any]] = {
    **{name: _plain(name) for name in _SAME_NAME.split()},
    **{name: _plain(other) for name, other in _RENAMED.items()},
    **{name: _to(dtype) for name, dtype in _CASTS.items()},
    "__radd__": lambda x, other: other + x,
    "__rdiv__": lambda x, other: other / x,
    "__rmod__": lambda x, other: other % x,
    "__rmul__": lambda x, other: other * x,
    "__rpow__": lambda x, other: other**x,
    "__rsub__": lambda x, other: other - x,
    "__rand__": lambda x, other: other & x,
    "__ror__": lambda x, other: other | x,
    "__rxor__": lambda x, other: other ^ x,
    "clamp": clamp,
    "clamp_max": lambda x, high: clamp(x, None, high),
    "clamp_min": lambda x, low: clamp(x, low, None),
    "clone": lambda x, memory_format=None: mg.astype(x, dtype=x.dtype),
    "contiguous": lambda x, memory_format=None: mg.positive(x),
    "div.floor_rounding": divide,
    "div.trunc_rounding": divide,
    "isclose": lambda x, other, rtol=1e-5, atol=1e-8, equal_nan=False: mg.isclose(
        x, other, rtol, atol, equal_nan
    ),
    "masked_fill": lambda x, mask, value: mg.where(mask, value, x),
    "nn.functional.gelu": gelu,
    "nn.functional.leaky_relu": leaky_relu,
    "nn.functional.relu": relu,
    "nn.functional.softplus": softplus,
    "round": lambda x, decimals=0: mg.round(x, decimals),
    "round.decimals_0": lambda x, decimals=0: mg.round(x, decimals),
    "round.decimals_3": lambda x, decimals=0: mg.round(x, decimals),
    "round.decimals_neg_3": lambda x, decimals=0: mg.round(x, decimals),
    "rsub": lambda x, other, alpha=1: mg.subtract(other, x if alpha == 1 else x * alpha),
    "to": to,
    "where": lambda x, condition, other: mg.where(condition, x, other),
}
