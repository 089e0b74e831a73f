"""Sums, extremes, moments, softmax and orders along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import minigan as mg
from benchmarks.conformance.adapters.arguments import UntranslatableError, axes, cast, refuse


def _reduction(name: str) -> Callable[..., Any]:
    function = getattr(mg, name)

    def adapter(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
        return function(cast(x, dtype), axis=axes(dim), keepdims=keepdim)

    return adapter


def _along(name: str) -> Callable[..., Any]:
    function = getattr(mg, name)

    def adapter(x: Any, dim: int, dtype: Any = None) -> Any:
        return function(cast(x, dtype), axis=dim)

    return adapter


def _moment(name: str) -> Callable[..., Any]:
    function = getattr(mg, name)

    def adapter(
        x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = 1
    ) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        chosen = correction if unbiased is None else int(unbiased)
        return function(
            x, axis=axes(dim), keepdims=keepdim, correction=1 if chosen is None else chosen
        )

    return adapter


def _with_index(value: Callable[..., Any], index: Callable[..., Any]) -> Callable[..., Any]:
    def adapter(x: Any, dim: int, keepdim: bool = False) -> Any:
        return value(x, axis=dim, keepdims=keepdim), index(x, axis=dim, keepdims=keepdim)

    return adapter


def _norm(x: Any, order: Any, dim: Any, keepdim: bool, dtype: Any, orders: Any) -> Any:
    if order not in orders:
        raise UntranslatableError(f"the norm of order {order}")
    return mg.norm(cast(x, dtype), axis=axes(dim), keepdims=keepdim)


def vector_norm(
    x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    return _norm(x, ord, dim, keepdim, dtype, (2,))


def matrix_norm(
    x: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, dtype: Any = None
) -> Any:
    return _norm(x, ord, dim, keepdim, dtype, ("fro",))


def norm(x: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    return _norm(x, p, dim, keepdim, dtype, (2, "fro", None))


def linalg_norm(
    x: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Any:
    is_matrix = x.ndim == 2 if dim is None else isinstance(dim, (tuple, list)) and len(dim) == 2
    return _norm(x, ord, dim, keepdim, dtype, ("fro", None) if is_matrix else (2, None))


def sort(x: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    refuse(descending=descending)
    return mg.sort(x, axis=dim), mg.argsort(x, axis=dim)


def argsort(x: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    refuse(descending=descending)
    return mg.argsort(x, axis=dim)


def searchsorted(
    sorted_sequence: Any,
    values: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: Any = None,
    sorter: Any = None,
) -> Any:
    if sorted_sequence.ndim != 1 or sorter is not None:
        raise UntranslatableError("several sorted rows, or a sorter")
    places = mg.searchsorted(sorted_sequence, values, side=side or ("right" if right else "left"))
    return places.astype("int32") if out_int32 else places


def diff(x: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    parts = [part for part in (prepend, x, append) if part is not None]
    return mg.diff(mg.concat(parts, dim) if len(parts) > 1 and n else x, n, dim)


REDUCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _reduction(name) for name in ("sum", "mean", "prod", "logsumexp", "all", "any")},
    **{f"{name}.unbiased": _moment(name) for name in ("var", "std")},
    **{name: _moment(name) for name in ("var", "std")},
    **{name: _along(name) for name in ("softmax", "log_softmax", "cumsum", "cumprod")},
    **{f"{name}.with_dtype": _along(name) for name in ("softmax", "log_softmax")},
    "amax": _reduction("max"),
    "amin": _reduction("min"),
    "argmax": lambda x, dim=None, keepdim=False: mg.argmax(x, axis=dim, keepdims=keepdim),
    "argmin": lambda x, dim=None, keepdim=False: mg.argmin(x, axis=dim, keepdims=keepdim),
    "argsort": argsort,
    "count_nonzero": lambda x, dim=None: mg.count_nonzero(x, axis=axes(dim)),
    "diff": diff,
    "linalg.matrix_norm": matrix_norm,
    "linalg.norm": linalg_norm,
    "linalg.norm.subgradients_at_zero": linalg_norm,
    "linalg.vector_norm": vector_norm,
    "max.reduction_no_dim": mg.max,
    "max.reduction_with_dim": _with_index(mg.max, mg.argmax),
    "min.reduction_no_dim": mg.min,
    "min.reduction_with_dim": _with_index(mg.min, mg.argmin),
    "msort": lambda x: mg.sort(x, axis=0),
    "norm": norm,
    "norm.fro": norm,
    "searchsorted": searchsorted,
    "sort": sort,
}
