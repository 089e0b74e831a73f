"""DCI: hand-computed cases, entropies of SciPy, and forests of known codes."""

import math
import sys

import numpy as np
import pytest
import scipy.special
import scipy.stats
from factors import rotated, uniform

from minigan.errors import SettingsError
from minigan.metrics.dci import completeness, dci, disentanglement
from minigan.metrics.disentanglement import measure


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


def test_the_number_of_threads_changes_no_score() -> None:
    pytest.importorskip("sklearn")
    codes = np.random.default_rng(0).normal(size=(300, 3))
    factors = np.stack([codes[:, 0] > 0, codes[:, 1] ** 2], axis=1).astype(float)
    one, two = (dci(codes, factors, trees=7, threads=n) for n in (1, 2))
    assert one[:3] == two[:3] and np.array_equal(one.importance, two.importance)


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
