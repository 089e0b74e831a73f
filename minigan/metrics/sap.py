"""Separated attribute predictability (SAP), Kumar et al. 2018."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigan.metrics.arrays import checked


def attribute_scores(
    codes: np.ndarray,
    factors: np.ndarray,
    discrete: Sequence[bool] | None = None,
    widths: Sequence[int] | None = None,
) -> np.ndarray:
    """Return how well each code alone predicts each factor.

    Of a continuous factor, R² of linear regression: Cov(z, v)²/(Var z·Var v). Of a discrete one,
    the balanced accuracy of the best thresholds on z, one fewer than the classes. It is the mean
    over classes of the share that is right. A categorical code predicts by its likeliest category:
    its mean, or its best class. A code that never changes has 0.

    Args:
        codes: (n, columns), as in `minigan.metrics.arrays`.
        factors: the true factors, (n, factors).
        discrete: whether each factor is discrete; by default one with at most 20 different values
            is.
        widths: the number of columns of each code; 1 each by default.

    Returns:
        The scores, (codes, factors).

    Raises:
        ValueError: the arrays do not fit each other, hold a number that is not finite, or a factor
            never changes.

    Reference: Kumar et al. (2018), "Variational inference of disentangled latent concepts from
    unlabeled observations", section 3.
    """
    data = checked(codes, factors, discrete, widths)
    scores = np.zeros((len(data.codes), data.factors.shape[1]))
    for j, k in np.ndindex(scores.shape):
        code, factor = data.codes[j], data.factors[:, k]
        categorical = code.shape[1] > 1
        z = np.unique(code.argmax(axis=1), return_inverse=True)[1] if categorical else code[:, 0]
        if np.ptp(z) == 0:
            continue
        if data.discrete[k]:
            joint = _balanced(z if categorical else np.unique(z, return_inverse=True)[1], factor)
            scores[j, k] = joint.max(axis=1).sum() if categorical else _best_thresholds(joint)
        else:
            best = (np.bincount(z, factor) / np.bincount(z))[z] if categorical else z
            scores[j, k] = _squared_correlation(best, factor)
    return scores


def attribute_predictability(scores: np.ndarray) -> np.ndarray:
    """Return the gap of each factor between its two best scores; SAP is their mean.

    Args:
        scores: the scores of `attribute_scores`, (codes, factors).

    Returns:
        The gaps, (factors,).

    Reference: Kumar et al. (2018), "Variational inference of disentangled latent concepts from
    unlabeled observations", section 3.
    """
    ranked = np.sort(np.vstack([np.zeros(scores.shape[1]), scores]), axis=0)
    gaps: np.ndarray = ranked[-1] - ranked[-2]
    return gaps


def _squared_correlation(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    spread = (x @ x) * (y @ y)
    return float((x @ y) ** 2 / spread) if spread > 0 else 0.0


def _balanced(values: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Return what each class at each value adds to the balanced accuracy, (values, classes)."""
    classes = np.unique(factor, return_inverse=True)[1]
    joint = np.zeros((values.max() + 1, classes.max() + 1))
    np.add.at(joint, (values, classes), 1)
    result: np.ndarray = joint / joint.sum(axis=0) / joint.shape[1]
    return result


def _best_thresholds(joint: np.ndarray) -> float:
    """Return the best balanced accuracy of intervals, at most as many as classes, with a class each.

    Dynamic programming along the values. An interval of class c that ends at value i starts where the best
    accuracy so far, less the earlier gain of c, is largest.
    """
    gained = np.vstack([np.zeros(joint.shape[1]), joint.cumsum(axis=0)])  # by each class, before i
    best = gained.max(axis=1)
    for _ in range(joint.shape[1] - 1):
        starts = np.maximum.accumulate(best[:, None] - gained, axis=0)
        best = (gained + starts).max(axis=1)
    return float(best[-1])
