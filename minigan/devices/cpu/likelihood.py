"""Likelihoods on the CPU: value and derivative in one pass. They are small (batch × codes), and serial."""

from __future__ import annotations

import math

import numpy as np

from minigan.devices.cpu.compile import compiled

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_LEAST = 1e-37  # of what a logarithm is taken


@compiled
def binary_cross_entropy_with_logits(logits, targets, values, derivative):
    """max(x, 0) − x·t + log(1 + e⁻|ˣ|): no term overflows."""
    one = logits.dtype.type(1)
    for i in range(logits.size):
        x, t = logits[i], targets[i]
        e = np.exp(-abs(x))
        values[i] = max(x, 0 * one) - x * t + np.log1p(e)
        derivative[i] = (e if x < 0 else one) / (one + e) - t


@compiled
def code_log_likelihood(parameters, codes, kind, offset, width, log_std, values, derivative):
    """Column by column of the codes; `kind` as in `CodeTable`."""
    real = parameters.dtype.type
    half, one, half_log_2pi = real(0.5), real(1), real(_HALF_LOG_2PI)
    for row in range(codes.shape[0]):
        for code in range(kind.size):
            at = offset[code]
            if kind[code] == 0:
                _categorical(
                    parameters[row, at : at + width[code]],
                    int(codes[row, code]),
                    derivative[row, at : at + width[code]],
                    values[row, code : code + 1],
                )
                continue
            log_sigma = parameters[row, at + 1] if kind[code] == 2 else real(log_std[code])
            inverse = np.exp(-log_sigma)
            z = (codes[row, code] - parameters[row, at]) * inverse
            values[row, code] = -half * z * z - log_sigma - half_log_2pi
            derivative[row, at] = z * inverse
            if kind[code] == 2:
                derivative[row, at + 1] = z * z - one


@compiled
def _categorical(logits, index, derivative, value):
    """log softmax at `index`, and its derivative: one-hot(index) − softmax."""
    largest = logits.max()
    total = logits.dtype.type(0)
    for k in range(logits.size):
        derivative[k] = np.exp(logits[k] - largest)
        total += derivative[k]
    for k in range(logits.size):
        derivative[k] = -derivative[k] / total
    derivative[index] += logits.dtype.type(1)
    value[0] = logits[index] - largest - np.log(total)


@compiled
def code_consistency_information(
    first, second, kind, offset, width, entropy_weight, values, first_derivative, second_derivative
):
    """Of each categorical code, and its derivatives; of another code 0."""
    values[:] = 0
    first_derivative[:] = 0
    second_derivative[:] = 0
    weight = first.dtype.type(entropy_weight)
    for code in range(kind.size):
        if kind[code] == 0:
            columns = slice(offset[code], offset[code] + width[code])
            values[code] = _consistency_information(
                _log_softmax(first[:, columns]), _log_softmax(second[:, columns]), weight,
                first_derivative[:, columns], second_derivative[:, columns],
            )  # fmt: skip


@compiled
def _log_softmax(logits):
    result = np.empty(logits.shape, logits.dtype)
    for row in range(logits.shape[0]):
        result[row] = logits[row] - logits[row].max()
        result[row] -= np.log(np.exp(result[row]).sum())
    return result


@compiled
def _consistency_information(log_p, log_q, entropy_weight, first_derivative, second_derivative):
    """entropy_weight·H(p̄) + E[Σ p·log q], p̄ the mean of p; with g = log q − entropy_weight·log p̄ the derivatives are p·(g − Σ pg) and p − q."""
    rows, k = log_p.shape
    p, q = np.exp(log_p), np.exp(log_q)
    mean = p.sum(axis=0) / rows
    log_mean = np.log(np.maximum(mean, mean.dtype.type(_LEAST)))
    information = -entropy_weight * (mean * log_mean).sum()
    for row in range(rows):
        expected = log_p.dtype.type(0)
        for i in range(k):
            expected += p[row, i] * (log_q[row, i] - entropy_weight * log_mean[i])
            information += p[row, i] * log_q[row, i] / rows
        for i in range(k):
            gain = log_q[row, i] - entropy_weight * log_mean[i]
            first_derivative[row, i] = p[row, i] * (gain - expected) / rows
            second_derivative[row, i] = (p[row, i] - q[row, i]) / rows
    return information


@compiled
def scale_code_gradient(gradient, dy, offset, width, result):
    """dy is (batch, codes), or (1, codes) for every row."""
    for row in range(gradient.shape[0]):
        for code in range(offset.size):
            factor = dy[row if dy.shape[0] > 1 else 0, code]
            for column in range(offset[code], offset[code] + width[code]):
                result[row, column] = gradient[row, column] * factor


@compiled
def encode_latents(noise, codes, kind, width, result):
    result[:] = 0
    for row in range(codes.shape[0]):
        at = noise.shape[1]
        for column in range(at):
            result[row, column] = noise[row, column]
        for code in range(kind.size):
            if kind[code] == 0:
                result[row, at + int(codes[row, code])] = 1
                at += width[code]
            else:
                result[row, at] = codes[row, code]
                at += 1
