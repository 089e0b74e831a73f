"""Likelihoods on the CPU: value and derivative in one pass. They are small (batch × codes), and serial."""

from __future__ import annotations

import math

import numpy as np

from minigan.devices.contract.likelihood import CodeTable
from minigan.devices.cpu.arrays import Array
from minigan.devices.cpu.compile import (
    SERIAL,
    Blocks,
    Integers,
    Matrix,
    Reals,
    Vector,
    compiled,
    kernel,
)
from minigan.devices.device import Device

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_LEAST = 1e-37  # of the argument of a logarithm


def binary_cross_entropy_with_logits(
    device: Device, logits: Array, targets: Array
) -> tuple[Array, Array]:
    pair = device.empty((2, *logits.shape), logits.dtype)
    values, derivative = pair[0, ...], pair[1, ...]  # with dots: arrays, 0-dimensional too
    cross_entropy(
        logits.size, logits.reshape(-1), targets.reshape(-1),
        values.reshape(-1), derivative.reshape(-1),
    )  # fmt: skip
    return values, derivative


def code_log_likelihood(
    device: Device, parameters: Array, codes: Array, table: CodeTable
) -> tuple[Array, Array]:
    values = device.empty(codes.shape, parameters.dtype)
    derivative = device.empty(parameters.shape, parameters.dtype)
    log_likelihoods(
        len(codes), parameters, codes, np.array(table.kind), np.array(table.offset),
        np.array(table.width), np.array(table.log_std, np.float64), values, derivative,
    )  # fmt: skip
    return values, derivative


def scale_code_gradient(device: Device, gradient: Array, dy: Array, table: CodeTable) -> Array:
    result: Array = device.empty(gradient.shape, gradient.dtype)
    scale_columns(
        len(gradient), gradient, dy.reshape(-1, len(table.kind)),
        np.array(table.offset), np.array(table.width), result,
    )  # fmt: skip
    return result


def code_consistency_information(
    device: Device, first: Array, second: Array, table: CodeTable, entropy_weight: float = 1.0
) -> tuple[Array, Array, Array]:
    values = device.empty((len(table.kind),), first.dtype)
    derivatives = device.empty((2, *first.shape), first.dtype)
    work = device.empty((3, max(1, len(first)), first.shape[1]), first.dtype)
    consistency_information(
        len(table.kind), first, second, np.array(table.kind), np.array(table.offset),
        np.array(table.width), entropy_weight, values, derivatives, work,
    )  # fmt: skip
    return values, derivatives[0], derivatives[1]


def encode_latents(device: Device, noise: Array, codes: Array, table: CodeTable) -> Array:
    result: Array = device.empty(
        (codes.shape[0], noise.shape[1] + table.encoded_columns), codes.dtype
    )
    encode_rows(len(codes), noise, codes, np.array(table.kind), np.array(table.width), result)
    return result


@kernel(grain=SERIAL)
def cross_entropy(
    begin: int, end: int, logits: Vector, targets: Vector, values: Vector, derivative: Vector
) -> None:
    """|x|·s + log(1 + e⁻|ˣ|), s = 1 − t for x > 0, else t: no term overflows, and a share of 0 has no loss at ∞."""
    one = logits.dtype.type(1)
    for i in range(begin, end):
        x, t = logits[i], targets[i]
        e = np.exp(-abs(x))
        share = one - t if x > 0 else t
        values[i] = (abs(x) * share if share != 0 else share) + np.log1p(e)
        derivative[i] = (e if x < 0 else one) / (one + e) - t


@kernel(grain=SERIAL)
def log_likelihoods(
    begin: int, end: int, parameters: Matrix, codes: Matrix, kind: Integers, offset: Integers,
    width: Integers, log_std: Reals, values: Matrix, derivative: Matrix,
) -> None:  # fmt: skip
    """Column by column of the codes; `kind` as in `CodeTable`."""
    real = parameters.dtype.type
    half, one, half_log_2pi = real(0.5), real(1), real(_HALF_LOG_2PI)
    for row in range(begin, end):
        for code in range(kind.size):
            start = offset[code]
            if kind[code] == 0:
                index = start + int(codes[row, code])
                values[row, code] = _categorical(
                    parameters, row, start, start + width[code], index, derivative
                )
                continue
            log_sigma = parameters[row, start + 1] if kind[code] == 2 else real(log_std[code])
            inverse = np.exp(-log_sigma)
            z = (codes[row, code] - parameters[row, start]) * inverse
            values[row, code] = -half * z * z - log_sigma - half_log_2pi
            derivative[row, start] = z * inverse
            if kind[code] == 2:
                derivative[row, start + 1] = z * z - one


