"""Packing: numbers laid side by side in the order in which a tile reads them.

The left side of a product is packed by tiles of ROWS rows, and a place at which all of them are
zero is left out. Most pixels of a digit are background, so the first layer of a network does a half
or a third of the work; a sum without its zero terms is the same sum. The right side is packed by
panels of WIDTH columns.

    values[j * ROWS + r]    row r of the tile at the j-th place that is left
    w_at[j]                 where that place's row of a panel begins
    panel[j * width + v]    columns of the right side, one row behind the other

The tile takes PACKED_RUN places together. So the last ones are joined by zeros, which meet a row of
zeros behind the panel.

The innermost steps are spelt out as vector instructions (tile.py): they move so few numbers at a
time that a compiler's own loops spend more on preparing than on moving.
"""

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from scratchnet.engines.fused.threads import inner
from scratchnet.engines.fused.tile import (
    PACKED_RUN,
    PIECE,
    ROWS,
    VECTOR_BYTES,
    Vectors,
    number_bytes,
    one_type,
    pointer,
)
from scratchnet.errors import expected
from scratchnet.utils.memory import LINE

__all__ = [
    "aligned",
    "aligned_rows",
    "copy_row",
    "every",
    "move",
    "pack_columns",
    "pack_panel",
    "pack_panel_transposed",
    "pack_rows",
    "places_of",
    "terms_of",
    "width_of",
    "zero_row",
]

IN_CACHE = 12 << 10  # bytes of the first-level cache for a panel, beside other numbers and threads
AT_ONCE = 1 << (ROWS - 1).bit_length()  # places that are packed at once
# rows of a matrix that are fetched before they are packed: the processor foresees small steps alone
AHEAD = 8
COPIED = 8  # numbers of a column of tiles, at once, at most


@inner
def every(step, n):
    """0, step, 2 * step, ...: n of them."""
    places = np.empty(n, np.intp)
    for i in range(n):
        places[i] = i * step
    return places


@inner
def aligned(size, dtype):
    """np.empty(size, dtype) at the beginning of a cache line: see utils/memory.py."""
    memory = np.empty(size + LINE, dtype)
    begin = -np.intp(memory.ctypes.data) % LINE // memory.itemsize
    return memory[begin : begin + size]


@inner
def aligned_rows(count, size, dtype):
    """The same for an array of two axes."""
    return aligned(count * size, dtype).reshape(count, size)


@inner
def width_of(vectors, numbers):
    """Columns of a panel of so many vectors (WIDE or SLIM, tile.py) for numbers of this type."""
    return len(vectors) * VECTOR_BYTES // numbers.itemsize


@inner
def terms_of(vectors):
    """Terms of a sum whose panel has IN_CACHE bytes: pieces of the tile's sums, at least one."""
    return max(1, IN_CACHE // (PIECE * len(vectors) * VECTOR_BYTES)) * PIECE


@intrinsic
def move(
    typingctx: Any, source: Any, source_from: Any, target: Any, target_from: Any, count: Any
) -> Any:
    """target[target_from + i] = source[source_from + i] for i < count, both 1-D and of one type.

    A slice would do it as well, but all threads would count the references to its array.
    """
    one_type(source, target)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at = partial(pointer, context, b, signature, arguments)
        source, target = at(0, 1), at(2, 3)
        cgutils.raw_memcpy(b, target, source, arguments[4], number_bytes(source.type.pointee))
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp, types.intp), emit


@intrinsic
def copy_row(
    typingctx: Any, source: Any, source_from: Any, target: Any, target_from: Any, vectors: Any
) -> Any:
    """target[target_from + v] = source[source_from + v] for the columns of a panel of the longer
    type."""

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at = partial(pointer, context, b, signature, arguments)
        source, target = at(0, 1), at(2, 3)
        longer = max((source.type.pointee, target.type.pointee), key=number_bytes)
        lanes = Vectors(b, longer, VECTOR_BYTES)
        for v in range(len(vectors)):
            lanes.store_as(lanes.load_as(source, v), target, v)
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp, vectors), emit


