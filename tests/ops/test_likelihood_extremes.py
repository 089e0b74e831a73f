"""Likelihoods of extreme numbers, and of operands that do not fit."""

from collections.abc import Callable
from typing import Any

import bounds
import numpy as np
import pytest
import scipy.special
from bounds import assert_within, rounding
from code_checks import FLOATS, check_codes

import minigan as mg


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("offset", [0, -1e4, 1e4])
def test_an_offset_of_all_logits_changes_nothing(dtype: Any, offset: float) -> None:
    """It is subtracted before anything is rounded: these sums are exact in float32 too."""
    x = np.array([[0, 1, 2.5], [0.5, -4, 4], [-1, 0, -2]])
    labels = np.arange(3)
    moved = mg.tensor(x + offset, dtype=dtype, requires_grad=True)
    values = mg.categorical_log_likelihood(moved, labels)
    np.testing.assert_array_equal(
        values.numpy(), mg.categorical_log_likelihood(mg.tensor(x, dtype=dtype), labels)
    )
    values.sum().backward()
    bound = rounding(bounds.softmax_roundings(x, 1) + 1, dtype)
    assert_within(moved.grad, np.eye(3) - scipy.special.softmax(x, axis=1), bound)


@pytest.mark.parametrize("dtype", FLOATS)
def test_logits_of_ten_thousand(dtype: Any) -> None:
    logits = np.array([[1e4, -1e4], [-1e4, 1e4], [1e4, 1e4]], dtype)
    x = mg.tensor(logits, requires_grad=True)
    values = mg.categorical_log_likelihood(x, [1, 1, 1])
    np.testing.assert_array_equal(values.numpy(), np.array([-2e4, 0, -np.log(2)], dtype))
    values.sum().backward()
    np.testing.assert_array_equal(x.grad, [[-1, 1], [0, 0], [-0.5, 0.5]])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("size", [100, 1e4])
def test_binary_cross_entropy_of_extreme_logits(dtype: Any, size: float) -> None:
    x = mg.tensor(np.array([size, -size, size, -size], dtype), requires_grad=True)
    targets = np.array([1, 0, 0, 1], dtype)
    values = mg.binary_cross_entropy_with_logits(x, targets, "none")
    # e⁻¹⁰⁰ is a subnormal number in float32, which keeps few of its digits.
    bound = np.exp(-size) * (1 + rounding(12, dtype)) + np.finfo(dtype).smallest_subnormal
    assert_within(values.numpy(), np.array([0, 0, size, size]), bound)
    values.sum().backward()
    assert_within(x.grad, np.array([0, 0, 1, -1]), bound)


@pytest.mark.parametrize("dtype", FLOATS)
def test_gaussians_far_away_narrow_and_wide(dtype: Any) -> None:
    parameters = np.array([[1e4, 0.0], [0.5, -15.0], [0.5, 15.0], [0.0, 80.0]])
    values = np.zeros((4, 1))
    check_codes(parameters, values, [mg.Gaussian(None)], dtype)
    check_codes(parameters[:, :1], values, [mg.Gaussian(std=1e-3)], dtype)


LAYOUT = [mg.Categorical(3), mg.Gaussian()]
PARAMETERS, CODES = np.zeros((2, 4)), np.zeros((2, 2))


@pytest.mark.parametrize("label", [-1, 3, 100, 0.5, np.nan])
def test_a_label_that_is_no_category_is_named(label: float) -> None:
    values = CODES.copy()
    values[1, 0] = label
    with pytest.raises(ValueError, match=r"code_log_likelihood: code 0 holds .*categories 0 … 2"):
        mg.code_log_likelihood(mg.tensor(PARAMETERS), values, LAYOUT)
    with pytest.raises(ValueError, match=r"categories 0 … 2"):
        mg.categorical_log_likelihood(mg.tensor(PARAMETERS[:, :3]), values[:, 0])


@pytest.mark.parametrize("label", [-1, 3, 100])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_labels_of_cross_entropy_are_categories(label: int, smoothing: float) -> None:
    logits = mg.tensor(PARAMETERS[:, :3])
    with pytest.raises(ValueError, match=r"0 … 2"):
        mg.cross_entropy(logits, [0, label], label_smoothing=smoothing)
    for labels in ([0.0, 1.0], [True, False]):
        with pytest.raises(ValueError, match="integer labels"):
            mg.cross_entropy(logits, labels, label_smoothing=smoothing)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda: mg.code_consistency_information(mg.tensor(PARAMETERS), PARAMETERS[:1], LAYOUT),
         r"code_consistency_information: .*\(batch, 4\).*\(2, 4\) and \(1, 4\)"),
        (lambda: mg.code_consistency_information(mg.tensor(PARAMETERS[:, :3]), PARAMETERS[:, :3], LAYOUT),
         r"code_consistency_information: .*\(batch, 4\).*\(2, 3\) and \(2, 3\)"),
        (lambda: mg.code_consistency_information(mg.tensor(PARAMETERS[:0]), PARAMETERS[:0], LAYOUT),
         "code_consistency_information: there must be a row"),
        (lambda: mg.code_log_likelihood(mg.tensor(PARAMETERS[:, :3]), CODES, LAYOUT),
         r"code_log_likelihood: the layout has 2 codes in 4 columns.*\(2, 2\).*\(2, 3\)"),
        (lambda: mg.code_log_likelihood(mg.tensor(PARAMETERS), CODES[:, :1], LAYOUT),
         r"code_log_likelihood: the layout has 2 codes in 4 columns.*\(2, 1\).*\(2, 4\)"),
        (lambda: mg.code_log_likelihood(mg.tensor(PARAMETERS), CODES[:1], LAYOUT),
         r"code_log_likelihood: .*\(2, 4\) and \(1, 2\)"),
        (lambda: mg.code_log_likelihood(mg.tensor(PARAMETERS), mg.tensor(CODES, requires_grad=True), LAYOUT),
         "code_log_likelihood: the codes are data"),
        (lambda: mg.code_log_likelihood(mg.tensor(PARAMETERS.astype(int)), CODES, LAYOUT), "int64"),
        (lambda: mg.categorical_log_likelihood(mg.tensor(PARAMETERS), [0, 1, 2]),
         r"categorical_log_likelihood: logits \(2, 4\) need labels \(2,\); got \(3,\)"),
        (lambda: mg.cross_entropy(mg.tensor(PARAMETERS), [0, 1], "average"), "reduction is .*'average'"),
        (lambda: mg.binary_cross_entropy_with_logits(mg.tensor(PARAMETERS), CODES),
         r"binary_cross_entropy.*\(2, 4\) and \(2, 2\)"),
        (lambda: mg.binary_cross_entropy_with_logits(mg.tensor(PARAMETERS.astype(int)), 1), "int64"),
        (lambda: mg.gaussian_log_likelihood(mg.tensor(PARAMETERS), mg.tensor(CODES)),
         r"gaussian_log_likelihood: .*\(2, 4\) and \(2, 2\)"),
        (lambda: mg.gaussian_log_likelihood(mg.tensor(CODES), 0.0, std=0), "std must be positive; got 0"),
        (lambda: mg.gaussian_log_likelihood(mg.tensor(CODES), 0.0, std=1, log_std=0.0), "not both"),
        (lambda: mg.Gaussian(std=-1), "Gaussian: std must be positive, or None; got -1"),
        (lambda: mg.Categorical(0), "Categorical: a code needs a category; got size 0"),
    ],
)  # fmt: skip
def test_mistakes_are_named(mistake: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mistake()
