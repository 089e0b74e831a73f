"""Log-likelihoods of codes, and their gradients, against the oracles."""

from collections.abc import Sequence
from typing import Any

import bounds
import numpy as np
import oracles
import scipy.special
from bounds import assert_within, rounding
from oracles import Array

import minigan as mg

FLOATS = (np.float32, np.float64)
HALF_LOG_2PI = np.log(2 * np.pi) / 2


def cast(dtype: Any, *operands: Array) -> tuple[list[mg.Tensor], list[Array]]:
    """Tensors of that dtype, and their very values in float64."""
    narrow = [np.asarray(a).astype(dtype) for a in operands]
    return [oracles.wrap(a) for a in narrow], [a.astype(np.float64) for a in narrow]


def check_codes(parameters: Array, values: Array, layout: Sequence[Any], dtype: Any) -> None:
    """The matrix of log-likelihoods, and its gradient by the parameters, with a λ for each code."""
    (tensor,), (wide,) = cast(dtype, parameters)
    found = mg.code_log_likelihood(tensor, values, layout)
    assert found.dtype == dtype
    expected = oracles.code_log_likelihood(wide, values, layout)
    weights = np.arange(1.0, len(layout) + 1) * np.ones_like(expected)
    (gradient,) = oracles.gradients(
        lambda p: mg.code_log_likelihood(p, values, layout), [parameters.astype(dtype)], weights
    )
    assert gradient.dtype == dtype
    at = 0
    for i, density in enumerate(layout):
        own = slice(at, at + density.columns)
        at += density.columns
        columns, code, value = wide[:, own], values[:, i], expected[:, i]
        if isinstance(density, mg.Categorical):
            n = bounds.softmax_roundings(columns, 1) if len(columns) else 1
            size: Any = 1
            slopes = np.eye(density.size)[code.astype(int)] - scipy.special.softmax(columns, axis=1)
            slope_sizes: Any = 1
        else:
            log_std = columns[:, 1] if density.std is None else np.log(density.std)
            n = bounds.gaussian_roundings(log_std)
            size = np.abs(value) + 2 * (np.abs(log_std) + HALF_LOG_2PI)
            z = (code - columns[:, 0]) * np.exp(-log_std)
            slopes = np.stack([z * np.exp(-log_std), z**2 - 1][: density.columns], axis=1)
            slope_sizes = np.stack([np.abs(slopes[:, 0]), z**2 + 1][: density.columns], axis=1)
        assert_within(found.numpy()[:, i], value, rounding(n, dtype) * size)
        bound = rounding(n + 2, dtype) * slope_sizes
        assert_within(gradient[:, own], (i + 1) * slopes, (i + 1) * bound)
