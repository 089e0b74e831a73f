"""The functions of the Python array API standard (2024.12): which minigan has, and whether they compute NumPy's values."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

import minigan as mg
from minigan.experiments.pages import Table

# the standard's functions for real and boolean arrays, by their arguments
_ONE = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "exp",
    "expm1",
    "floor",
    "isfinite",
    "isinf",
    "isnan",
    "log",
    "log1p",
    "log2",
    "log10",
    "negative",
    "positive",
    "reciprocal",
    "round",
    "sign",
    "signbit",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
    "argsort",
    "sort",
    "nonzero",
    "squeeze",
    "matrix_transpose",
    "zeros_like",
    "ones_like",
    "tril",
    "triu",
]
_TWO = [
    "add",
    "atan2",
    "copysign",
    "divide",
    "equal",
    "floor_divide",
    "greater",
    "greater_equal",
    "hypot",
    "less",
    "less_equal",
    "logaddexp",
    "maximum",
    "minimum",
    "multiply",
    "nextafter",
    "not_equal",
    "pow",
    "remainder",
    "subtract",
    "matmul",
    "vecdot",
]
_BOOLEAN = ("logical_and", "logical_or", "logical_xor")
_INTEGER = ("bitwise_and", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor")
_REDUCING = [
    "all",
    "any",
    "argmax",
    "argmin",
    "count_nonzero",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
]
_CALLS: dict[str, tuple[Any, ...]] = {
    "arange": (3, 17, 4), "astype": ("x", "float32"), "bitwise_invert": ("i",), "broadcast_arrays": ("x", "row"),
    "broadcast_to": ("row", (4, 3)), "clip": ("x", -0.5, 0.5), "concat": (["x", "y"],), "cumulative_prod": ("v",),
    "cumulative_sum": ("v",), "diff": ("x",), "expand_dims": ("x", 1), "eye": (4,), "flip": ("x",), "full": ((2, 3), 1.5),
    "full_like": ("x", 2.5), "linspace": (0.0, 1.0, 5), "logical_not": ("b",), "meshgrid": ("v", "row"),
    "moveaxis": ("x", 0, 1), "ones": ((2, 3),), "permute_dims": ("x", (1, 0)), "repeat": ("x", 2), "reshape": ("x", (3, 4)),
    "roll": ("x", 1), "searchsorted": ("v", "row"), "stack": (["x", "y"],), "take": ("x", "places"),
    "take_along_axis": ("x", "order", 1), "tensordot": ("square", "square"), "tile": ("x", (2, 1)),
    "where": ("b", "x", "y"), "zeros": ((2, 3),), "unstack": ("x",),
}  # fmt: skip
_WITHOUT_VALUES = ("empty", "empty_like", "from_dlpack")
# what minigan leaves out, and why
ABSENT = {
    "complex numbers": ["conj", "imag", "real"],
    "results of a length that depends on values; use numpy() first": [
        "unique_all",
        "unique_counts",
        "unique_inverse",
        "unique_values",
        "isin",
    ],
    "a tensor's constructor is `tensor`; shared memory is `from_dlpack`": ["asarray"],
    "dtypes are NumPy's": ["can_cast", "finfo", "iinfo", "isdtype", "result_type"],
}

_RNG = np.random.default_rng(5)
_ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "x": _RNG.uniform(-0.9, 0.9, (4, 3)),
    "y": _RNG.uniform(-0.9, 0.9, (4, 3)),
    "square": _RNG.normal(size=(3, 3)),
    "v": np.sort(_RNG.normal(size=5)),
    "row": _RNG.normal(size=3),
    "b": _RNG.random((4, 3)) > 0.5,
    "i": _RNG.integers(1, 6, (4, 3)),
    "places": np.array([2, 0, 2, 11]),
    "order": _RNG.integers(0, 3, (4, 2)),
}


def _calls() -> dict[str, tuple[Any, ...]]:
    calls = dict(_CALLS)
    calls |= dict.fromkeys((*_ONE, *_REDUCING), ("x",))
    calls |= dict.fromkeys(_TWO, ("x", "y"))
    calls |= dict.fromkeys(_BOOLEAN, ("b", "b")) | dict.fromkeys(_INTEGER, ("i", "i"))
    # x is in the domain of none of these
    calls |= {
        "acosh": ("i",),
        "log": ("i",),
        "log2": ("i",),
        "log10": ("i",),
        "sqrt": ("i",),
        "pow": ("i", "x"),
    }
    return calls | {"matmul": ("square", "square"), "unstack": ("x",)}


def run() -> dict[str, Any]:
    """Call each function of the standard as NumPy's, and return the counts and the differences."""
    calls = _calls()
    faults = [f"{name} is missing" for name in _WITHOUT_VALUES if not hasattr(mg, name)]
    for name, arguments in calls.items():
        if not hasattr(mg, name):
            faults.append(f"{name} is missing")
        elif not _agree(name, arguments):
            faults.append(f"{name}: other values than NumPy's")
        elif unknown := _axis_names(name):
            faults.append(f"{name}: no argument {', '.join(unknown)}")
    return {
        "functions": sorted({*calls, *_WITHOUT_VALUES}),
        "faults": faults,
        "left out": dict(ABSENT),
    }


def _agree(name: str, arguments: tuple[Any, ...]) -> bool:
    found = getattr(mg, name)(*_given(arguments, mg.tensor))
    if name == "unstack":
        right = list(_ARRAYS["x"])
    elif name == "take_along_axis":
        right = np.take_along_axis(_ARRAYS["x"], _ARRAYS["order"], axis=1)
    else:
        right = getattr(np, name)(*_given(arguments, lambda array: array))
    pairs = zip(found, right, strict=True) if isinstance(found, (list, tuple)) else [(found, right)]
    return all(
        one.numpy().shape == np.shape(other)
        and np.allclose(one.numpy(), other, rtol=1e-6, atol=1e-12)
        for one, other in pairs
    )


def _given(arguments: tuple[Any, ...], make: Any) -> list[Any]:
    """Return the arguments with arrays for their names."""
    return [
        [make(_ARRAYS[name]) for name in a] if isinstance(a, list)
        else make(_ARRAYS[a]) if isinstance(a, str) and a in _ARRAYS
        else a
        for a in arguments
    ]  # fmt: skip


def _axis_names(name: str) -> list[str]:
    """Return which of the standard's `axis` and `keepdims` a reduction does not have."""
    if name not in _REDUCING:
        return []
    return [key for key in ("axis", "keepdims") if key not in inspect.signature(getattr(mg, name)).parameters]  # fmt: skip


def table(result: dict[str, Any]) -> Table:
    """Return a row for what minigan has, and one for each reason to leave functions out."""
    rows = [["there, with NumPy's values", str(len(result["functions"]) - len(result["faults"]))]]
    rows += [
        [f"left out: {why}", ", ".join(f"`{n}`" for n in names)]
        for why, names in result["left out"].items()
    ]
    return Table("Functions of the array API standard", ("", "functions"), rows)