def _turned(b: ir.IRBuilder, rows: list[Any]) -> list[Any]:
    """The columns of a square block of numbers, from its rows: n vectors of n numbers, n = 2^k.

    Think of a deck of cards, row by row. With each riffle of its two halves the bits of a card's
    place move round by one; after k of them those of its row and of its column have changed places.
    """
    n = len(rows)
    both = [place for pair in zip(range(n), range(n, 2 * n), strict=True) for place in pair]
    low, high = (
        ir.Constant(ir.VectorType(ir.IntType(32), n), half) for half in (both[:n], both[n:])
    )
    for _ in range(n.bit_length() - 1):
        pairs = zip(rows[: n // 2], rows[n // 2 :], strict=True)
        rows = [b.shuffle_vector(x, y, half) for x, y in pairs for half in (low, high)]
    return rows


@intrinsic
def _interleave(
    typingctx: Any, x: Any, row_at: Any, first: Any, last: Any, width: Any, values: Any,
    w_at: Any,
) -> Any:  # fmt: skip
    """values[count * ROWS + r] = x[row_at[r] + d], w_at[count] = d * width for each place d from
    first to last at which a row is not zero; returns their count. last - first is a multiple of
    AT_ONCE.

    It writes first and counts afterwards, so that nothing has to be guessed, and it writes whole
    vectors; values has room for one place more than there are.
    """
    i = types.intp
    one_type(x, values)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at = partial(pointer, context, b, signature, arguments)
        x, row_at, values, w_at = at(0), at(1), at(5), at(6)
        first, last, width = arguments[2:5]
        index = first.type
        lanes = Vectors(b, x.type.pointee, AT_ONCE * number_bytes(x.type.pointee))
        row = [b.gep(x, [b.load(b.gep(row_at, [ir.Constant(index, r)]))]) for r in range(ROWS)]
        before = b.basic_block
        step, some, more, done = (
            b.append_basic_block(name) for name in ("places", "some", "more", "done")
        )
        zero, one = ir.Constant(index, 0), ir.Constant(index, 1)
        b.cbranch(b.icmp_signed("<", first, last), step, done)

        b.position_at_end(step)
        d, count = b.phi(index), b.phi(index)
        numbers = [lanes.load(b.gep(row[r], [d]), 0) for r in range(ROWS)]
        alive = ir.Constant(ir.VectorType(ir.IntType(1), AT_ONCE), [0] * AT_ONCE)
        for vector in numbers:  # not a number is alive, -0.0 is not
            alive = b.or_(alive, b.fcmp_unordered("!=", vector, lanes.zero))
        bits = b.zext(b.bitcast(alive, ir.IntType(AT_ONCE)), index)
        b.cbranch(b.icmp_unsigned("!=", bits, zero), some, more)

        b.position_at_end(some)
        counted = count
        for k, column in enumerate(_turned(b, numbers + [lanes.zero] * (AT_ONCE - ROWS))):
            place = b.gep(values, [b.mul(counted, ir.Constant(index, ROWS))])
            lanes.store(column, place, 0)
            at_k = b.add(d, ir.Constant(index, k))
            b.store(b.mul(at_k, width), b.gep(w_at, [counted]))
            lives = b.and_(b.lshr(bits, ir.Constant(index, k)), one)
            counted = b.add(counted, lives)
        b.branch(more)

        b.position_at_end(more)
        total, following = b.phi(index), b.add(d, ir.Constant(index, AT_ONCE))
        total.add_incoming(count, step)
        total.add_incoming(counted, some)
        for phi, begin, new in ((d, first, following), (count, zero, total)):
            phi.add_incoming(begin, before)
            phi.add_incoming(new, more)
        b.cbranch(b.icmp_signed("<", following, last), step, done)

        b.position_at_end(done)
        result = b.phi(index)
        result.add_incoming(zero, before)
        result.add_incoming(total, more)
        return result

    return i(x, row_at, i, i, i, values, w_at), emit


@inner
def _pack_rest(x, row_at, first, last, width, values, w_at, count):
    """The same, number by number; `count` places are packed already."""
    height = row_at.size
    for d in range(first, last):
        alive = False
        for r in range(height):
            number = x[row_at[r] + d]
            values[count * height + r] = number
            alive |= number != 0
        w_at[count] = d * width
        count += alive
    return count


@inner
def places_of(rows, first, D, row_at):
    """row_at[r] = where row rows[first + r] begins; behind the last of all it is repeated."""
    for r in range(row_at.size):
        row_at[r] = rows[min(first + r, rows.size - 1)] * D


@inner
def zero_row(panels, begin, width):
    """Zeros behind a panel, for the places that pack_rows and pack_columns join."""
    for v in range(width):
        panels[begin + v] = 0


@inner
def _join_zeros(values, w_at, count, zeros):
    """Places with zeros, up to a multiple of PACKED_RUN; returns how many there are then."""
    while count % PACKED_RUN:
        for r in range(ROWS):
            values[count * ROWS + r] = 0
        w_at[count] = zeros
        count += 1
    return count


@inner
def pack_rows(x, row_at, first, last, width, values, w_at):
    """Interleave the places from first to last of ROWS rows, without those where all are zero.

    x 1-D   row_at (ROWS,) where in it each row begins   values (ROWS * n,), w_at (n,) overwritten
    n = last - first + PACKED_RUN
    returns how many places are left, with those that are joined: row `last` of a panel is zeros
    """
    whole = first + (last - first) // AT_ONCE * AT_ONCE
    count = _interleave(x, row_at, first, whole, width, values, w_at)
    count = _pack_rest(x, row_at, whole, last, width, values, w_at, count)
    return _join_zeros(values, w_at, count, last * width)


@intrinsic
def _copy_some(typingctx: Any, x: Any, x_from: Any, values: Any, values_from: Any) -> Any:
    """Copy ROWS numbers, and some behind them, to values; returns whether one of ROWS is not 0."""
    one_type(x, values)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at = partial(pointer, context, b, signature, arguments)
        x, values = at(0, 1), at(2, 3)
        # not longer than need be: a store that begins at any row soon takes two cache lines
        lanes = Vectors(b, x.type.pointee, min(VECTOR_BYTES, COPIED * number_bytes(x.type.pointee)))
        some = ir.Constant(ir.IntType(1), 0)
        for v in range(-(-ROWS // lanes.lanes)):
            vector = lanes.load(x, v)
            lanes.store(vector, values, v)
            alive = b.fcmp_unordered("!=", vector, lanes.zero)  # not a number is alive
            mask = ir.IntType(lanes.lanes)
            counts = min(lanes.lanes, ROWS - v * lanes.lanes)
            ours = b.and_(b.bitcast(alive, mask), ir.Constant(mask, (1 << counts) - 1))
            some = b.or_(some, b.icmp_unsigned("!=", ours, ir.Constant(mask, 0)))
        return b.zext(some, ir.IntType(64))

    return types.intp(x, types.intp, values, types.intp), emit


@inner
def pack_columns(x, rows, first, width, values, w_at):
    """The same for the transpose of x: ROWS columns from `first` on, over the rows."""
    D = x.shape[1]
    lanes = min(VECTOR_BYTES // x.itemsize, COPIED)
    count = 0
    if first + (ROWS + lanes - 1) // lanes * lanes <= D:
        flat = x.reshape(-1)
        for n in range(rows.size):
            w_at[count] = n * width
            count += _copy_some(flat, rows[n] * D + first, values, count * ROWS)
        return _join_zeros(values, w_at, count, rows.size * width)
    for n in range(rows.size):
        for r in range(ROWS):
            values[n * ROWS + r] = x[rows[n], first + r] if first + r < D else x.dtype.type(0)
        w_at[n] = n * width
    return _join_zeros(values, w_at, rows.size, rows.size * width)


@intrinsic
def pack_panel(
    typingctx: Any, w: Any, first: Any, panels: Any, panel_from: Any, vectors: Any
) -> Any:
    """panels[panel_from + j * width + v] = w[j, first + v] for the columns of a panel; zeros after
    the last column of w (J, U).

    As LLVM's instructions, because kernels bring it more than once: from Python it took a third of
    the time that a convolution's forward pass needs to be compiled.
    """
    index = types.intp
    if w.layout != "C":  # of which only the rows one behind the other are read
        raise TypingError(expected("Engine 'fused'", "a matrix in C order", repr(w)))

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        matrix = context.make_array(signature.args[0])(context, b, arguments[0])
        rows, columns = cgutils.unpack_tuple(b, matrix.shape)
        panel = pointer(context, b, signature, arguments, 2, 3)
        number = panel.type.pointee
        longer = max((matrix.data.type.pointee, number), key=number_bytes)
        lanes = Vectors(b, longer, VECTOR_BYTES)
        width = ir.Constant(columns.type, len(vectors) * VECTOR_BYTES // number_bytes(number))
        there = b.sub(columns, arguments[1])
        fits = b.icmp_signed(">=", there, width)
        with cgutils.for_range(b, rows) as row:
            begin = b.gep(matrix.data, [b.add(b.mul(row.index, columns), arguments[1])])
            target = b.gep(panel, [b.mul(row.index, width)])
            ahead = b.gep(begin, [b.mul(columns, columns.type(AHEAD))])
            for v in range(len(vectors)):
                lanes.fetch(ahead, v)
            with b.if_else(fits) as (whole, ragged):
                with whole:
                    for v in range(len(vectors)):
                        lanes.store_as(lanes.load_as(begin, v), target, v)
                with ragged:
                    one = Vectors(b, number, number_bytes(number))
                    with cgutils.for_range(b, there) as column:
                        value = one.load_as(b.gep(begin, [column.index]), 0)
                        one.store(value, b.gep(target, [column.index]), 0)
                    with cgutils.for_range(b, b.sub(width, there)) as column:
                        one.store(one.zero, b.gep(target, [b.add(there, column.index)]), 0)
        return context.get_dummy_value()

    return types.void(w, index, panels, index, vectors), emit


@intrinsic
def _turn(
    typingctx: Any, w: Any, w_from: Any, step: Any, panel: Any, panel_from: Any, width: Any
) -> Any:
    """panel[panel_from + u * width + v] = w[w_from + v * step + u] for u and v below a vector's
    numbers."""
    i = types.intp

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at = partial(pointer, context, b, signature, arguments)
        row, panel = at(0, 1), at(3, 4)
        lanes = Vectors(b, panel.type.pointee, VECTOR_BYTES)
        rows = []
        for _ in range(lanes.lanes):
            rows.append(lanes.load_as(row, 0))
            row = b.gep(row, [arguments[2]])
        for column in _turned(b, rows):
            lanes.store(column, panel, 0)
            panel = b.gep(panel, [arguments[5]])
        return context.get_dummy_value()

    return types.void(w, i, i, panel, i, i), emit


@inner
def pack_panel_transposed(w, first, width, panel):
    """The same for the transpose of w: its rows first ... become columns of one panel."""
    D, U = w.shape
    there = min(width, D - first)
    lanes = VECTOR_BYTES // panel.itemsize
    flat, turned = w.reshape(-1), 0
    if there == width:
        turned = U // lanes * lanes
        for u in range(0, turned, lanes):
            for v in range(0, width, lanes):
                _turn(flat, (first + v) * U + u, U, panel, u * width + v, width)
    for v in range(there):
        for u in range(turned, U):
            panel[u * width + v] = w[first + v, u]
    for v in range(there, width):
        for u in range(U):
            panel[u * width + v] = 0
