"""Scores of codes against factors: hand-computed cases, closed forms, SciPy, brute force."""

import itertools
import math
import sys

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from minigan.errors import SettingsError
from minigan.metrics.disentanglement import (
    BINS,
    MutualInformation,
    attribute_predictability,
    attribute_scores,
    completeness,
    dci,
    discretize,
    disentanglement,
    entropy,
    factor_vae_score,
    measure,
    mutual_information,
    mutual_information_gap,
)

QUICK = {"batch_size": 50, "votes": 300}


def mig(codes: np.ndarray, factors: np.ndarray, **choices: object) -> float:
    return float(mutual_information_gap(mutual_information(codes, factors, **choices)).mean())  # type: ignore[arg-type]


def sap(codes: np.ndarray, factors: np.ndarray, **choices: object) -> float:
    return float(attribute_predictability(attribute_scores(codes, factors, **choices)).mean())  # type: ignore[arg-type]


def uniform(n: int, factors: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, factors))


def every_combination(*sizes: int, times: int = 1) -> np.ndarray:
    """Each combination of the classes of some factors, equally often: independent, and exactly uniform."""
    return np.array(list(itertools.product(*map(range, sizes))) * times, np.float64)


def rotated(factors: np.ndarray, angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return factors @ np.array([[c, s], [-s, c]])


# -- classes and entropies ----------------------------------------------------------------------


def test_equal_parts_of_the_range() -> None:
    values = np.array([0.0, 0.24, 0.26, 0.5, 0.74, 0.99, 1.0])
    assert discretize(values, bins=4).tolist() == [0, 0, 1, 2, 2, 3, 3]
    # as a histogram's bins, whatever the values
    values = np.random.default_rng(1).normal(3, 7, 501)
    counts, _ = np.histogram(values, BINS)
    assert np.bincount(discretize(values), minlength=BINS).tolist() == counts.tolist()


def test_few_values_are_classes_of_their_own() -> None:
    values = np.array([5.0, -1.0, 5.0, 1e9])
    assert discretize(values).tolist() == [1, 0, 1, 2]
    assert discretize(values, bins=2).tolist() == [0, 0, 0, 1]
    assert discretize(values, discrete=True, bins=2).tolist() == [1, 0, 1, 2]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda p: sum(p) > 1e-6))
def test_entropy_is_scipys(weights: list[float]) -> None:
    p = np.array(weights) / sum(weights)
    assert entropy(p) == pytest.approx(scipy.stats.entropy(p), abs=1e-12)


# -- MIG ----------------------------------------------------------------------------------------


def test_mutual_information_by_hand() -> None:
    # z tells v with one mistake in four: joint 1/2 0 / 1/4 1/4
    codes, factors = np.array([[0], [0], [1], [1]]), np.array([[0], [0], [0], [1]])
    measured = mutual_information(codes, factors)
    expected = 0.5 * math.log(0.5 / (0.5 * 0.75)) + 0.25 * math.log(0.25 / (0.5 * 0.75))
    expected += 0.25 * math.log(0.25 / (0.5 * 0.25))
    assert measured.information[0, 0] == pytest.approx(expected, rel=1e-12)
    assert measured.entropies[0] == pytest.approx(0.75 * math.log(4 / 3) + 0.25 * math.log(4))


def test_the_gap_by_hand() -> None:
    measured = MutualInformation(
        np.array([[0.9, 0.1], [0.2, 0.5], [0.6, 0.3]]), np.array([1.5, 0.5])
    )
    gaps = mutual_information_gap(measured)
    assert gaps.tolist() == pytest.approx([0.3 / 1.5, 0.2 / 0.5])
    alone = MutualInformation(np.array([[0.4]]), np.array([0.8]))
    assert mutual_information_gap(alone).tolist() == [0.5]


def test_a_perfect_code_has_a_gap_of_one() -> None:
    factors = every_combination(4, 3, 5)
    assert mig(factors, factors) == pytest.approx(1, abs=1e-12)
    assert mig(-7 * factors + 2, factors) == pytest.approx(1, abs=1e-12)
    # and in other terms: each factor as the probabilities of a categorical code
    one_hot = np.hstack(
        [np.eye(size)[factors[:, k].astype(int)] for k, size in enumerate((4, 3, 5))]
    )
    assert mig(one_hot, factors, widths=(4, 3, 5)) == pytest.approx(1, abs=1e-12)


def test_continuous_factors_up_to_their_bins() -> None:
    factors = uniform(20_011, 2)
    assert 0.985 < mig(factors, factors) < 1


def test_a_code_that_is_there_twice_leaves_no_gap() -> None:
    factors = every_combination(4, 3)
    assert mig(np.hstack([factors, factors]), factors) == 0


def test_half_of_a_factor() -> None:
    """A code that tells which half of eight classes: 1 of 3 bits."""
    factors = every_combination(8, 2)
    codes = np.stack([factors[:, 0] >= 4, factors[:, 1]], axis=1)
    gaps = mutual_information_gap(mutual_information(codes, factors))
    assert gaps.tolist() == pytest.approx([1 / 3, 1])


