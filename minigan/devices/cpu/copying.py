"""memcpy and memset from inside a compiled kernel.

A loop over array elements checks each index for Python's negative ones. It is several times slower
on the runs of a few hundred bytes that unfolding an image copies.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from minigan.devices.cpu.compile import compiled

_POINTER = ir.IntType(8).as_pointer()


@intrinsic
def _memcpy(typing_context, target, source, size):
    def generate(context, builder, signature, arguments):
        target, source, size = arguments
        cgutils.raw_memcpy(
            builder, builder.inttoptr(target, _POINTER), builder.inttoptr(source, _POINTER), size, 1
        )
        return context.get_dummy_value()

    return types.void(target, source, size), generate


@intrinsic
def _memset_zero(typing_context, target, size):
    def generate(context, builder, signature, arguments):
        target, size = arguments
        cgutils.memset(builder, builder.inttoptr(target, _POINTER), size, 0)
        return context.get_dummy_value()

    return types.void(target, size), generate


@compiled
def copy_elements(target, target0, source, source0, count):
    """target[target0 : target0 + count] = source[source0 : …], counted in elements of flat C-order memory."""
    size = target.itemsize
    _memcpy(
        np.int64(target.ctypes.data + target0 * size),
        np.int64(source.ctypes.data + source0 * size),
        np.int64(count * size),
    )


@compiled
def clear_elements(target, target0, count):
    """target[target0 : target0 + count] = 0, counted in elements of flat C-order memory."""
    size = target.itemsize
    _memset_zero(np.int64(target.ctypes.data + target0 * size), np.int64(count * size))
