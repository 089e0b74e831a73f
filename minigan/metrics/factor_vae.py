"""The FactorVAE score, Kim & Mnih 2018."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minigan.metrics.arrays import BINS, checked, discretize


def factor_vae_score(
    codes: np.ndarray,
    factors: np.ndarray,
    discrete: Sequence[bool] | None = None,
    widths: Sequence[int] | None = None,
    *,
    seed: int = 0,
    batch_size: int = 100,
    votes: int = 800,
    bins: int = BINS,
) -> float:
    """Return the accuracy of the majority-vote classifier of factors.

    A vote takes a random factor k and `batch_size` images, with replacement, that agree in it. A
    continuous factor's images agree if they fall in the same of `bins` equal parts of its range. d
    = arg min_j Var_batch(z_j) / Var(z_j) is the code that changed least. From `votes` pairs (d, k)
    the classifier learns the factor most often named with each d. The score is the share of as many
    new pairs that it gets right, 1/factors by chance. A categorical code's variance is that of its
    probabilities, summed. Codes that never change have no vote; without any other the score is 0.

    Args:
        codes: (n, columns), as in `minigan.metrics.arrays`.
        factors: the true factors, (n, factors).
        discrete: whether each factor is discrete; by default one with at most 20 different values
            is.
        widths: the number of columns of each code; 1 each by default.
        seed: the seed of the votes.
        batch_size: the number of images in a vote.
        votes: the number of votes to learn from, and again to score.
        bins: the number of parts of a continuous factor's range.

    Raises:
        ValueError: the arrays do not fit each other, hold a number that is not finite, or a factor
            never changes. Also for no vote, one image in a vote, or less than two parts.

    Reference: Kim & Mnih (2018), "Disentangling by factorising", section 4.
    """
    if votes < 1 or batch_size < 2:
        raise ValueError(f"there is a vote, of two images at least; not {votes} of {batch_size}")
    data = checked(codes, factors, discrete, widths)
    varying = [code for code in data.codes if np.ptp(code, axis=0).any()]
    if not varying:
        return 0.0
    normalized = [code / math.sqrt(_variance(code)) for code in varying]
    labels = [
        discretize(factor, flag, bins)
        for factor, flag in zip(data.factors.T, data.discrete, strict=True)
    ]
    members = [[np.flatnonzero(k == value) for value in range(k.max() + 1)] for k in labels]
    rng = np.random.default_rng(seed)

    def count_votes() -> np.ndarray:
        counts = np.zeros((len(varying), len(labels)), np.int64)
        for k in rng.integers(len(labels), size=votes):
            alike = members[k][labels[k][rng.integers(len(factors))]]
            batch = alike[rng.integers(len(alike), size=batch_size)]
            counts[np.argmin([_variance(code[batch]) for code in normalized]), k] += 1
        return counts

    learned = count_votes().argmax(axis=1)
    right = count_votes()[np.arange(len(varying)), learned]
    return float(right.sum() / votes)


def _variance(code: np.ndarray) -> float:
    """Return the mean squared distance of a code's rows from their mean."""
    return float(code.var(axis=0).sum())
