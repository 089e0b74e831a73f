"""Exercises on InfoGAN: log-likelihoods of codes, and the bound L_I."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigan.learn.exercise import Array, Function


def _categorical(logits: Array, categories: Array) -> Array:
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_q = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return np.asarray(log_q[np.arange(len(categories)), categories])


def _logits_picked(logits: Array, categories: Array) -> Array:
    return np.asarray(logits[np.arange(len(categories)), categories])


def _gaussian(c: Array, mean: Array, log_std: Array) -> Array:
    z = (c - mean) / np.exp(log_std)
    return np.asarray((-0.5 * z**2 - log_std - 0.5 * np.log(2 * np.pi)).sum(axis=1))


def _bound(logits: Array, categories: Array) -> float:
    return float(_categorical(logits, categories).mean() + np.log(logits.shape[1]))


def _categorical_cases(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    scales = [(1, 2, 1.0), (3, 4, 1.0), (5, 10, 900.0)]
    return [(s * rng.normal(size=(n, k)), rng.integers(0, k, n)) for n, k, s in scales]


def _gaussian_cases(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    return [tuple(rng.normal(size=(3, n, k))) for n, k in [(1, 1), (2, 1), (4, 3)]]


_CATEGORICAL_BODY = """\
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_q = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
"""

INFOGAN = (
    Function(
        name="categorical_log_likelihood",
        chapter="InfoGAN",
        task="Return log Q(c|x) of each row for a categorical code; logits may be large.",
        header="def categorical_log_likelihood(logits, categories):\n"
        '    """logits is (rows, categories), categories has one integer a row."""',
        body=_CATEGORICAL_BODY + "    return log_q[np.arange(len(categories)), categories]",
        cases=_categorical_cases,
        expected=_categorical,
        slips={"The logits are not normalized: subtract log Σ exp.": _logits_picked},
    ),
    Function(
        name="gaussian_log_likelihood",
        chapter="InfoGAN",
        task="Return log Q(c|x) of each row for Gaussian codes: a sum over the codes.",
        header="def gaussian_log_likelihood(c, mean, log_std):\n"
        '    """All three are (rows, codes)."""',
        body="""\
    z = (c - mean) / np.exp(log_std)
    return (-0.5 * z**2 - log_std - 0.5 * np.log(2 * np.pi)).sum(axis=1)""",
        cases=_gaussian_cases,
        expected=_gaussian,
        slips={
            "The constant −½ log 2π of each code is missing.": lambda c, mean, log_std: (
                _gaussian(c, mean, log_std) + 0.5 * c.shape[1] * np.log(2 * np.pi)
            ),
            "The term −log σ is missing.": lambda c, mean, log_std: (
                _gaussian(c, mean, log_std) + log_std.sum(axis=1)
            ),
        },
    ),
    Function(
        name="information_bound",
        chapter="InfoGAN",
        task="Return L_I = E[log Q(c|x)] + H(c) in nats, for a uniform categorical code.",
        header="def information_bound(logits, categories):\n"
        '    """logits is (rows, categories), categories has one integer a row."""',
        body=_CATEGORICAL_BODY
        + "    rows = np.arange(len(categories))\n"
        + "    return log_q[rows, categories].mean() + np.log(logits.shape[1])",
        cases=_categorical_cases,
        expected=_bound,
        slips={
            "The entropy H(c) = log k is missing.": lambda logits, categories: _categorical(
                logits, categories
            ).mean(),
            "The entropy has the wrong sign: H(c) is added.": lambda logits, categories: (
                _categorical(logits, categories).mean() - np.log(logits.shape[1])
            ),
        },
    ),
)
