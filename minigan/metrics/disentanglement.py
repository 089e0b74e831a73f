"""How well codes match known factors: MIG, the FactorVAE score, DCI and SAP, each as its paper defines it.

All take plain arrays. `codes` is (n, columns): a code is one column, its value, unless `widths` says how many
columns each code takes; a code of several columns is a categorical one, and holds the probability of each
category. `factors` is (n, factors): what is true of each of the n images. A factor of at most 20 different
values (`discrete` overrules) is discrete, and its values are classes; every other is continuous.

Every score is 1 for codes that each tell one factor and nothing else, one code a factor. Entropies are in nats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minigan.errors import SettingsError

BINS = 20  # of a continuous variable, where its distribution is needed (Locatello et al. 2019)

_LEAF = 10  # samples in a leaf, at least: trees that learn the noise find every code important


# -- what the scores have in common -------------------------------------------------------------


class _Data(NamedTuple):
    """Codes by themselves, (n, width) each, and factors with their kinds, checked to be of one length."""

    codes: list[np.ndarray]
    factors: np.ndarray
    discrete: np.ndarray


def _checked(
    codes: np.ndarray,
    factors: np.ndarray,
    discrete: Sequence[bool] | None,
    widths: Sequence[int] | None,
) -> _Data:
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
    constant = np.flatnonzero(np.ptp(factors, axis=0) == 0)
    if len(constant):
        raise ValueError(f"factor {constant[0]} never changes, so no code can tell it")
    parts = np.split(codes, np.cumsum(widths)[:-1], axis=1)
    return _Data(parts, factors, np.asarray(discrete, bool))


def discretize(values: np.ndarray, discrete: bool = False, bins: int = BINS) -> np.ndarray:
    """Classes 0, 1, … (n,) of the values (n,): `bins` equal parts of their range.

    If the values are discrete, or no more than `bins` differ, each is a class of its own.
    """
    distinct, classes = np.unique(values, return_inverse=True)
    if discrete or len(distinct) <= bins:
        return classes
    low, high = distinct[0], distinct[-1]
    parts: np.ndarray = (bins * ((values - low) / (high - low))).astype(np.int64)
    parts[values == high] = bins - 1  # the last part is closed
    return parts


def _classes(code: np.ndarray, bins: int) -> np.ndarray:
    """Those of a code (n, width): its bins, or the likeliest category."""
    likeliest: np.ndarray = code.argmax(axis=1)
    return discretize(code[:, 0], bins=bins) if code.shape[1] == 1 else likeliest


def entropy(p: np.ndarray, axis: int | None = None) -> np.ndarray:
    """H = −Σ p·ln p along an axis, nats; 0·ln 0 is 0."""
    logarithms = np.log(p, out=np.zeros_like(p), where=p > 0)
    result: np.ndarray = -(p * logarithms).sum(axis=axis)
    return result


# -- MIG ----------------------------------------------------------------------------------------


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
    """I(z; v) = H(z) + H(v) − H(z, v) of each code and factor, from their joint histogram."""
    data = _checked(codes, factors, discrete, widths)
    z = [_classes(code, bins) for code in data.codes]
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
    """The gap of each factor, (factors,); MIG is their mean (Chen et al. 2018, section 4).

    (I(z_j; v_k) − I(z_i; v_k)) / H(v_k), where j is the code that tells most of v_k, and i the next.
    """
    ranked = np.sort(np.vstack([np.zeros_like(measured.entropies), measured.information]), axis=0)
    gaps: np.ndarray = (ranked[-1] - ranked[-2]) / measured.entropies
    return gaps


# -- FactorVAE ----------------------------------------------------------------------------------


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
    """The accuracy of the majority-vote classifier (Kim & Mnih 2018, section 4).

    A vote takes a random factor k and `batch_size` images, with replacement, that agree in it (a continuous
    factor's agree if they fall in the same of `bins` equal parts of its range). d = arg min_j Var_batch(z_j) /
    Var(z_j) is the code that changed least. From `votes` pairs (d, k) the classifier learns the factor most
    often named with each d; the score is the share of as many new pairs that it gets right, 1/factors by chance.
    A categorical code's variance is that of its probabilities, summed. Codes that never change have no vote;
    without any other the score is 0.
    """
    data = _checked(codes, factors, discrete, widths)
    varying = [code for code in data.codes if _variance(code) > 0]
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
    """Of the columns of a code together: the mean squared distance from the mean."""
    return float(code.var(axis=0).sum())


# -- SAP ----------------------------------------------------------------------------------------


def attribute_scores(
    codes: np.ndarray,
    factors: np.ndarray,
    discrete: Sequence[bool] | None = None,
    widths: Sequence[int] | None = None,
) -> np.ndarray:
    """How well each code alone predicts each factor, (codes, factors) (Kumar et al. 2018, section 3).

    Of a continuous factor, R² of linear regression: Cov(z, v)²/(Var z·Var v). Of a discrete one, the balanced
    accuracy (the mean over classes of the share that is right) of the best thresholds on z, one fewer than
    there are classes. A categorical code predicts by its likeliest category: its mean, or its best class. A
    code that never changes has 0.
    """
    data = _checked(codes, factors, discrete, widths)
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
    """The gap of each factor, (factors,), between its two best `attribute_scores`; SAP is their mean."""
    ranked = np.sort(np.vstack([np.zeros(scores.shape[1]), scores]), axis=0)
    gaps: np.ndarray = ranked[-1] - ranked[-2]
    return gaps


def _squared_correlation(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    spread = (x @ x) * (y @ y)
    return float((x @ y) ** 2 / spread) if spread > 0 else 0.0


def _balanced(values: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Share of a class at each value, by the number of classes, (values, classes): what it adds if it is right."""
    classes = np.unique(factor, return_inverse=True)[1]
    joint = np.zeros((values.max() + 1, classes.max() + 1))
    np.add.at(joint, (values, classes), 1)
    result: np.ndarray = joint / joint.sum(axis=0) / joint.shape[1]
    return result


def _best_thresholds(joint: np.ndarray) -> float:
    """The best balanced accuracy of intervals, at most as many as classes, with a class each.

    By dynamic programming along the values: with one interval more, an interval of class c that ends at value
    i starts where the best until there, less what c had gained before, is largest.
    """
    gained = np.vstack([np.zeros(joint.shape[1]), joint.cumsum(axis=0)])  # by each class, before i
    best = gained.max(axis=1)
    for _ in range(joint.shape[1] - 1):
        starts = np.maximum.accumulate(best[:, None] - gained, axis=0)
        best = (gained + starts).max(axis=1)
    return float(best[-1])


# -- DCI ----------------------------------------------------------------------------------------


class DCI(NamedTuple):
    """Disentanglement, completeness and informativeness, each in [0, 1]; `importance` is (codes, factors)."""

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
) -> DCI:
    """The three scores of Eastwood & Williams (2018, section 2), with random forests as its second regressor.

    A forest learns each factor from all codes on a random half of the images. R_jk is the importance of code j
    in it (the fall of variance, or of Gini impurity, at the splits on its columns). Informativeness is how well
    it predicts the other half, the mean over factors: R² of a continuous factor, not below 0, and accuracy of a
    discrete one. Needs scikit-learn, which SettingsError says if it is not there.
    """
    try:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    except ImportError as error:
        raise SettingsError(
            "DCI needs scikit-learn; install it with: pip install 'minigan[metrics]'"
        ) from error

    data = _checked(codes, factors, discrete, widths)
    order = np.random.default_rng(seed).permutation(len(factors))
    fit, held_out = np.array_split(order, 2)
    columns = np.hstack(data.codes)
    first = np.cumsum([0, *(code.shape[1] for code in data.codes[:-1])])
    importance, scores = [], []
    for factor, flag in zip(data.factors.T, data.discrete, strict=True):
        forest = RandomForestClassifier if flag else RandomForestRegressor
        # every split may choose among all columns: with a few at random, some would have only bad ones
        model = forest(trees, min_samples_leaf=_LEAF, max_features=None, random_state=seed)
        target = np.unique(factor, return_inverse=True)[1] if flag else factor
        model.fit(columns[fit], target[fit])
        importance.append(np.add.reduceat(model.feature_importances_, first))
        scores.append(max(0.0, model.score(columns[held_out], target[held_out])))
    matrix = np.stack(importance, axis=1)
    return DCI(disentanglement(matrix), completeness(matrix), float(np.mean(scores)), matrix)


