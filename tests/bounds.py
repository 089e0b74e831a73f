"""How far a result may be from the exact one: bounds of rounding errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from oracles import Array


def unit_roundoff(dtype: Any) -> float:
    """u: a rounded operation gives its exact result times 1 + δ, |δ| ≤ u."""
    return float(np.finfo(dtype).eps) / 2


def gamma(n: float, dtype: Any) -> float:
    """γₙ = nu/(1 − nu): n factors 1 + δ, |δ| ≤ u, differ from 1 by at most this (Higham 2002, lemma 3.1)."""
    nu = n * unit_roundoff(dtype)
    assert nu < 1
    return nu / (1 - nu)


def rounding(n: float, dtype: Any) -> float:
    """γₙ of a result in `dtype` and γₙ of its reference in float64: how far apart the two may be.

    A term of a sum of n products goes through one multiplication and, in any order, at most n − 1
    additions. Each is a factor 1 + δ (adding to an exact 0 rounds nothing, and a fused
    multiplication and addition rounds once for both). So |fl(Σ aᵢbᵢ) − Σ aᵢbᵢ| ≤ γₙ·Σ|aᵢbᵢ|; one
    more for a bias; and γₙ₋₁·Σ|aᵢ| for a plain sum.
    """
    return gamma(n, dtype) + gamma(n, np.float64)


def assert_within(found: Any, expected: Any, bound: Any) -> None:
    """|found − expected| ≤ bound, elementwise; the message names the worst element."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"shape {found.shape}, not {expected.shape}"
    if not found.size:
        return
    error, limit = np.broadcast_arrays(np.abs(found.astype(np.float64) - expected), bound)
    excess = np.where(np.isnan(error), np.inf, error - limit)
    at = np.unravel_index(int(np.argmax(excess)), excess.shape)
    assert excess[at] <= 0, (
        f"at {tuple(int(i) for i in at)}: {found[at]:.9g} is {error[at]:.3g} away from {expected[at]:.9g}, "
        f"and rounding explains {limit[at]:.3g}"
    )


def assert_rounded_once_a_term(
    found: Array, reference: Callable[..., Array], operands: tuple[Array, ...], terms: int
) -> None:
    """`reference` is linear in each operand: of absolute values it gives the sum that the bound needs."""
    wide = [a.astype(np.float64) for a in operands]
    bound = rounding(terms, np.float32) * reference(*map(np.abs, wide))
    assert found.dtype == np.float32
    assert_within(found, reference(*wide), bound)


def mean_bound(x: Array, dtype: Any) -> Array:
    """E, how far the computed mean of a column of x (rows, channels) may be from the exact one.

    The bound holds however the rows are split into blocks that are merged. X is the largest |x|, R
    the range of a column. A step is an addition (at most u·X after the division by the count) or
    Chan's merge m + (m′ − m)·s. A merge rounds the difference, the share (twice: in float64, then
    cast), the product and the sum. That is at most u·X + γ₅·R, since |m′ − m| ≤ R and s ≤ 1. A
    merge takes a weighted mean of earlier errors and does not enlarge them; the first, with
    nothing, is exact. n values take at most n steps: E = γₙ·X + γ₅ₙ·R.
    """
    n, wide = len(x), x.astype(np.float64)
    largest, extent = np.abs(wide).max(axis=0), np.ptp(wide, axis=0)
    bound: Array = rounding(n, dtype) * largest + rounding(5 * n, dtype) * extent
    return bound


def std_bound(std: Any, mean_error: Any, n: int, dtype: Any) -> Any:
    """How far the square root of a computed variance of n values may be from σ, E being `mean_bound`.

    n·σ² is the sum of (x − m)² in the blocks and of w·(m − m′)² in the merges. This identity holds
    for every split: as a vector of weighted differences its length is √n·σ. Each computed mean is
    within E of its exact value. The n differences have one such mean, those of the merges two.
    Their weights sum to at most n in each part and n again between the parts. So the vector's
    length changes by at most √(nE² + 2n·(2E)²) = 3E√n. Its squares go through 2n + 10 roundings at
    most (difference, weight, square; an addition in the block, two a merge; the division). So |σ̂ −
    σ| ≤ 3E + γ₂ₙ₊₁₀·(σ + 3E). A variance of two passes has the n differences alone, so the bound
    serves its unbiased value too, at most twice as large.
    """
    return 3 * mean_error + rounding(2 * n + 10, dtype) * (std + 3 * mean_error)


def variance_bound(variance: Any, mean_error: Any, n: int, dtype: Any) -> Any:
    """|σ̂² − σ²| ≤ (2σ + d)·d, where d is `std_bound`."""
    std = np.sqrt(variance)
    d = std_bound(std, mean_error, n, dtype)
    return (2 * std + d) * d


def batch_norm_bound(x: Array, weight: Array, bias: Array, epsilon: float, dtype: Any) -> Array:
    """How far rounding may take the batch norm of x, one group's (rows, channels).

    Let E bound the mean's error and D the variance's, σ = √(V + ε) and s = √(V − D + ε), the least it may
    be computed as. Then (x − m̂)/σ̂ is within d = E/s + |x − m|·(1/s − 1/σ) of (x − m)/σ. Ten
    roundings follow: ε, the sum, the root (these three halved), the reciprocal and its product with
    the weight. Then come the difference, the product, the sum with the bias, the slope and its
    product. The activation itself enlarges nothing.
    """
    n, x = len(x), x.astype(np.float64)
    error, variance = mean_bound(x, dtype), x.var(axis=0)
    least = np.maximum(variance - variance_bound(variance, error, n, dtype), 0)
    inverse, most = 1 / np.sqrt(variance + epsilon), 1 / np.sqrt(least + epsilon)
    deviation = np.abs(x - x.mean(axis=0))
    d = error * most + deviation * (most - inverse)
    size = np.abs(weight) * (deviation * inverse + d) + np.abs(bias)
    bound: Array = np.abs(weight) * d + rounding(10, dtype) * size
    return bound


def softmax_roundings(x: Array, axis: int | None = None) -> float:
    """How many roundings separate a computed log Σ eˣ, log softmax or softmax from the exact one, near 1.

    x − max is off by at most u·R, R the range of x, and so is its exponential, relatively. `exp`
    and `log` themselves are off by 2 units in the last place (4u). The sum is off by γₖ, and its
    logarithm by as much absolutely, and by 4u·log k. The last subtraction is off by u·(R + log k).
    """
    k = x.size if axis is None else x.shape[axis]
    return float(2 * np.ptp(x) + k + 5 * np.log(k) + 12)


def gaussian_roundings(log_std: Any) -> float:
    """How many roundings lead to −½z² − log σ − ½ log 2π, relative to the sum of the three sizes.

    log σ may be a rounded logarithm, off by 5u·|log σ|. That changes e^−log σ by as much
    relatively, and `exp` by 4u. With the difference and the product, z has 6 + 5|log σ|. z² has
    twice as many and one, and two additions follow.
    """
    return float(15 + 10 * np.abs(log_std).max(initial=0))
