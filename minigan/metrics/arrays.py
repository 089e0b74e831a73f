"""Codes and factors, as every score of disentanglement takes them.

`codes` is (n, columns). Each code is one column, its value, unless `widths` gives the number of columns of each
code. A code of several columns is categorical and holds the probability of each category. `factors` is
(n, factors), the true factors of each of the n images. A factor with at most 20 different values is discrete
(`discrete` overrules), and its values are classes. Every other factor is continuous. Entropies are in nats.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

BINS = 20  # of a continuous variable, where its distribution is needed (Locatello et al. 2019)


class CodesAndFactors(NamedTuple):
    """Codes and factors that fit each other.

    Attributes:
        codes: each code, (n, width), times a power of two that brings it to about 1.
        factors: the value of each factor, (n, factors), likewise.
        discrete: whether each factor is discrete, bool (factors,).
    """

    codes: list[np.ndarray]
    factors: np.ndarray
    discrete: np.ndarray


def checked(
    codes: np.ndarray,
    factors: np.ndarray,
    discrete: Sequence[bool] | None,
    widths: Sequence[int] | None,
) -> CodesAndFactors:
    """Split the codes by their widths, and find out which factors are discrete.

    Args:
        codes: (n, columns), each code's columns side by side.
        factors: the true factors, (n, factors).
        discrete: whether each factor is discrete; None: one with at most 20 different values is.
        widths: the number of columns of each code; None: 1 each.

    Returns:
        The codes, (n, width) each, the factors, (n, factors), and whether each is discrete.

    Raises:
        ValueError: the arrays do not fit each other, hold a number that is not finite, or a factor
            never changes.
    """
    codes, factors = np.asarray(codes, np.float64), np.asarray(factors, np.float64)
    if (
        codes.ndim != 2
        or factors.ndim != 2
        or factors.size < 2
        or len(codes) != len(factors)
        or len(codes) < 2
    ):
        raise ValueError(
            "codes and factors are (n, columns) and (n, factors) of the same n of at least 2, not "
            f"{codes.shape} and {factors.shape}"
        )
    if not (np.isfinite(codes).all() and np.isfinite(factors).all()):
        raise ValueError("codes and factors must be finite numbers")
    widths = [1] * codes.shape[1] if widths is None else list(widths)
    if min(widths, default=0) < 1 or sum(widths) != codes.shape[1]:
        raise ValueError(f"codes have {codes.shape[1]} columns, and widths are {widths}")
    if discrete is None:
        discrete = [len(np.unique(factor)) <= BINS for factor in factors.T]
    if len(discrete) != factors.shape[1]:
        raise ValueError(f"there are {factors.shape[1]} factors and {len(discrete)} flags")
    factors = np.stack([_scaled(factor) for factor in factors.T], axis=1)
    constant = np.flatnonzero(np.ptp(factors, axis=0) == 0)
    if len(constant):
        raise ValueError(f"factor {constant[0]} never changes, so no code can tell it")
    parts = np.split(codes, np.cumsum(widths)[:-1], axis=1)
    if np.asarray(discrete).dtype.kind not in "biu":
        raise ValueError(f"the flags of the factors are True or False, not {discrete!r}")
    return CodesAndFactors(list(map(_scaled, parts)), factors, np.asarray(discrete, bool))


def _scaled(values: np.ndarray) -> np.ndarray:
    """Return values·2ᵏ with the largest about 1: exact, so that no score changes, and no square overflows."""
    scaled: np.ndarray = np.ldexp(values, -np.frexp(np.abs(values).max())[1])
    return scaled


def discretize(values: np.ndarray, discrete: bool = False, bins: int = BINS) -> np.ndarray:
    """Return classes of values: `bins` equal parts of their range.

    Each different value is a class if the values are discrete, or if at most `bins` of them differ.

    Args:
        values: (n,).
        discrete: whether the values are classes already.
        bins: the number of parts.

    Returns:
        The classes 0, 1, …, (n,).

    Raises:
        ValueError: there are less than two parts.
    """
    if operator.index(bins) < 2:
        raise ValueError(f"bins are 2 or more equal parts of a range; not {bins}")
    distinct, classes = np.unique(values, return_inverse=True)
    if discrete or len(distinct) <= bins:
        return classes
    low, high = distinct[0], distinct[-1]
    parts: np.ndarray = (bins * ((values - low) / (high - low))).astype(np.int64)
    parts[values == high] = bins - 1  # the last part is closed
    return parts


def code_classes(code: np.ndarray, bins: int) -> np.ndarray:
    """Return the classes of a code: its bins, or its likeliest categories.

    Args:
        code: (n, width); a code of several columns has the probability of each category.
        bins: the number of parts of the range of a code of one column.

    Returns:
        The classes 0, 1, …, (n,).

    Raises:
        ValueError: there are less than two parts.
    """
    likeliest: np.ndarray = code.argmax(axis=1)
    return discretize(code[:, 0], bins=bins) if code.shape[1] == 1 else likeliest


def entropy(p: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Return H = −Σ p·ln p along an axis, in nats; 0·ln 0 is 0.

    Args:
        p: probabilities, of any shape.

    Returns:
        The entropies, of p's shape without the axis.
    """
    logarithms = np.log(p, out=np.zeros_like(p), where=p > 0)
    result: np.ndarray = -(p * logarithms).sum(axis=axis)
    return result
