"""Two thin linear layers in place of a wide one: a page then has fewer numbers.

h·W + b ≈ (h·A)·B + b′, where A has few columns and B as few rows: their number is the rank. The outputs h·W vary most along
a few directions, the principal ones. The thin layers keep those, and the mean.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class ThinLayers(NamedTuple):
    """The arrays of two layers: h·into·out + bias, of shapes (in, rank), (rank, out) and (out,)."""

    into: np.ndarray
    out: np.ndarray
    bias: np.ndarray


def thin(weight: np.ndarray, inputs: np.ndarray, rank: int) -> ThinLayers:
    """Return the layers of a rank that change inputs·weight least: the mean squared error is the least there is.

    Args:
        weight: (in, out).
        inputs: what the layer reads, (samples, in).
        rank: the columns of the first layer, at most `in`.
    """
    weight, inputs = weight.astype(np.float64), inputs.astype(np.float64)
    mean = inputs.mean(axis=0)
    # the same covariance as the samples have, in as many rows as a sample has values
    few = np.linalg.qr(inputs - mean, mode="r")
    outputs = few @ weight
    main = np.linalg.eigh(outputs @ outputs.T)[1][:, ::-1][:, :rank]  # the largest come first
    directions = np.linalg.qr(outputs.T @ main)[0]
    into = weight @ directions
    lost = mean @ weight - mean @ into @ directions.T
    return ThinLayers(into, directions.T, lost)
