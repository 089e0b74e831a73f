"""All scores of disentanglement together, and arrays that they refuse."""

import numpy as np
import pytest
from factors import uniform

from minigan.errors import SettingsError
from minigan.metrics.dci import dci
from minigan.metrics.disentanglement import measure
from minigan.metrics.factor_vae import factor_vae_score
from minigan.metrics.mig import mutual_information, mutual_information_gap
from minigan.metrics.sap import attribute_scores


def mig(codes: np.ndarray, factors: np.ndarray, **choices: object) -> float:
    return float(mutual_information_gap(mutual_information(codes, factors, **choices)).mean())  # type: ignore[arg-type]


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
