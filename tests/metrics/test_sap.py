"""SAP: SciPy's regression, closed forms, and thresholds by brute force."""

import itertools
import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from factors import every_combination, rotated, uniform

from minigan.metrics.sap import attribute_predictability, attribute_scores


def sap(codes: np.ndarray, factors: np.ndarray, **choices: object) -> float:
    return float(attribute_predictability(attribute_scores(codes, factors, **choices)).mean())  # type: ignore[arg-type]


def test_continuous_factors_are_scored_by_regression() -> None:
    factors = uniform(501, 2)
    codes = np.hstack([factors**3, uniform(501, 1, seed=1), np.full((501, 1), 2.0)])
    scores = attribute_scores(codes, factors)
    for j, k in np.ndindex(3, 2):
        expected = scipy.stats.linregress(codes[:, j], factors[:, k]).rvalue ** 2
        assert scores[j, k] == pytest.approx(expected, rel=1e-9)
    assert scores[3].tolist() == [0, 0]


@pytest.mark.parametrize("angle", [0, 0.2, math.pi / 4, 1.3])
def test_a_rotation_has_a_closed_form(angle: float) -> None:
    """R² of the two codes is cos² and sin², so the gap is |cos 2θ|."""
    factors = uniform(40_001, 2)
    assert sap(rotated(factors, angle), factors) == pytest.approx(
        abs(math.cos(2 * angle)), abs=0.02
    )


def best_by_brute_force(z: np.ndarray, classes: np.ndarray) -> float:
    """All thresholds, and all classes of the intervals between them."""
    n_classes, best = classes.max() + 1, 0.0
    values = np.unique(z)
    cuts = [-np.inf, *((values[1:] + values[:-1]) / 2), np.inf]
    for thresholds in itertools.combinations_with_replacement(cuts, n_classes - 1):
        interval = np.searchsorted(np.sort(thresholds), z)
        for predicted in itertools.product(range(n_classes), repeat=n_classes):
            right = np.array(predicted)[interval] == classes
            best = max(best, np.mean([right[classes == c].mean() for c in range(n_classes)]))
    return best


@pytest.mark.parametrize(("n", "n_classes", "seed"), [(7, 2, 0), (9, 3, 1), (11, 3, 2), (8, 2, 3)])
def test_the_best_thresholds_are_those_of_brute_force(n: int, n_classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])
    z = np.round(rng.normal(size=n), 1)
    z[1] = z[0]  # two of one value cannot be told apart
    score = attribute_scores(z[:, None], classes[:, None].astype(float))
    assert score[0, 0] == pytest.approx(best_by_brute_force(z, classes), abs=1e-12)


def test_discrete_factors_by_hand() -> None:
    # classes along z: 0 0 1 0 1 1 1; a threshold errs on a 0 of three or a 1 of four: 1 − 1/8
    z, v = np.arange(7.0)[:, None], np.array([[0], [0], [1], [0], [1], [1], [1]])
    assert attribute_scores(z, v)[0, 0] == pytest.approx(1 - 1 / 8)
    # a categorical code's best class in each category: {0, 0, 1}, {0, 1, 1, 1}
    categories = np.eye(2)[[0, 0, 0, 1, 1, 1, 1]]
    assert attribute_scores(categories, v, widths=[2])[0, 0] == pytest.approx((2 / 3 + 3 / 4) / 2)


def test_a_categorical_code_predicts_a_continuous_factor_by_its_means() -> None:
    rng = np.random.default_rng(4)
    category, factor = rng.integers(0, 3, 301), rng.normal(size=(301, 1))
    factor[:, 0] += category == 1
    design = np.eye(3)[category]
    residual = factor[:, 0] - design @ np.linalg.lstsq(design, factor[:, 0], rcond=None)[0]
    expected = 1 - residual.var() / factor.var()
    assert attribute_scores(design * 0.8, factor, widths=[3])[0, 0] == pytest.approx(expected)
    # a category that is never the likeliest is no trouble
    padded = np.insert(design, 1, 0, axis=1)
    assert attribute_scores(padded, factor, widths=[4])[0, 0] == pytest.approx(expected)


def test_perfect_and_double_codes() -> None:
    factors = every_combination(3, 4)
    # of an independent code the best balanced accuracy is by chance
    assert attribute_scores(factors, factors) == pytest.approx(np.array([[1, 1 / 4], [1 / 3, 1]]))
    assert sap(factors, factors) == pytest.approx((3 / 4 + 2 / 3) / 2)
    assert sap(np.hstack([factors, factors]), factors) == 0
    assert sap(uniform(20_001, 3), uniform(20_001, 2, seed=1)) < 1e-3
    assert attribute_predictability(np.array([[0.7]])).tolist() == [0.7]  # no second code