@compiled
def _categorical(logits, row, start, stop, index, derivative):
    """log softmax at column `index`, and its derivative: one-hot(index) − softmax."""
    largest = logits[row, start]
    for k in range(start + 1, stop):
        largest = max(largest, logits[row, k])
    total = logits.dtype.type(0)
    for k in range(start, stop):
        derivative[row, k] = np.exp(logits[row, k] - largest)
        total += derivative[row, k]
    for k in range(start, stop):
        derivative[row, k] = -derivative[row, k] / total
    derivative[row, index] += logits.dtype.type(1)
    return logits[row, index] - largest - np.log(total)


@kernel(grain=SERIAL)
def consistency_information(
    begin: int, end: int, first: Matrix, second: Matrix, kind: Integers, offset: Integers,
    width: Integers, entropy_weight: float, values: Vector, derivatives: Blocks, work: Blocks,
) -> None:  # fmt: skip
    """Compute L_I of each categorical code, and its derivatives; 0 of another code."""
    weight = first.dtype.type(entropy_weight)
    for code in range(begin, end):
        start, stop = offset[code], offset[code] + width[code]
        values[code] = 0
        for row in range(first.shape[0]):
            for i in range(start, stop):
                derivatives[0, row, i] = 0
                derivatives[1, row, i] = 0
        if kind[code] == 0:
            _log_softmax(first, start, stop, work[0])
            _log_softmax(second, start, stop, work[1])
            values[code] = _information(start, stop, weight, work, derivatives)


@compiled
def _log_softmax(logits, start, stop, result):
    """Compute log softmax of the columns start … stop."""
    for row in range(logits.shape[0]):
        largest = logits[row, start]
        for i in range(start + 1, stop):
            largest = max(largest, logits[row, i])
        total = logits.dtype.type(0)
        for i in range(start, stop):
            result[row, i] = logits[row, i] - largest
            total += np.exp(result[row, i])
        for i in range(start, stop):
            result[row, i] -= np.log(total)


@compiled
def _information(start, stop, entropy_weight, work, derivatives):
    """entropy_weight·H(p̄) + E[Σ p·log q], p̄ the mean of p, of log p and log q in `work`.

    With g = log q − entropy_weight·log p̄ the derivatives are p·(g − Σ pg) and p − q.
    """
    real = work.dtype.type
    log_p, log_q, scratch = work[0], work[1], work[2]
    rows = derivatives.shape[1]
    information = real(0)
    for i in range(start, stop):
        mean = real(0)
        for row in range(rows):
            mean += np.exp(log_p[row, i])
        mean /= rows
        log_mean = np.log(max(mean, real(_LEAST)))
        scratch[0, i] = log_mean
        information -= entropy_weight * mean * log_mean
    for row in range(rows):
        expected = real(0)
        for i in range(start, stop):
            p = np.exp(log_p[row, i])
            expected += p * (log_q[row, i] - entropy_weight * scratch[0, i])
            information += p * log_q[row, i] / rows
        for i in range(start, stop):
            p, q = np.exp(log_p[row, i]), np.exp(log_q[row, i])
            gain = log_q[row, i] - entropy_weight * scratch[0, i]
            derivatives[0, row, i] = p * (gain - expected) / rows
            derivatives[1, row, i] = (p - q) / rows
    return information


@kernel(grain=SERIAL)
def scale_columns(
    begin: int, end: int, gradient: Matrix, dy: Matrix, offset: Integers, width: Integers, result: Matrix
) -> None:  # fmt: skip
    """dy is (batch, codes), or (1, codes) for every row."""
    for row in range(begin, end):
        for code in range(offset.size):
            factor = dy[row if dy.shape[0] > 1 else 0, code]
            for column in range(offset[code], offset[code] + width[code]):
                result[row, column] = gradient[row, column] * factor


@kernel(grain=SERIAL)
def encode_rows(
    begin: int, end: int, noise: Matrix, codes: Matrix, kind: Integers, width: Integers, result: Matrix
) -> None:  # fmt: skip
    """Noise, a one-hot vector for each categorical code, and the other codes as they are."""
    for row in range(begin, end):
        for column in range(result.shape[1]):
            result[row, column] = noise[row, column] if column < noise.shape[1] else 0
        start = noise.shape[1]
        for code in range(kind.size):
            if kind[code] == 0:
                result[row, start + int(codes[row, code])] = 1
                start += width[code]
            else:
                result[row, start] = codes[row, code]
                start += 1
