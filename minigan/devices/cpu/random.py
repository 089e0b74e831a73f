"""Philox 4×32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") on the CPU.

A block of four 32-bit words is a pure function of a 64-bit key, the seed, and a 128-bit counter: the
block's number (two words), the step and the stream.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from minigan.devices.cpu.compile import compiled, parallel

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


@compiled
def philox(key0, key1, c0, c1, c2, c3):
    """Four words from a key of two words and a counter of four; all are uint32."""
    for round_number in range(10):
        if round_number:
            key0 = np.uint32(key0 + _W0)
            key1 = np.uint32(key1 + _W1)
        p0 = _M0 * np.uint64(c0)
        p1 = _M1 * np.uint64(c2)
        c0, c1, c2, c3 = (
            np.uint32(np.uint32(p1 >> _32) ^ c1 ^ key0),
            np.uint32(p1 & _LOW),
            np.uint32(np.uint32(p0 >> _32) ^ c3 ^ key1),
            np.uint32(p0 & _LOW),
        )
    return c0, c1, c2, c3


@compiled
def _block(seed, stream, step, number):
    number = np.uint64(number)
    seed = np.uint64(seed)
    return philox(
        np.uint32(seed & _LOW), np.uint32(seed >> _32),
        np.uint32(number & _LOW), np.uint32(number >> _32), np.uint32(step), np.uint32(stream),
    )  # fmt: skip


@parallel
def words(seed, stream, step, result):
    """The stream's first words; `result` is (blocks, 4) uint32."""
    for number in prange(result.shape[0]):
        w0, w1, w2, w3 = _block(seed, stream, step, number)
        result[number, 0] = w0
        result[number, 1] = w1
        result[number, 2] = w2
        result[number, 3] = w3


@compiled
def codes(words, kind, width, result):
    """One word a code; `kind` as in `CodeTable`."""
    real = result.dtype.type
    for row in range(words.shape[0]):
        for code in range(words.shape[1]):
            word = np.uint64(words[row, code])
            if kind[code] == 0:
                result[row, code] = real((word * np.uint64(width[code])) >> _32)
            else:
                result[row, code] = real(word >> np.uint64(8)) * real(2.0**-23) - real(1)