def disentanglement(importance: np.ndarray) -> float:
    """Σ_j ρ_j·D_j, D_j = 1 − H(P_j)/ln factors: 1 if each code is important to one factor alone.

    P_jk = R_jk/Σ_k R_jk is the share of factor k in what code j is important to, and ρ_j = Σ_k R_jk/Σ_jk R_jk
    the code's weight. `importance` R is (codes, factors), not negative.
    """
    weights = importance.sum(axis=1)
    if weights.sum() == 0:
        return 0.0
    return float((_concentration(importance) * weights).sum() / weights.sum())


def completeness(importance: np.ndarray) -> float:
    """The mean over factors of C_k = 1 − H(P_k)/ln codes: 1 if one code alone is important to each factor.

    P_jk = R_jk/Σ_j R_jk is the share of code j in what is important to factor k. `importance` R is
    (codes, factors), not negative.
    """
    return float(_concentration(importance.T).mean())


def _concentration(importance: np.ndarray) -> np.ndarray:
    """1 − H(p)/ln K of each row, p being its shares of K: 1 if it is all in one place, 0 if evenly spread.

    A row of zeros has 0.
    """
    places, totals = importance.shape[1], importance.sum(axis=1)
    shares = importance / np.where(totals > 0, totals, 1)[:, None]
    spread = entropy(shares, axis=1) / math.log(places) if places > 1 else np.zeros(len(totals))
    return np.where(totals > 0, 1 - spread, 0.0)


