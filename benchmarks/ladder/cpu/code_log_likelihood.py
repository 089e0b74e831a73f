"""log Q(c|x) of codes and its derivative on the CPU: parameters (batch, columns), codes (batch, codes), as `CodeTable` says."""

from __future__ import annotations

import math

import numpy as np

from minigan.devices.contract.likelihood import CodeTable

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def expressions(parameters, codes, table, values, derivative):
    """Step 1: NumPy, a code after the other.

    The arrays are small, so the calls take the time, not memory: some ten for each code, of a
    microsecond or more. The code in use (devices/cpu/likelihood.py) is one compiled loop over the
    batch.
    """
    for i, (kind, at, width) in enumerate(zip(table.kind, table.offset, table.width, strict=True)):
        own, c, d = parameters[:, at : at + width], codes[:, i], derivative[:, at : at + width]
        if kind == CodeTable.CATEGORICAL:
            shifted = own - own.max(1, keepdims=True)
            exponential = np.exp(shifted)
            total = exponential.sum(1, keepdims=True)
            chosen = np.arange(len(c)), c.astype(np.int64)
            values[:, i] = shifted[chosen] - np.log(total[:, 0])
            np.divide(exponential, -total, out=d)
            d[chosen] += 1
            continue
        log_std = (
            own[:, 1]
            if kind == CodeTable.PREDICTED_GAUSSIAN
            else np.asarray(table.log_std[i], own.dtype)
        )
        inverse = np.exp(-log_std)
        z = (c - own[:, 0]) * inverse
        values[:, i] = -0.5 * z * z - log_std - HALF_LOG_2PI
        d[:, 0] = z * inverse
        if kind == CodeTable.PREDICTED_GAUSSIAN:
            d[:, 1] = z * z - 1
