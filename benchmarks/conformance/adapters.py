"""How an operation of PyTorch is written with minigan: one function, arguments renamed.

The keys of `ADAPTERS` are OpInfo's names, with a variant behind a dot. `UntranslatableError` says which argument minigan does not have.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import minigan as mg

Adapter = Callable[..., Any]


class UntranslatableError(Exception):
    """The sample uses an argument that minigan's function does not have."""


# PyTorch's name where minigan's is another, of functions that take tensors and nothing else.
_RENAMED = {
    "abs": "absolute", "acos": "arccos", "acosh": "arccosh", "add": "add", "asin": "arcsin", "asinh": "arcsinh",
    "atan": "arctan", "atan2": "arctan2", "atanh": "arctanh", "bitwise_not": "bitwise_invert",
    "div.no_rounding_mode": "divide", "eq": "equal", "float_power": "power", "ge": "greater_equal",
    "gt": "greater", "le": "less_equal", "lt": "less", "max.binary": "maximum", "min.binary": "minimum", "mul": "multiply",
    "ne": "not_equal", "neg": "negative", "nn.functional.relu": "relu", "nn.functional.silu": "silu", "pow": "power",
    "ravel": "flatten", "sub": "subtract", "true_divide": "divide", "mm": "matmul", "bmm": "matmul", "mv": "matmul",
    "dot": "matmul", "t": "transpose", "t_copy": "transpose", "special.erf": "erf",
}  # fmt: skip
_SAME_NAME = (
    "bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor ceil copysign cos cosh "
    "erf exp exp2 expm1 floor floor_divide hypot isfinite isinf isnan log log10 log1p log2 logaddexp logical_and "
    "logical_not logical_or logical_xor matmul maximum minimum outer positive reciprocal remainder sigmoid sign signbit "
    "sin sinh sqrt square tan tanh trunc"
)


def _plain(name: str) -> Adapter:
    function = getattr(mg, name)

    def adapter(*operands: Any, alpha: Any = None, **others: Any) -> Any:
        if others:
            raise UntranslatableError(", ".join(others))
        if alpha is not None:
            operands = (operands[0], operands[1] * alpha)
        return function(*operands)

    return adapter


def _axis(dim: Any) -> Any:
    if isinstance(dim, (list, tuple)):
        return tuple(dim) or None
    return dim


def _dtype(dtype: Any) -> str:
    name = str(dtype).removeprefix("torch.")
    if "complex" in name or name == "bfloat16":
        raise UntranslatableError(name)
    return name


def _cast(x: Any, dtype: Any) -> Any:
    return x if dtype is None else mg.astype(x, dtype=_dtype(dtype))


def _reduction(name: str) -> Adapter:
    function = getattr(mg, name)

    def adapter(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
        return function(_cast(x, dtype), axis=_axis(dim), keepdims=keepdim)

    return adapter


def _along_axis(name: str) -> Adapter:
    function = getattr(mg, name)

    def adapter(x: Any, dim: int, dtype: Any = None) -> Any:
        return function(_cast(x, dtype), axis=dim)

    return adapter


def _moment(name: str) -> Adapter:
    function = getattr(mg, name)

    def adapter(
        x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = 1
    ) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        chosen = correction if unbiased is None else int(unbiased)
        return function(
            x, axis=_axis(dim), keepdims=keepdim, correction=1 if chosen is None else chosen
        )

    return adapter


def _clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    return mg.clip(x, min, max)


def _clamp_min(x: Any, min: Any) -> Any:
    return mg.clip(x, min, None)


def _clamp_max(x: Any, max: Any) -> Any:
    return mg.clip(x, None, max)


def _vector_norm(
    x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    if ord != 2:
        raise UntranslatableError(f"ord {ord}")
    return mg.norm(_cast(x, dtype), axis=_axis(dim), keepdims=keepdim)


def _leaky_relu(x: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    return mg.leaky_relu(x, negative_slope)


def _softplus(x: Any, beta: float = 1, threshold: float = 20) -> Any:
    if beta != 1:
        raise UntranslatableError("beta")
    return mg.softplus(x)


def _permute(x: Any, *dims: Any) -> Any:
    axes = dims[0] if len(dims) == 1 and isinstance(dims[0], (list, tuple)) else dims
    return mg.transpose(x, tuple(axes)) if x.ndim else mg.transpose(x)


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    if x.ndim < 2 or weight.ndim < 2:
        raise UntranslatableError("one axis")
    return mg.linear(x, weight.T, bias)


def _cat(tensors: Any, dim: int = 0, axis: int | None = None) -> Any:
    return mg.concatenate(list(tensors), axis=dim if axis is None else axis)


ADAPTERS: dict[str, Adapter] = {
    **{name: _plain(name) for name in _SAME_NAME.split()},
    **{name: _plain(other) for name, other in _RENAMED.items() if other},
    **{name: _reduction(name) for name in ("sum", "mean", "prod", "logsumexp", "all", "any")},
    "amax": _reduction("max"),
    "amin": _reduction("min"),
    **{name: _moment(name.partition(".")[0]) for name in ("var", "std", "var.unbiased", "std.unbiased")},
    **{name: _along_axis(name) for name in ("softmax", "log_softmax", "cumsum", "cumprod")},
    "softmax.with_dtype": _along_axis("softmax"),
    "log_softmax.with_dtype": _along_axis("log_softmax"),
    "clamp": _clamp,
    "clamp_min": _clamp_min,
    "clamp_max": _clamp_max,
    "linalg.vector_norm": _vector_norm,
    "nn.functional.leaky_relu": _leaky_relu,
    "nn.functional.softplus": _softplus,
    "nn.functional.linear": _linear,
    "where": lambda x, condition, other: mg.where(condition, x, other),
    "permute": _permute,
    "transpose": mg.swapaxes,
    "unsqueeze": mg.expand_dims,
    "reshape_as": lambda x, other: mg.reshape(x, other.shape),
    "view_as": lambda x, other: mg.reshape(x, other.shape),
    "reshape": lambda x, shape: mg.reshape(x, tuple(shape)),
    "broadcast_to": lambda x, shape: mg.broadcast_to(x, tuple(shape)),
    "flip": lambda x, dims: mg.flip(x, tuple(dims)),
    "cat": _cat,
    "stack": lambda tensors, dim=0: mg.stack(list(tensors), axis=dim),
    "tril": lambda x, diagonal=0: mg.tril(x, diagonal),
    "triu": lambda x, diagonal=0: mg.triu(x, diagonal),
    "__getitem__": operator.getitem,
    "__radd__": lambda x, other: other + x,
    "__rmul__": lambda x, other: other * x,
    "__rsub__": lambda x, other: other - x,
    "__rdiv__": lambda x, other: other / x,
    "__rpow__": lambda x, other: other**x,
}  # fmt: skip
