"""The mutual information gap (MIG), Chen et al. 2018."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minigan.metrics.arrays import BINS, checked, code_classes, discretize, entropy


class MutualInformation(NamedTuple):
    """I(z_j; v_k), (codes, factors), and H(v_k), (factors,); nats."""

    information: np.ndarray
    entropies: np.ndarray


def mutual_information(
    codes: np.ndarray,
    factors: np.ndarray,
    discrete: Sequence[bool] | None = None,
    widths: Sequence[int] | None = None,
    bins: int = BINS,
) -> MutualInformation:
    """Return I(z; v) = H(z) + H(v) − H(z, v) of each code and factor, from their joint histogram."""
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
    """Return the gap of each factor, (factors,); MIG is their mean.

    The gap is (I(z_j; v_k) − I(z_i; v_k)) / H(v_k), where j is the code with the most information about v_k, and
    i is the next.

    Reference: Chen et al. 2018, section 4.
    """
    ranked = np.sort(np.vstack([np.zeros_like(measured.entropies), measured.information]), axis=0)
    gaps: np.ndarray = (ranked[-1] - ranked[-2]) / measured.entropies
    return gaps
