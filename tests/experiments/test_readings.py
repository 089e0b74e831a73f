"""What Q reads: its arithmetic against brute force and SciPy."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from small_networks import LAYOUT, random_reading

from minigan.experiments.readings import (
    code_readings,
    pearson_correlation,
    representation,
)

# -- codes against what Q reads -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_readings_are_those_of_scipy(dtype: type) -> None:
    parameters, codes = random_reading(3)
    parameters, codes = parameters.astype(dtype), codes.astype(dtype)
    readings = code_readings(LAYOUT, parameters, codes)
    parameters, codes = parameters.astype(np.float64), codes.astype(np.float64)
    rows, (c1, c2, c3, c4) = np.arange(len(codes)), codes.T
    log_likelihoods: list[Any] = [
        scipy.special.log_softmax(parameters[:, :4], 1)[rows, c1.astype(int)],
        scipy.stats.norm.logpdf(c2, parameters[:, 4]),
        scipy.special.log_softmax(parameters[:, 5:8], 1)[rows, c3.astype(int)],
        scipy.stats.norm.logpdf(c4, parameters[:, 8]),
    ]
    expected = np.log([4, 2, 3, 2]) + np.mean(log_likelihoods, axis=1)
    assert [r.information for r in readings] == pytest.approx(expected.tolist(), rel=1e-12)
    assert [r.name for r in readings] == ["c1", "c2", "c3", "c4"]
    assert [r.code for r in readings] == ["Cat(4)", "Uniform", "Cat(3)", "Uniform"]
    assert [r.entropy for r in readings] == np.log([4, 2, 3, 2]).tolist()
    assert [r.attainable for r in readings] == [code.attainable for code in LAYOUT]
    for reading, code, mean in ((readings[1], c2, 4), (readings[3], c4, 8)):
        read = parameters[:, mean]
        assert reading.rmse == pytest.approx(np.linalg.norm(read - code) / math.sqrt(len(code)))
        assert reading.correlation == pytest.approx(scipy.stats.pearsonr(read, code).statistic)
    assert all(r.rmse is None and r.correlation is None for r in (readings[0], readings[2]))


def test_a_perfect_reader_attains_the_maximum() -> None:
    _, codes = random_reading(5)
    parameters = np.zeros((len(codes), 9))
    for column, offset in ((0, 0), (2, 5)):
        parameters[np.arange(len(codes)), offset + codes[:, column].astype(int)] = 100
    parameters[:, 4], parameters[:, 8] = codes[:, 1], codes[:, 3]
    for reading in code_readings(LAYOUT, parameters, codes):
        assert reading.information == pytest.approx(reading.attainable, abs=1e-12)
        assert reading.rmse in (None, 0.0)
        assert reading.correlation in (None, pytest.approx(1.0))


def test_a_reader_that_does_not_look_has_no_information() -> None:
    samples = np.arange(1000)
    continuous = (2 * samples + 1) / 1000 - 1
    codes = np.stack([samples % 4, continuous, samples % 3, continuous], axis=1)
    readings = code_readings(LAYOUT, np.zeros((1000, 9)), codes)
    assert readings[0].information == pytest.approx(0, abs=1e-12)
    assert readings[1].information == pytest.approx(-0.3925, abs=1e-4)
    assert readings[1].rmse == pytest.approx(1 / math.sqrt(3), abs=1e-6)
    assert readings[1].correlation == 0


@given(st.integers(0, 2**32 - 1))
def test_the_bound_of_a_continuous_code_falls_with_its_rmse(seed: int) -> None:
    """At σ = 1, L_I(c) = ln 2 − ½ log 2π − ½·RMSE²."""
    reading = code_readings(LAYOUT, *random_reading(seed))[1]
    assert reading.rmse is not None
    assert reading.information == pytest.approx(reading.attainable - reading.rmse**2 / 2)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_a_constant_correlates_with_nothing(value: float) -> None:
    constant, varied = np.full(1000, value), np.random.default_rng(0).uniform(size=1000)
    assert pearson_correlation(constant, varied) == 0
    assert pearson_correlation(varied, constant) == 0
    assert pearson_correlation(constant, constant) == 0


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_correlation_is_numpys(seed: int, slope: float) -> None:
    x, noise = np.random.default_rng(seed).normal(size=(2, 20))
    y = slope * x + noise
    assert pearson_correlation(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-12)


def test_a_representation_is_probabilities_and_means() -> None:
    parameters, _ = random_reading(7)
    parameters *= 300  # no exponential of it is finite
    codes, widths = representation(LAYOUT, parameters.astype(np.float32))
    assert widths == (4, 1, 3, 1)
    parameters = parameters.astype(np.float32).astype(np.float64)
    expected = parameters.copy()
    for part in (slice(0, 4), slice(5, 8)):
        expected[:, part] = scipy.special.softmax(parameters[:, part], axis=1)
    np.testing.assert_allclose(codes, expected, rtol=1e-12)
