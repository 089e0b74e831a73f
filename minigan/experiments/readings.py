"""What Q reads: codes in generated images, and codes of real ones, as metrics take them.

Q reads real images with the running statistics of the real group, and generated ones with those of the
generated group. Its norms saw the same groups in training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minigan import get_device
from minigan.infogan.codes import CategoricalCode, CodeLayout, UniformCode
from minigan.infogan.objective import log_likelihood
from minigan.infogan.settings import Settings
from minigan.ops.likelihood import code_table
from minigan.tensor import Tensor, tensor


@dataclass(frozen=True)
class CodeReading:
    """How well Q reads one code in generated images; nats.

    `information` is L_I(c) = H(c) + E[log Q(c|x)] ≤ `attainable`. `rmse` and `correlation` are those of Q's
    mean with a continuous code, and None for a categorical one.
    """

    name: str
    code: str
    entropy: float
    information: float
    attainable: float
    rmse: float | None = None
    correlation: float | None = None


def code_readings(
    layout: CodeLayout, parameters: np.ndarray, codes: np.ndarray
) -> tuple[CodeReading, ...]:
    """Return the reading of each code, from Q's `parameters` (samples, columns) for images of `codes` (samples, codes)."""
    parameters, codes = parameters.astype(np.float64), codes.astype(np.float64)
    means = log_likelihood(tensor(parameters), tensor(codes), layout).numpy().mean(axis=0)
    offsets = code_table(layout.densities).offset
    readings = []
    for i, (name, code) in enumerate(zip(layout.names, layout, strict=True)):
        rmse = correlation = None
        if isinstance(code, UniformCode):
            read, true = parameters[:, offsets[i]], codes[:, i]
            rmse = math.sqrt(np.mean((read - true) ** 2))
            correlation = pearson_correlation(read, true)
        readings.append(
            CodeReading(
                name=name,
                code=str(code),
                entropy=code.entropy,
                information=code.entropy + float(means[i]),
                attainable=code.attainable,
                rmse=rmse,
                correlation=correlation,
            )
        )
    return tuple(readings)


def pearson_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """cov(x, y)/(σ_x·σ_y), and 0 where one of them is constant: it tells nothing of the other."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))


def representation(
    layout: CodeLayout, parameters: np.ndarray
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return Q's reading as `minigan.metrics.disentanglement` takes it: codes (n, columns), and each code's columns.

    Of a categorical code the probability of each category, softmax of its logits; of a continuous one Q's mean.
    """
    table = code_table(layout.densities)
    codes = parameters.astype(np.float64)
    for code, offset in zip(layout, table.offset, strict=True):
        if isinstance(code, CategoricalCode):
            logits = codes[:, offset : offset + code.size]
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            codes[:, offset : offset + code.size] = odds / odds.sum(axis=1, keepdims=True)
    return codes, tuple(density.columns for density in layout.densities)


def first_categorical(layout: CodeLayout) -> tuple[str, int, int] | None:
    """Return the name, size and first column in Q's output of the first categorical code; None if there is none."""
    offsets = code_table(layout.densities).offset
    for name, code, offset in zip(layout.names, layout, offsets, strict=True):
        if isinstance(code, CategoricalCode):
            return name, code.size, offset
    return None


def real_batches(images: np.ndarray, settings: Settings, batch_size: int) -> Iterator[Tensor]:
    """Yield the images in order, scaled to the range of the networks."""
    device, dtype = get_device(settings.device), np.dtype(settings.dtype)
    for start in range(0, len(images), batch_size):
        pixels = device.asarray(images[start : start + batch_size])
        everyone = device.asarray(np.arange(len(pixels)))
        scaled = device.gather_images(pixels, everyone, settings.image_low, 1.0, dtype)
        yield Tensor(scaled, device)
