"""Arrays that would give a wrong score without a word: they are refused, or scored as they should be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigan.metrics.arrays import discretize
from minigan.metrics.clustering_error import contingency, matching_error
from minigan.metrics.dci import dci
from minigan.metrics.disentanglement import measure
from minigan.metrics.factor_vae import factor_vae_score
from minigan.metrics.mig import mutual_information, mutual_information_gap
from minigan.metrics.sap import attribute_scores

RNG = np.random.default_rng(0)
FACTORS = RNG.uniform(-1, 1, (300, 2))
CODES = FACTORS + RNG.normal(0, 0.05, (300, 2))
WITH_NAN = np.where(np.arange(600).reshape(300, 2) == 1, np.nan, FACTORS)
MATRIX = np.array([[5, 1], [0, 3], [2, 2]])


def named(codes: str = "ab", factors: str = "xy", values: np.ndarray = FACTORS) -> Any:
    return measure(CODES, values, list(codes), list(factors))


def counted(categories: Any, labels: Any) -> np.ndarray:
    return contingency(np.array(categories), np.array(labels), 3, 3)


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a category −1": (lambda: counted([0, -1], [0, 0]), IndexError, "categories are 0 … 2"),
    "a class −1": (lambda: counted([0, 1], [0, -1]), IndexError, "labels are 0 … 2"),
    "one label for all": (lambda: counted([0, 1], [0]), ValueError, "one for each image"),
    "a mask of categories": (lambda: counted([True, True], [0, 1]), ValueError, "bool"),
    "an assignment to class −2": (lambda: matching_error(MATRIX, np.array([0, 1, -2])), ValueError, "-1 … 1"),
    "an assignment that is short": (lambda: matching_error(MATRIX, np.array([0, 1])), ValueError, "3 classes"),
    "no bins": (lambda: discretize(np.arange(50), bins=0), ValueError, "bins are 2 or more"),
    "one bin": (lambda: mutual_information(CODES, FACTORS, bins=1), ValueError, "bins are 2 or more"),
    "half a bin": (lambda: mutual_information(CODES, FACTORS, bins=2.5), TypeError, "integer"),  # type: ignore[arg-type]
    "no votes": (lambda: factor_vae_score(CODES, FACTORS, votes=0), ValueError, "there is a vote"),
    "one image a vote": (lambda: factor_vae_score(CODES, FACTORS, batch_size=1), ValueError, "two images"),
    "flags that are texts": (lambda: dci(CODES, FACTORS, discrete=["no", "no"]), ValueError, "True or False"),  # type: ignore[list-item]
    "a factor with a NaN": (lambda: named(values=WITH_NAN), ValueError, "finite"),
    "a code without a name": (lambda: named(codes="a"), ValueError, "not 1 codes"),
    "a name too many": (lambda: named(factors="xyz"), ValueError, "not 3 factors"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(name: str) -> None:
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("scale", "offset"), [(2.0**660, 0.0), (2.0**-660, 0.0), (2.0**-100, 0.0), (1.0, 1e8)]
)
def test_no_score_depends_on_the_unit_of_a_code_or_a_factor(scale: float, offset: float) -> None:
    pytest.importorskip("sklearn")
    codes, factors = CODES * scale + offset, FACTORS * scale + offset
    for score in (
        lambda z, v: mutual_information_gap(mutual_information(z, v)),
        attribute_scores,
        factor_vae_score,
        lambda z, v: dci(z, v, trees=5)[:3],
    ):
        np.testing.assert_allclose(score(codes, factors), score(CODES, FACTORS), rtol=1e-3)  # type: ignore[no-untyped-call]


def test_a_code_that_never_changes_has_no_vote_though_its_mean_is_rounded() -> None:
    with_constant = np.hstack([np.full((300, 1), 0.1), CODES])
    assert with_constant[:, 0].var() > 0  # by rounding alone
    assert factor_vae_score(with_constant, FACTORS) == factor_vae_score(CODES, FACTORS)
