"""Disentanglement, completeness and informativeness (DCI), Eastwood & Williams 2018."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minigan.errors import SettingsError
from minigan.metrics.arrays import checked, entropy

_LEAF = 10  # samples in a leaf, at least: trees that learn the noise find every code important


class DCI(NamedTuple):
    """The three scores, each in [0, 1], and the importances that they are made of.

    Attributes:
        disentanglement: 1 if each code is important to one factor alone.
        completeness: 1 if each factor has one important code alone.
        informativeness: 1 if the codes predict all factors without error.
        importance: the importance of each code to each factor, (codes, factors).
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importance: np.ndarray


def dci(
    codes: np.ndarray,
    factors: np.ndarray,
    discrete: Sequence[bool] | None = None,
    widths: Sequence[int] | None = None,
    *,
    seed: int = 0,
    trees: int = 50,
    threads: int = 1,
) -> DCI:
    """Return the three scores of DCI, with random forests as the regressors.

    A forest learns each factor from all codes on a random half of the images. R_jk is the
    importance of code j in it (the fall of variance, or of Gini impurity, at the splits on its
    columns). Informativeness is how well it predicts the other half, the mean over factors: R² of a
    continuous factor, not below 0, and accuracy of a discrete one.

    Args:
        codes: (n, columns), as in `minigan.metrics.arrays`.
        factors: the true factors, (n, factors).
        discrete: whether each factor is discrete; by default one with at most 20 different values
            is.
        widths: the number of columns of each code; 1 each by default.
        seed: the seed of the halves and of the forests.
        trees: the number of trees in a forest.
        threads: how many trees are grown at once; the scores do not depend on it.

    Returns:
        The scores, and the importances, (codes, factors).

    Raises:
        SettingsError: scikit-learn is not installed.
        ValueError: the arrays do not fit each other, hold a number that is not finite, or a factor
            never changes.

    Reference: Eastwood & Williams (2018), "A framework for the quantitative evaluation of
    disentangled representations", section 2.
    """
    try:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    except ImportError as error:
        raise SettingsError(
            "DCI needs scikit-learn; install it with: pip install 'minigan[metrics]'"
        ) from error

    data = checked(codes, factors, discrete, widths)
    order = np.random.default_rng(seed).permutation(len(factors))
    fit, held_out = np.array_split(order, 2)
    columns = _spread(np.hstack(data.codes))
    first = np.cumsum([0, *(code.shape[1] for code in data.codes[:-1])])
    importance, scores = [], []
    for factor, flag in zip(data.factors.T, data.discrete, strict=True):
        forest = RandomForestClassifier if flag else RandomForestRegressor
        # every split may choose among all columns: with a few at random, some would have only bad ones
        model = forest(
            trees, min_samples_leaf=_LEAF, max_features=None, random_state=seed, n_jobs=threads
        )
        target = np.unique(factor, return_inverse=True)[1] if flag else _spread(factor)
        model.fit(columns[fit], target[fit])
        importance.append(np.add.reduceat(model.feature_importances_, first))
        scores.append(max(0.0, model.score(columns[held_out], target[held_out])))
    matrix = np.stack(importance, axis=1)
    return DCI(disentanglement(matrix), completeness(matrix), float(np.mean(scores)), matrix)


def _spread(values: np.ndarray) -> np.ndarray:
    """Return columns from 0 to 1: float32, which trees read, would lose what changes far from 0."""
    values = values - values.min(axis=0)
    spread: np.ndarray = values / np.where(values.max(axis=0) > 0, values.max(axis=0), 1)
    return spread


def disentanglement(importance: np.ndarray) -> float:
    """Return Σ_j ρ_j·D_j, D_j = 1 − H(P_j)/ln factors.

    It is 1 if each code is important to one factor alone. P_jk = R_jk/Σ_k R_jk is the share of
    factor k in code j's importance. ρ_j = Σ_k R_jk/Σ_jk R_jk is the code's weight.

    Args:
        importance: R, (codes, factors), not negative.

    Reference: Eastwood & Williams (2018), "A framework for the quantitative evaluation of
    disentangled representations", section 2.
    """
    weights = importance.sum(axis=1)
    if weights.sum() == 0:
        return 0.0
    return float((_concentration(importance) * weights).sum() / weights.sum())


def completeness(importance: np.ndarray) -> float:
    """Return the mean over factors of C_k = 1 − H(P_k)/ln codes.

    It is 1 if one code alone is important to each factor. P_jk = R_jk/Σ_j R_jk is the share of code
    j in the importance to factor k.

    Args:
        importance: R, (codes, factors), not negative.

    Reference: Eastwood & Williams (2018), "A framework for the quantitative evaluation of
    disentangled representations", section 2.
    """
    return float(_concentration(importance.T).mean())


def _concentration(importance: np.ndarray) -> np.ndarray:
    """Return 1 − H(p)/ln K of each row, p being its K shares: 1 if one is all, 0 if all are equal.

    A row of zeros has 0.
    """
    places, totals = importance.shape[1], importance.sum(axis=1)
    shares = importance / np.where(totals > 0, totals, 1)[:, None]
    spread = entropy(shares, axis=1) / math.log(places) if places > 1 else np.zeros(len(totals))
    return np.where(totals > 0, 1 - spread, 0.0)
