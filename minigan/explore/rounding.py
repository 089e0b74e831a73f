"""The numbers of an exported page: float16, or whole numbers of few bits.

A matrix is rounded to whole numbers n, and each of its columns has a scale s: w ≈ n·s.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import numpy as np

from minigan.errors import RunError
from minigan.tensor import Tensor

# The step of 4 bits, in standard deviations. A normal distribution is rounded best with 0.335 (Max 1960); with
# 0.38 fewer weights lie beyond the last level, and pictures of the run that comes with minigan change less.
_STEP = 0.38


def vector(value: Tensor) -> dict[str, Any]:
    """Return a tensor as the page reads it, in float32."""
    return _floats(value.numpy(), "float32")


class Matrix(NamedTuple):
    """Rounded weights: as the page reads them, and their values."""

    text: dict[str, Any]
    values: np.ndarray


def matrix(weights: np.ndarray, bits: int) -> Matrix:
    """Round weights.

    Args:
        weights: the last axis has the columns.
        bits: 16 for float16; 8 or 4 for whole numbers.

    Raises:
        RunError: float16 cannot hold a weight.
    """
    if bits == 16:
        return Matrix(_floats(weights, "float16"), weights.astype(np.float16))
    numbers, scale = rounded(weights.reshape(-1, weights.shape[-1]).astype(np.float64), bits)
    kept = numbers if bits == 8 else _pairs(numbers)
    text = {"type": f"int{bits}", "values": _text(kept), "scale": _text(scale)}
    return Matrix(text, (numbers * scale).reshape(weights.shape))


def rounded(weights: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return whole numbers of 8 or 4 bits, int8, and the scale of each column, float32."""
    largest = 2 ** (bits - 1) - 1
    scale = np.abs(weights).max(axis=0) / largest
    if bits == 4:
        scale = np.minimum(scale, _STEP * weights.std(axis=0))
    scale = np.where(scale > 0, scale, 1).astype("<f4")
    return np.clip(np.round(weights / scale), -largest - 1, largest).astype(np.int8), scale


def _pairs(numbers: np.ndarray) -> np.ndarray:
    """Return two numbers of 4 bits in each byte, the first one in the low half."""
    halves = np.resize(numbers.ravel(), numbers.size + numbers.size % 2).view(np.uint8) & 15
    return halves[0::2] | halves[1::2] << 4


def _floats(values: np.ndarray, type: str) -> dict[str, Any]:
    with np.errstate(over="ignore"):
        values = values.astype(np.dtype(type).newbyteorder("<"))
    if not np.isfinite(values).all():
        raise RunError(f"G has weights that {type} cannot hold")
    return {"type": type, "values": _text(values)}


def _text(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()
