"""Packing: numbers laid side by side in the order in which a tile reads them.

The left side of a product is packed by tiles of ROWS rows, and a place at which all of them are
zero is left out. Most pixels of a digit are background, so the first layer of a network does a half
or a third of the work; a sum without its zero terms is the same sum. The right side is packed by
panels of WIDTH columns.

    values[j * ROWS + r]    row r of the tile at the j-th place that is left
    w_at[j]                 where that place's row of a panel begins
    panel[j * width + v]    columns of the right side, one row behind the other

The innermost steps are spelt out as vector instructions (tile.py): they move so few numbers at a
time that a compiler's own loops spend more on preparing than on moving.
"""

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from scratchnet.engines.fused.threads import inner
from scratchnet.engines.fused.tile import (
    ROWS,
    SLIM_ROWS,
    SLIM_VECTORS,
    VECTOR_BYTES,
    Vectors,
    number_bytes,
    one_type,
    pointer,
)
from scratchnet.utils.memory import LINE

__all__ = [
    "aligned",
    "copy_row",
    "every",
    "list_places",
    "pack_columns",
    "pack_panel_transposed",
    "pack_panels",
    "pack_rows",
    "rows_of",
    "width_of",
]

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
def width_of(vectors, numbers):
    """Columns of a panel of so many vectors (WIDE or SLIM, tile.py) for numbers of this type."""
    return len(vectors) * VECTOR_BYTES // numbers.itemsize


@inner
def rows_of(vectors):
    """Rows of the tile for these panels."""
    return SLIM_ROWS if len(vectors) == SLIM_VECTORS else ROWS


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


@intrinsic
def _interleave(
    typingctx: Any, x: Any, row_at: Any, places: Any, width: Any, values: Any, w_at: Any
) -> Any:
    """values[count * ROWS + r] = x[row_at[r] + d], w_at[count] = d * width for each d < places at
    which a row is not zero; returns their count.

    It writes first and counts afterwards, so that nothing has to be guessed; values and w_at have
    room for one place more.
    """
    i = types.intp

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at = partial(pointer, context, b, signature, arguments)
        x, row_at, values, w_at = at(0), at(1), at(4), at(5)
        places, width, index = arguments[2], arguments[3], arguments[2].type
        bits = ir.IntType(8 * number_bytes(x.type.pointee))
        rows = [b.gep(x, [b.load(b.gep(row_at, [ir.Constant(index, r)]))]) for r in range(ROWS)]
        before = b.basic_block
        step, done = b.append_basic_block("place"), b.append_basic_block("done")
        zero, one = ir.Constant(index, 0), ir.Constant(index, 1)
        b.cbranch(b.icmp_signed("<", zero, places), step, done)

        b.position_at_end(step)
        d, count = b.phi(index), b.phi(index)
        place = b.gep(values, [b.mul(count, ir.Constant(index, ROWS))])
        some = ir.Constant(bits, 0)
        for r, row in enumerate(rows):
            number = b.load(b.gep(row, [d]))
            b.store(number, b.gep(place, [ir.Constant(index, r)]))
            some = b.or_(some, b.bitcast(number, bits))
        b.store(b.mul(d, width), b.gep(w_at, [count]))
        # all bits but the sign: -0.0 is zero too
        alive = b.icmp_unsigned("!=", b.shl(some, ir.Constant(bits, 1)), ir.Constant(bits, 0))
        following, counted = b.add(d, one), b.add(count, b.zext(alive, index))
        for phi, new in ((d, following), (count, counted)):
            phi.add_incoming(zero, before)
            phi.add_incoming(new, step)
        b.cbranch(b.icmp_signed("<", following, places), step, done)

        b.position_at_end(done)
        result = b.phi(index)
        result.add_incoming(zero, before)
        result.add_incoming(counted, step)
        return result

    return i(x, row_at, i, i, values, w_at), emit


@inner
def pack_rows(x, rows, first, width, values, w_at):
    """Interleave ROWS rows of x from rows[first] on, without the places where all are zero.

    x (N, D)   rows (n,) which rows of x   values (ROWS * (D + 1),), w_at (D + 1,) overwritten
    returns how many places are left. Behind the last row of all, the one before is repeated.
    """
    D = x.shape[1]
    row_at = np.empty(ROWS, np.intp)
    for r in range(ROWS):
        row_at[r] = rows[min(first + r, rows.size - 1)] * D
    return _interleave(x.reshape(-1), row_at, D, width, values, w_at)


@inner
def list_places(x, row_at, D, width, used, x_at, w_at):
    """The same for rows that are read where they lie: x_at, w_at (D + 1,) get the places d < D at
    which one of x[row_at[r] + d] is not zero; returns how many. used (D,) is overwritten."""
    used[:] = 0
    for r in range(row_at.size):
        row = x[row_at[r] : row_at[r] + D]
        for d in range(D):
            used[d] |= row[d] != 0
    count = 0
    for d in range(D):
        x_at[count] = d
        w_at[count] = d * width
        count += used[d]
    return count


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
        return count
    for n in range(rows.size):
        for r in range(ROWS):
            values[n * ROWS + r] = x[rows[n], first + r] if first + r < D else x.dtype.type(0)
        w_at[n] = n * width
    return rows.size


@inner
def pack_panels(w, first, panels, vectors):
    """Columns of w (J, U) from `first` on, zeros after U, to panels (n, J * width).

    Several panels at once, because a row of w is read in longer pieces then.
    """
    J, U = w.shape
    width = panels.shape[1] // J
    fits = width == width_of(vectors, panels) and w.itemsize <= panels.itemsize
    if fits and first + panels.shape[0] * width <= U:
        flat, all_panels = w.reshape(-1), panels.reshape(-1)
        for j in range(J):
            for p in range(panels.shape[0]):
                begin = j * U + first + p * width
                copy_row(flat, begin, all_panels, (p * J + j) * width, vectors)
        return
    for p in range(panels.shape[0]):
        begin = first + p * width
        there = max(0, min(width, U - begin))
        for j in range(J):
            for v in range(there):
                panels[p, j * width + v] = w[j, begin + v]
            for v in range(there, width):
                panels[p, j * width + v] = 0


@intrinsic
def _turn(
    typingctx: Any, w: Any, w_from: Any, step: Any, panel: Any, panel_from: Any, width: Any
) -> Any:
    """panel[panel_from + u * width + v] = w[w_from + v * step + u] for a vector's numbers u and v.

    Rows come in as vectors, columns go out as vectors. In between they are a deck of cards, row by
    row: with each riffle of its two halves the bits of a card's place move round by one, those of
    its row and then those of its column, until the two have changed places.
    """
    i = types.intp

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at = partial(pointer, context, b, signature, arguments)
        row, panel = at(0, 1), at(3, 4)
        lanes = Vectors(b, panel.type.pointee, VECTOR_BYTES)
        n = lanes.lanes
        rows = []
        for _ in range(n):
            rows.append(lanes.load_as(row, 0))
            row = b.gep(row, [arguments[2]])
        both = [place for pair in zip(range(n), range(n, 2 * n), strict=True) for place in pair]
        low, high = (
            ir.Constant(ir.VectorType(ir.IntType(32), n), half) for half in (both[:n], both[n:])
        )
        for _ in range(n.bit_length() - 1):  # n is a power of 2
            pairs = zip(rows[: n // 2], rows[n // 2 :], strict=True)
            rows = [b.shuffle_vector(x, y, half) for x, y in pairs for half in (low, high)]
        for column in rows:
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