def test_a_rotation_by_an_eighth_tells_both_alike() -> None:
    factors = uniform(20_001, 2)
    codes = rotated(factors, math.pi / 4)
    assert mig(codes, factors) < 0.02
    assert mig(rotated(factors, 0.1), factors) > 0.5


def test_noise_tells_nothing() -> None:
    codes, factors = uniform(20_003, 3), uniform(20_003, 2, seed=1)
    assert mig(codes, factors) < 0.01


# -- FactorVAE ----------------------------------------------------------------------------------


def test_perfect_codes_get_every_vote_right() -> None:
    factors = uniform(4001, 3)
    assert factor_vae_score(factors[:, ::-1] * [1, 50, 0.01], factors, **QUICK) == 1
    discrete = every_combination(3, 4, 2, times=50)
    assert factor_vae_score(discrete, discrete, **QUICK) == 1
    one_hot = np.hstack(
        [np.eye(size)[discrete[:, k].astype(int)] for k, size in enumerate((3, 4, 2))]
    )
    assert factor_vae_score(one_hot, discrete, widths=(3, 4, 2), **QUICK) == 1
    # without the widths the columns of one factor vary alike, and still name it
    assert factor_vae_score(one_hot, discrete, **QUICK) == 1


def test_a_code_twice_and_constant_codes_change_no_vote() -> None:
    factors = uniform(4001, 2)
    codes = np.hstack([np.full((4001, 1), 3.0), factors, factors, np.zeros((4001, 1))])
    assert factor_vae_score(codes, factors, **QUICK) == 1
    assert factor_vae_score(np.ones((4001, 2)), factors, **QUICK) == 0


def test_votes_by_chance() -> None:
    """Noise, and the sum and difference of two factors: one vote in two, or in three, is right."""
    factors = uniform(8001, 2)
    assert factor_vae_score(rotated(factors, math.pi / 4), factors) == pytest.approx(0.5, abs=0.06)
    assert factor_vae_score(uniform(8001, 5, seed=1), factors) == pytest.approx(0.5, abs=0.06)
    three = uniform(8001, 3)
    assert factor_vae_score(uniform(8001, 4, seed=1), three) == pytest.approx(1 / 3, abs=0.06)


def test_one_code_for_two_of_three_factors() -> None:
    """The third factor is not in the codes: its votes go to either, so two of three are right at best."""
    factors = uniform(8001, 3)
    score = factor_vae_score(factors[:, :2], factors, votes=2000)
    assert score == pytest.approx(2 / 3, abs=0.04)


def test_the_seed_chooses_the_votes() -> None:
    codes, factors = uniform(501, 3, seed=1), uniform(501, 2)
    first = factor_vae_score(codes, factors, seed=3)
    assert factor_vae_score(codes, factors, seed=3) == first
    assert len({factor_vae_score(codes, factors, seed=seed) for seed in range(4)}) > 1


# -- SAP ----------------------------------------------------------------------------------------


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
    # classes along z: 0 0 1 0 1 1 1; a threshold errs on one 0 of three, or on one 1 of four: 1 − 1/8
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


# -- DCI ----------------------------------------------------------------------------------------


def test_disentanglement_and_completeness_by_hand() -> None:
    importance = np.array([[0.8, 0.0], [0.2, 0.0], [0.0, 0.5], [0.0, 0.5]])
    assert disentanglement(importance) == 1  # each code is for one factor
    expected = [scipy.stats.entropy(p, base=4) for p in ([0.8, 0.2], [0.5, 0.5])]
    assert completeness(importance) == pytest.approx(1 - np.mean(expected))
    assert completeness(importance.T) == 1
    assert disentanglement(importance.T) == pytest.approx(1 - np.mean(expected))


def test_disentanglement_weighs_codes_by_their_importance() -> None:
    importance = np.array([[0.9, 0.0, 0.0], [0.1, 0.1, 0.1]])
    assert disentanglement(importance) == pytest.approx((0.9 * 1 + 0.3 * 0) / 1.2)


def test_what_has_no_importance() -> None:
    assert disentanglement(np.zeros((3, 2))) == 0
    assert completeness(np.zeros((3, 2))) == 0
    # a single code, or a single factor, is not spread over others
    assert completeness(np.array([[0.3, 0.4]])) == 1
    assert disentanglement(np.array([[0.3], [0.4]])) == 1


def test_forests_find_the_codes() -> None:
    pytest.importorskip("sklearn")
    factors = np.hstack([uniform(2001, 2), np.arange(2001)[:, None] % 3])
    codes = np.hstack([factors[:, [1]], -factors[:, [0]], np.eye(3)[factors[:, 2].astype(int)]])
    found = dci(codes, factors, widths=(1, 1, 3), trees=10)
    assert found.importance.shape == (3, 3)
    assert found.importance.sum(axis=0) == pytest.approx(1)
    assert found.importance[[1, 0, 2], [0, 1, 2]].min() > 0.99
    assert found.disentanglement > 0.98
    assert found.completeness > 0.98
    assert found.informativeness > 0.99
    again = dci(codes, factors, widths=(1, 1, 3), trees=10)
    assert again.importance.tolist() == found.importance.tolist()


