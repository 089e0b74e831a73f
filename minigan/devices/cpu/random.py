"""Philox 4×32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") on the CPU.

A block of four 32-bit words is a pure function of a 64-bit key and a 128-bit counter. The key is
the seed; the counter is the block's number (two words), the step and the stream.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigan.devices.contract.likelihood import CodeTable
from minigan.devices.contract.random import Key, uniform_bounds
from minigan.devices.cpu.arrays import Array, step_number
from minigan.devices.cpu.compile import SERIAL, Integers, Matrix, Words, compiled, kernel
from minigan.devices.device import Device

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def random_uniform(
    device: Device, shape: Sequence[int], low: float, high: float, dtype: Any, key: Key
) -> Array:
    first, width, last = uniform_bounds(low, high, dtype)
    dtype, count = np.dtype(dtype), math.prod(shape)
    words = random_words(device, count * (dtype.itemsize // 4), key)
    if dtype == np.float32:
        u = (words >> 8).astype(np.float32) * np.float32(2**-24)
    else:
        pairs = words.reshape(-1, 2)
        u = ((pairs[:, 0] >> 5) * 2.0**26 + (pairs[:, 1] >> 6)) * 2.0**-53
    u *= dtype.type(width)
    u += dtype.type(first)
    np.minimum(u, dtype.type(last), out=u)
    return u.reshape(shape)


def random_integers(device: Device, shape: Sequence[int], high: int, key: Key) -> Array:
    words = random_words(device, math.prod(shape), key).astype(np.uint64)
    return ((words * np.uint64(high)) >> np.uint64(32)).astype(np.int64).reshape(shape)


def sample_codes(device: Device, batch: int, table: CodeTable, dtype: Any, key: Key) -> Array:
    shape = (batch, len(table.kind))
    words = random_words(device, math.prod(shape), key).reshape(shape)
    codes: Array = device.empty(shape, dtype)
    codes_of_words(batch, words, np.array(table.kind), np.array(table.width), codes)
    return codes


def random_words(device: Device, count: int, key: Key) -> Array:
    """Return the first `count` words of a stream."""
    blocks: Array = device.empty((-(-count // 4), 4), np.uint32)
    seed, stream, step = key
    word_blocks(len(blocks), _signed(seed), int(stream), step_number(step), blocks)
    return blocks.reshape(-1)[:count]


def _signed(seed: int) -> int:
    """Return the same 64 bits as a signed number, which Numba takes for Python's integers."""
    return int(np.uint64(seed).astype(np.int64))


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


@kernel(grain=1 << 12)
def word_blocks(begin: int, end: int, seed: int, stream: int, step: int, result: Words) -> None:
    """Blocks of the stream; `result` is (blocks, 4)."""
    for number in range(begin, end):
        w0, w1, w2, w3 = _block(seed, stream, step, number)
        result[number, 0] = w0
        result[number, 1] = w1
        result[number, 2] = w2
        result[number, 3] = w3


@kernel(grain=SERIAL)
def codes_of_words(
    begin: int, end: int, words: Words, kind: Integers, width: Integers, result: Matrix
) -> None:
    """Turn one word into each code; `kind` as in `CodeTable`."""
    real = result.dtype.type
    for row in range(begin, end):
        for code in range(words.shape[1]):
            word = np.uint64(words[row, code])
            if kind[code] == 0:
                result[row, code] = real((word * np.uint64(width[code])) >> _32)
            else:
                result[row, code] = real(word >> np.uint64(8)) * real(2.0**-23) - real(1)
