"""MIG: hand-computed cases and closed forms; entropies against SciPy."""

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from factors import every_combination, rotated, uniform
from hypothesis import given
from hypothesis import strategies as st

from minigan.metrics.arrays import BINS, discretize, entropy
from minigan.metrics.mig import MutualInformation, mutual_information, mutual_information_gap


def mig(codes: np.ndarray, factors: np.ndarray, **choices: object) -> float:
    return float(mutual_information_gap(mutual_information(codes, factors, **choices)).mean())  # type: ignore[arg-type]


def test_equal_parts_of_the_range() -> None:
    values = np.array([0.0, 0.24, 0.26, 0.5, 0.74, 0.99, 1.0])
    assert discretize(values, bins=4).tolist() == [0, 0, 1, 2, 2, 3, 3]
    # as a histogram's bins, for any values
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
