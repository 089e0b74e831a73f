"""The FactorVAE score: cases with a known share of right votes."""

import math

import numpy as np
import pytest
from factors import every_combination, rotated, uniform

from minigan.metrics.factor_vae import factor_vae_score

QUICK = {"batch_size": 50, "votes": 300}


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