# -- all of them --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Disentanglement:
    """The scores of one set of images; `gaps` are MIG's by factor, and `shares` is I(z_j; v_k)/H(v_k).

    `shares` is (codes, factors). DCI's three are None where scikit-learn is not installed.
    """

    images: int
    codes: tuple[str, ...]
    factors: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]
    gaps: tuple[float, ...]
    mig: float
    factor_vae: float
    sap: float
    dci_disentanglement: float | None
    dci_completeness: float | None
    dci_informativeness: float | None

    def rows(self) -> list[tuple[str, str, str]]:
        """(what, its value, what to hold it against), for a table."""
        install = "pip install 'minigan[metrics]'"
        scores = [
            ("MIG", self.mig, "1 at best"),
            ("FactorVAE score", self.factor_vae, f"{1 / len(self.factors):.3f} by chance"),
            ("SAP", self.sap, "1 at best"),
            ("DCI disentanglement", self.dci_disentanglement, "1 at best"),
            ("DCI completeness", self.dci_completeness, "1 at best"),
            ("DCI informativeness", self.dci_informativeness, "1 at best"),
        ]
        rows = [
            (name, "not measured", install) if score is None else (name, f"{score:.3f}", reference)
            for name, score, reference in scores
        ]
        for k, factor in enumerate(self.factors):
            told = [share[k] for share in self.shares]
            best = int(np.argmax(told))
            rows.append(
                (f"{factor}, told best by {self.codes[best]}", f"{told[best]:.3f}", "of its H")
            )
        return rows


def measure(
    codes: np.ndarray,
    factors: np.ndarray,
    code_names: Sequence[str],
    factor_names: Sequence[str],
    widths: Sequence[int] | None = None,
    seed: int = 0,
) -> Disentanglement:
    """All scores of these codes, over the factors that change; SettingsError if none does."""
    changing = np.flatnonzero(np.ptp(factors, axis=0) > 0)
    if not len(changing):
        raise SettingsError("none of the images' factors changes, so there is nothing to tell")
    factors = np.asarray(factors, np.float64)[:, changing]
    measured = mutual_information(codes, factors, widths=widths)
    gaps = mutual_information_gap(measured)
    three: tuple[float, float, float] | tuple[None, None, None]
    try:
        three = dci(codes, factors, widths=widths, seed=seed)[:3]
    except SettingsError:  # scikit-learn is an extra
        three = (None, None, None)
    sap = attribute_predictability(attribute_scores(codes, factors, widths=widths))
    shares = measured.information / measured.entropies
    return Disentanglement(
        len(codes), tuple(code_names), tuple(factor_names[int(k)] for k in changing),
        tuple(tuple(row) for row in shares.tolist()), tuple(gaps.tolist()), float(gaps.mean()),
        factor_vae_score(codes, factors, widths=widths, seed=seed), float(sap.mean()), *three,
    )  # fmt: skip
