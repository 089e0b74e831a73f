"""Likelihoods on the CPU: value and derivative in one pass. They are small (batch × codes), and serial."""

from __future__ import annotations

import math

import numpy as np

from minigan.devices.cpu.compile import compiled

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


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
def code_divergence(parameters, target, kind, offset, width, log_std, values, derivative):
    """KL of each code's density from the target's; `kind` as in `CodeTable`."""
    real = parameters.dtype.type
    half, one = real(0.5), real(1)
    for row in range(values.shape[0]):
        for code in range(kind.size):
            at = offset[code]
            if kind[code] == 0:
                columns = slice(at, at + width[code])
                _categorical_divergence(
                    parameters[row, columns], target[row, columns], derivative[row, columns],
                    values[row, code : code + 1],
                )  # fmt: skip
                continue
            predicted = kind[code] == 2
            log_sigma = parameters[row, at + 1] if predicted else real(log_std[code])
            difference = log_sigma - (target[row, at + 1] if predicted else real(log_std[code]))
            inverse = np.exp(-log_sigma)
            z = (parameters[row, at] - target[row, at]) * inverse
            spread = np.exp(-(difference + difference)) + z * z
            values[row, code] = difference + half * (spread - one)
            derivative[row, at] = z * inverse
            if predicted:
                derivative[row, at + 1] = one - spread


@compiled
def _categorical_divergence(logits, target, derivative, value):
    """Σ q·log(q/p), and its derivative p − q: p and q are the softmax of `logits` and `target`."""
    zero = logits.dtype.type(0)
    largest, target_largest = logits.max(), target.max()
    total, target_total = zero, zero
    for k in range(logits.size):
        total += np.exp(logits[k] - largest)
        target_total += np.exp(target[k] - target_largest)
    shift = (largest + np.log(total)) - (target_largest + np.log(target_total))
    value[0] = zero
    for k in range(logits.size):
        q = np.exp(target[k] - target_largest) / target_total
        derivative[k] = np.exp(logits[k] - largest) / total - q
        value[0] += q * (target[k] - logits[k] + shift)


@compiled
def scale_code_gradient(gradient, dy, offset, width, result):
    for row in range(gradient.shape[0]):
        for code in range(offset.size):
            for column in range(offset[code], offset[code] + width[code]):
                result[row, column] = gradient[row, column] * dy[row, code]


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
