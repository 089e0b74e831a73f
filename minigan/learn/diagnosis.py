"""Name the mistake behind a wrong result."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

import numpy as np

from minigan.learn.exercise import Array


def is_close(found: Array, expected: Array, tolerance: float) -> bool:
    """Return whether shapes agree, and values within `tolerance`·max(1, |expected|)."""
    return found.shape == expected.shape and not is_wrong(found, expected, tolerance).any()


def is_wrong(found: Array, expected: Array, tolerance: float) -> Array:
    """Return which elements are not within `tolerance`·max(1, |expected|); NaN is not."""
    bound = tolerance * np.maximum(1, np.abs(expected))
    return np.asarray(~(np.abs(found - expected) <= bound))


def name_mistake(
    found: Array, expected: Array, slips: Mapping[str, Array], tolerance: float
) -> str:
    """Return a sentence about the mistake, empty if none of the usual ones fits."""
    for sentence, wrong in slips.items():
        if is_close(found, wrong, tolerance):
            return sentence
    if found.shape != expected.shape:
        return _of_shape(found, expected, tolerance)
    if np.isnan(found).all():
        return "No element is written."
    if not np.isfinite(found).all():
        return "The result has NaN or infinity: look for an overflow or an element never written."
    if is_close(found, -expected, tolerance):
        return "The sign is wrong."
    if found.ndim == 2 and is_close(found, expected.T, tolerance):
        return "The result is transposed: rows and columns are exchanged."
    return _of_factor(found, expected, tolerance)


def _of_shape(found: Array, expected: Array, tolerance: float) -> str:
    for count in range(1, found.ndim + 1):
        for axes in itertools.combinations(range(found.ndim), count):
            summed = found.sum(axis=axes, keepdims=True)
            if summed.size == expected.size and is_close(
                summed.reshape(expected.shape), expected, tolerance
            ):
                return f"A sum is missing: add up over the broadcast axes {axes}."
    if found.size and found.shape == expected.shape[::-1]:
        return "The result is transposed: rows and columns are exchanged."
    return f"The shape is {found.shape}, and {expected.shape} is right; was the wrong axis summed?"


def _of_factor(found: Array, expected: Array, tolerance: float) -> str:
    square = float((expected * expected).sum())
    factor = float((found * expected).sum()) / square if square else 0.0
    if found.size > 1 and factor and is_close(found, factor * expected, tolerance):
        return f"Each element is {factor:.4g} times the right one: a factor is wrong."
    return ""


# A pattern in the emulator's message -> the mistake behind it.
_KERNEL_MISTAKES = {
    r"a race: .* of shared": "A __syncthreads() is missing between these two accesses.",
    r"a race": "Two threads touch the same element: give each thread elements that no other has.",
    r"past the end|before the|outside": "A bound is wrong: compare the index with the size first.",
    r"barrier": "Some threads skip the barrier: move __syncthreads() out of the branch.",
    r"nobody|unwritten|not been written|never written": "A value is read before a thread wrote it.",
}


def name_kernel_mistake(message: str) -> str:
    """Return a sentence about the mistake that the emulator reports."""
    matches = (text for pattern, text in _KERNEL_MISTAKES.items() if re.search(pattern, message))
    return next(matches, "")
