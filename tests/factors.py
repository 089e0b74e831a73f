"""Factors to score codes against."""

import itertools
import math

import numpy as np


def uniform(n: int, factors: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, factors))


def every_combination(*sizes: int, times: int = 1) -> np.ndarray:
    """Each combination of the classes of some factors, equally often: independent, and exactly uniform."""
    return np.array(list(itertools.product(*map(range, sizes))) * times, np.float64)


def rotated(factors: np.ndarray, angle: float) -> np.ndarray:
    c, s = math.cos(angle), math.sin(angle)
    return factors @ np.array([[c, s], [-s, c]])
