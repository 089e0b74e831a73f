"""The mutual information gap (MIG), Chen et al. 2018."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minigan.metrics.arrays import BINS, checked, code_classes, discretize, entropy


class MutualInformation(NamedTuple):
    """The information of codes about factors, in nats.

    Attributes:
        information: I(z_j; v_k), (codes, factors).
        entropies: H(v_k), (factors,).
    """

    information: np.ndarray
    entropies: np.ndarray


def mutual_information(
    codes: np.ndarray,
    factors: np.ndarray,
    discrete: Sequence[bool] | None = None,
    widths: Sequence[int] | None = None,
    bins: int = BINS,
) -> MutualInformation:
    """Return I(z; v) = H(z) + H(v) − H(z, v) of each code and factor, by their histogram; nats.

    Args:
        codes: (n, columns), as in `minigan.metrics.arrays`.
        factors: the true factors, (n, factors).
        discrete: whether each factor is discrete; by default one with at most 20 different values
            is.
        widths: the number of columns of each code; 1 each by default.
        bins: the number of equal parts of a continuous variable's range.

    Returns:
        The information, (codes, factors), and the entropies of the factors, (factors,).

    Raises:
        ValueError: the arrays do not fit each other, hold a number that is not finite, or a factor
            never changes.

    Reference: Chen et al. (2018), "Isolating sources of disentanglement in variational
    autoencoders".
    """
    data = checked(codes, factors, discrete, widths)
    z = [code_classes(code, bins) for code in data.codes]
    v = [
        discretize(factor, flag, bins)
        for factor, flag in zip(data.factors.T, data.discrete, strict=True)
    ]
    n, information = len(factors), np.zeros((len(z), len(v)))
    for j, k in np.ndindex(information.shape):
        joint = np.zeros((z[j].max() + 1, v[k].max() + 1))
        np.add.at(joint, (z[j], v[k]), 1 / n)
        information[j, k] = entropy(joint.sum(1)) + entropy(joint.sum(0)) - entropy(joint)
    return MutualInformation(information, np.array([entropy(np.bincount(k) / n) for k in v]))


def mutual_information_gap(measured: MutualInformation) -> np.ndarray:
    """Return the gap of each factor; MIG is their mean.

    The gap is (I(z_j; v_k) − I(z_i; v_k)) / H(v_k). Code j has the most information about v_k, and
    i the next.

    Args:
        measured: the information and the entropies, from `mutual_information`.

    Returns:
        The gaps, (factors,).

    Reference: Chen et al. (2018), "Isolating sources of disentanglement in variational
    autoencoders", section 4.
    """
    ranked = np.sort(np.vstack([np.zeros_like(measured.entropies), measured.information]), axis=0)
    gaps: np.ndarray = (ranked[-1] - ranked[-2]) / measured.entropies
    return gaps
