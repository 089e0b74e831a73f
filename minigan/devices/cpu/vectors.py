"""What Numba has no words for, said in LLVM's instructions: vectors that stay in registers, and memory fetched ahead.

A vector is as wide as the machine's registers: 64 bytes with AVX-512, else 32, which LLVM splits where they are 16 wide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

VECTOR_BYTES = 64 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 32
# Of a tile of C: rows, and vectors in a row. Its sums take 16 of AVX-512's 32 registers, or 12 of
# 16. That is more than the 8 multiply-adds that are under way at once, and a row of B fits beside
# them.
TILE_ROWS, TILE_VECTORS = (8, 2) if VECTOR_BYTES == 64 else (4, 3)

_INDEX, _SHORT, _BYTE = ir.IntType(64), ir.IntType(32), ir.IntType(8)
_READ, _WRITE = 0, 1
_NEAREST_CACHE, _DATA = 3, 1


class _Elements:
    """An array's elements in a function that is being built, and vectors of them."""

    def __init__(self, context: Any, builder: ir.IRBuilder, kind: Any, array: Any) -> None:
        self.builder = builder
        self.data = context.make_array(kind)(context, builder, array).data
        self.kind = context.get_data_type(kind.dtype)
        self.bytes = context.get_abi_sizeof(self.kind)

    def vector(self, lanes: int) -> ir.VectorType:
        return ir.VectorType(self.kind, lanes)

    def address(self, index: Any) -> Any:
        return self.builder.gep(self.data, [index])

    def load(self, index: Any, lanes: int) -> Any:
        place = self.builder.bitcast(self.address(index), self.vector(lanes).as_pointer())
        return self.builder.load(place, align=self.bytes)

    def store(self, value: Any, index: Any) -> None:
        place = self.builder.bitcast(self.address(index), value.type.as_pointer())
        self.builder.store(value, place, align=self.bytes)

    def everywhere(self, index: Any, lanes: int) -> Any:
        """Return a vector with that element in every lane."""
        value = self.builder.load(self.address(index), align=self.bytes)
        empty = ir.Constant(self.vector(lanes), ir.Undefined)
        first = self.builder.insert_element(empty, value, ir.Constant(_SHORT, 0))
        return self.builder.shuffle_vector(first, empty, _lanes([0] * lanes))

    def fetch(self, index: Any, how: int) -> None:
        """Bring its cache line near, to be read or written."""
        signature = ir.FunctionType(ir.VoidType(), [_BYTE.as_pointer(), _SHORT, _SHORT, _SHORT])
        name = "llvm.prefetch.p0i8"
        function = cgutils.get_or_insert_function(self.builder.module, signature, name)
        place = self.builder.bitcast(self.address(index), _BYTE.as_pointer())
        numbers = [ir.Constant(_SHORT, n) for n in (how, _NEAREST_CACHE, _DATA)]
        self.builder.call(function, [place, *numbers])


def _number(value: int) -> ir.Constant:
    return ir.Constant(_INDEX, value)


def _lanes(numbers: list[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(_SHORT, len(numbers)), numbers)


def _multiply_add(builder: ir.IRBuilder, a: Any, b: Any, c: Any) -> Any:
    """Return a·b + c by lanes, rounded once where the machine can."""
    kind = "f32" if a.type.element == ir.FloatType() else "f64"
    name = f"llvm.fmuladd.v{a.type.count}{kind}"
    signature = ir.FunctionType(a.type, [a.type] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), [a, b, c])


def _indices(count: int) -> list[types.Type]:
    return [types.int64] * count