def test_forests_of_entangled_codes_and_of_noise() -> None:
    pytest.importorskip("sklearn")
    factors = uniform(2001, 2)
    entangled = dci(rotated(factors, math.pi / 4), factors, trees=10)
    assert entangled.informativeness > 0.9
    assert entangled.disentanglement < 0.05
    assert entangled.completeness < 0.05
    noise = dci(uniform(2001, 3, seed=1), factors, trees=10)
    assert noise.informativeness == 0
    assert noise.disentanglement < 0.1
    classes = np.arange(2001)[:, None] % 4
    chance = dci(uniform(2001, 3), classes, trees=10).informativeness
    assert chance == pytest.approx(0.25, abs=0.05)


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    factors = uniform(101, 2)
    with pytest.raises(SettingsError, match=r"pip install 'minigan\[metrics\]'"):
        dci(factors, factors)
    scores = measure(factors, factors, ("c1", "c2"), ("a", "b"))
    assert scores.dci_disentanglement is scores.dci_informativeness is None
    assert ("DCI completeness", "not measured", "pip install 'minigan[metrics]'") in scores.rows()
    assert scores.factor_vae == 1


# -- all of them --------------------------------------------------------------------------------


def test_the_order_of_codes_does_not_matter() -> None:
    pytest.importorskip("sklearn")
    factors = np.hstack([uniform(1001, 2), np.arange(1001)[:, None] % 3])
    mixed = factors @ np.random.default_rng(5).normal(size=(3, 4))
    order = [2, 0, 3, 1]
    first = measure(mixed, factors, "abcd", "xyz")
    other = measure(mixed[:, order], factors, [*"cadb"], "xyz")
    assert other.mig == pytest.approx(first.mig, rel=1e-12)
    assert other.sap == pytest.approx(first.sap, rel=1e-12)
    assert other.factor_vae == first.factor_vae
    assert np.array(other.shares).tolist() == np.array(first.shares)[order].tolist()
    # a forest breaks ties in the columns' order
    assert other.dci_disentanglement == pytest.approx(first.dci_disentanglement, abs=0.02)
    assert other.dci_informativeness == pytest.approx(first.dci_informativeness, abs=0.02)


def test_all_scores_of_factors_that_change() -> None:
    factors = np.insert(uniform(777, 2), 1, 4.0, axis=1)
    codes = factors[:, [2, 0]]
    scores = measure(codes, factors, ("c1", "c2"), ("width", "never", "azimuth"))
    assert scores.factors == ("width", "azimuth")
    assert (scores.images, scores.codes) == (777, ("c1", "c2"))
    assert scores.mig == pytest.approx(np.mean(scores.gaps)) == pytest.approx(mig(codes, codes))
    shares = np.array(scores.shares)
    assert shares.shape == (2, 2)
    assert shares[[1, 0], [0, 1]] == pytest.approx(1)
    rows = {name: value for name, value, _ in scores.rows()}
    assert rows["MIG"] == f"{scores.mig:.3f}"
    assert rows["width, told best by c2"] == "1.000"
    with pytest.raises(SettingsError, match="none of the images' factors changes"):
        measure(codes, np.ones((777, 2)), ("c1", "c2"), ("a", "b"))


@pytest.mark.parametrize(
    ("codes", "factors", "choices", "words"),
    [
        ((5, 2), (4, 1), {}, "of the same n"),
        ((5,), (5, 1), {}, "of the same n"),
        ((1, 2), (1, 1), {}, "at least 2"),
        ((5, 2), (5, 1), {"widths": (1, 2)}, r"2 columns, and widths are \[1, 2\]"),
        ((5, 2), (5, 1), {"widths": (0, 2)}, "widths"),
        ((5, 2), (5, 1), {"discrete": (True, False)}, "1 factors and 2 flags"),
    ],
)
def test_arrays_that_do_not_fit(
    codes: tuple[int, ...], factors: tuple[int, ...], choices: dict[str, object], words: str
) -> None:
    rng = np.random.default_rng(0)
    z, v = rng.normal(size=codes), rng.normal(size=factors)
    for score in (mutual_information, factor_vae_score, attribute_scores, dci):
        with pytest.raises(ValueError, match=words):
            score(z, v, **choices)  # type: ignore[operator]


def test_numbers_that_are_none_and_factors_that_never_change() -> None:
    factors = uniform(5, 2)
    broken = factors.copy()
    broken[3, 1] = np.nan
    for z, v in ((broken, factors), (factors, broken)):
        with pytest.raises(ValueError, match="finite"):
            mutual_information(z, v)
    constant = factors * [1, 0]
    with pytest.raises(ValueError, match="factor 1 never changes"):
        attribute_scores(factors, constant)
