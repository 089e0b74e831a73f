"""How an argument of PyTorch's is written for minigan."""

from __future__ import annotations

from typing import Any

import minigan as mg


class UntranslatableError(Exception):
    """The sample uses an argument that minigan's function does not have."""


def refuse(**arguments: Any) -> None:
    """Refuse each argument that is given: not None, False, 0 or empty."""
    given = [name for name, value in arguments.items() if value]
    if given:
        raise UntranslatableError(", ".join(given))


def dtype_name(dtype: Any) -> str:
    """Return the name of a dtype of PyTorch's, as NumPy says it."""
    name = str(dtype).removeprefix("torch.")
    if "complex" in name or name == "bfloat16":
        raise UntranslatableError(name)
    return name


def cast(x: Any, dtype: Any) -> Any:
    """Return x in a dtype of PyTorch's, or as it is for None."""
    return x if dtype is None else mg.astype(x, dtype=dtype_name(dtype))


def axes(dim: Any) -> Any:
    """Return one axis, a tuple of them, or None for all, which PyTorch writes as an empty list too."""
    return (tuple(dim) or None) if isinstance(dim, (list, tuple)) else dim


def as_tuple(values: Any) -> tuple[Any, ...]:
    """Return (2, 3) from the arguments (2, 3) or ([2, 3],)."""
    first = values[0] if len(values) == 1 else values
    return tuple(first) if isinstance(first, (list, tuple)) else tuple(values)


def pair(value: Any) -> tuple[int, int]:
    """Return (height, width) from one number, (n,) or (height, width)."""
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return values * 2 if len(values) == 1 else (values[0], values[1])


def at(x: Any, dim: int, index: Any) -> Any:
    """Return x indexed along one axis."""
    return x[(*(slice(None),) * (dim % max(x.ndim, 1)), index)]