@intrinsic
def multiply_panels(
    typing_context, a, a0, b, b0, b_row, depth, c, c0, row, accumulate, ahead, ahead0, stride
):
    """Compute a tile of C (+)= a panel of A · a panel of B, `depth` deep; the tile's sums never leave the registers.

    Column k of A's panel is `TILE_ROWS` elements, each after the last one's end. Row k of B's is
    `TILE_VECTORS` vectors. B's rows begin `b_row` elements apart, C's `row`. A line of `ahead` is
    fetched with each k, `stride` elements after the last.
    """
    signature = types.void(a, *_indices(1), b, *_indices(3), c, *_indices(3), ahead, *_indices(2))  # fmt: skip

    def generate(context, builder, signature, arguments):
        kinds = signature.args
        _, a0, _, b0, b_row, depth, _, c0, row, accumulate, _, ahead0, stride = arguments
        a, b, c, ahead = (
            _Elements(context, builder, kinds[i], arguments[i]) for i in (0, 2, 6, 10)
        )
        lanes = VECTOR_BYTES // c.bytes
        places = [
            builder.add(c0, builder.add(builder.mul(row, _number(i)), _number(j * lanes)))
            for i in range(TILE_ROWS)
            for j in range(TILE_VECTORS)
        ]
        for place in places:  # it comes while the products are made
            c.fetch(place, _WRITE)

        before, loop = builder.block, builder.append_basic_block("depth")
        after = builder.append_basic_block("after")
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(_INDEX)
        k.add_incoming(_number(0), before)
        sums = [builder.phi(c.vector(lanes)) for _ in places]
        for total in sums:
            total.add_incoming(ir.Constant(c.vector(lanes), [0.0] * lanes), before)
        ahead.fetch(builder.add(ahead0, builder.mul(k, stride)), _READ)
        b_at = builder.add(b0, builder.mul(k, b_row))
        a_at = builder.add(a0, builder.mul(k, _number(TILE_ROWS)))
        b_vectors = [
            b.load(builder.add(b_at, _number(j * lanes)), lanes) for j in range(TILE_VECTORS)
        ]
        new = []
        for i in range(TILE_ROWS):
            factor = a.everywhere(builder.add(a_at, _number(i)), lanes)
            for j in range(TILE_VECTORS):
                new.append(_multiply_add(builder, factor, b_vectors[j], sums[i * TILE_VECTORS + j]))
        for total, value in zip(sums, new, strict=True):
            total.add_incoming(value, loop)
        following = builder.add(k, _number(1))
        k.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)

        builder.position_at_end(after)
        adds = builder.icmp_signed("!=", accumulate, _number(0))
        with builder.if_else(adds) as (then, otherwise):
            with then:
                for place, value in zip(places, new, strict=True):
                    c.store(builder.fadd(c.load(place, lanes), value), place)
            with otherwise:
                for place, value in zip(places, new, strict=True):
                    c.store(value, place)
        return context.get_dummy_value()

    return signature, generate


Width = Callable[[int], int]  # in elements, by the bytes of one


def _one_vector(itemsize: int) -> int:
    return VECTOR_BYTES // itemsize


def _tile_rows(itemsize: int) -> int:
    return TILE_ROWS


def _make_copy_strip(width: Width) -> Callable[..., None]:
    @intrinsic
    def copy_strip(typing_context, source, source0, stride, rows, target, target0, target_stride):
        """Copy rows of one strip, `stride` elements apart in the source and `target_stride` in the
        target."""
        signature = types.void(source, *_indices(3), target, *_indices(2))

        def generate(context, builder, signature, arguments):
            _, source0, stride, rows, _, target0, target_stride = arguments
            source = _Elements(context, builder, signature.args[0], arguments[0])
            target = _Elements(context, builder, signature.args[4], arguments[4])
            with cgutils.for_range(builder, rows) as loop:
                start = builder.add(source0, builder.mul(loop.index, stride))
                end = builder.add(target0, builder.mul(loop.index, target_stride))
                target.store(source.load(start, width(source.bytes)), end)
            return context.get_dummy_value()

        return signature, generate

    return copy_strip


def _make_transpose_strip(width: Width) -> Callable[..., None]:
    @intrinsic
    def transpose_strip(
        typing_context, source, source0, stride, blocks, target, target0, target_stride
    ):
        """Turn as many rows as a strip is wide, `stride` elements apart, into its columns: square
        blocks, side by side."""
        signature = types.void(source, *_indices(3), target, *_indices(2))

        def generate(context, builder, signature, arguments):
            _, source0, stride, blocks, _, target0, target_stride = arguments
            source = _Elements(context, builder, signature.args[0], arguments[0])
            target = _Elements(context, builder, signature.args[4], arguments[4])
            n = width(source.bytes)
            with cgutils.for_range(builder, blocks) as loop:
                k = builder.mul(loop.index, _number(n))
                start = builder.add(source0, k)
                rows = [
                    source.load(builder.add(start, builder.mul(stride, _number(i))), n)
                    for i in range(n)
                ]
                for i, column in enumerate(_transposed(builder, rows)):
                    end = builder.mul(builder.add(k, _number(i)), target_stride)
                    target.store(column, builder.add(target0, end))
            return context.get_dummy_value()

        return signature, generate

    return transpose_strip


def _transposed(builder: ir.IRBuilder, rows: list[Any]) -> list[Any]:
    """Return the columns of a square of vectors, by Eklundh's algorithm (1972).

    At distance 1, 2, 4, … the off-diagonal halves of each 2×2 square of blocks change places, one shuffle a row.
    """
    n, distance = len(rows), 1
    while distance < n:
        upper = [lane if not lane & distance else n + (lane ^ distance) for lane in range(n)]
        lower = [lane ^ distance if not lane & distance else n + lane for lane in range(n)]
        for i in range(n):
            if not i & distance:
                pair = rows[i], rows[i + distance]
                rows[i] = builder.shuffle_vector(*pair, _lanes(upper))
                rows[i + distance] = builder.shuffle_vector(*pair, _lanes(lower))
        distance *= 2
    return rows


copy_vectors, copy_tile_rows = map(_make_copy_strip, (_one_vector, _tile_rows))
transpose_vectors, transpose_tile_rows = map(_make_transpose_strip, (_one_vector, _tile_rows))
