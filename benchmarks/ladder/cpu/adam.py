"""Adam on the CPU, of one tensor, flat and in place; `rate` is α/(1 − β₁ᵗ) and `correction` 1/(1 − β₂ᵗ)."""

from __future__ import annotations

import numpy as np

from minigan.devices.cpu.compile import compiled


def expressions(p, g, m, v, rate, beta1, beta2, correction, epsilon):
    """Step 1: the algorithm in NumPy. Each operator makes a new array, and the system has to clear its fresh pages as well."""
    m[:] = beta1 * m + (1 - beta1) * g
    v[:] = beta2 * v + (1 - beta2) * (g * g)
    p[:] = p - rate * m / (np.sqrt(v * correction) + epsilon)


def in_place(p, g, m, v, rate, beta1, beta2, correction, epsilon):
    """Step 2: the same operations, which write into two arrays that are used again.

    No fresh page, but still a pass over memory for each operator.
    """
    work, other = np.empty_like(p), np.empty_like(p)
    m *= beta1
    m += np.multiply(g, 1 - beta1, out=work)
    v *= beta2
    np.multiply(g, g, out=work)
    work *= 1 - beta2
    v += work
    np.multiply(v, correction, out=work)
    np.sqrt(work, out=work)
    work += epsilon
    np.multiply(m, rate, out=other)
    other /= work
    p -= other


@compiled
def one_pass(p, g, m, v, rate, beta1, beta2, correction, epsilon):
    """Step 3: a compiled loop takes each element through the whole algorithm. Seven streams of
    memory: p, g, m, v in and p, m, v out.

    The code in use (devices/cpu/optimizer.py) is this loop, divided among the cores: which gains the rest of the memory's bandwidth.
    """
    real = p.dtype.type
    one, a, b1, b2 = real(1), real(rate), real(beta1), real(beta2)
    inverse, e = real(correction), real(epsilon)
    for i in range(p.size):
        m[i] = b1 * m[i] + (one - b1) * g[i]
        v[i] = b2 * v[i] + (one - b2) * (g[i] * g[i])
        p[i] -= a * m[i] / (np.sqrt(v[i] * inverse) + e)
