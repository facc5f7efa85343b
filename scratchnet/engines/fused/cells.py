"""What happens to sums on the way out of a tile and on the way back, a vector at a time.

These are loops of a few lines; they are spelt out as vector instructions because the loops are so
short that a compiler's own attempt spends more time on preparing than on working.
"""

from functools import partial
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from scratchnet.engines.fused.threads import inner
from scratchnet.engines.fused.tile import VECTOR_BYTES, VECTORS, Vectors, one_type, pointer

__all__ = [
    "ALL",
    "DEAD",
    "GROUP",
    "equals",
    "gate_row",
    "leave",
    "leave_largest",
    "leave_row",
    "leave_row_dropped",
    "leave_some",
    "lowest",
    "spread",
]

DEAD = 255  # in place of the argmax: relu stopped this gradient
GROUP = 32  # numbers whose answers, yes or no, are the bits of one integer
ALL = 2**GROUP - 1


@intrinsic
def leave(
    typingctx: Any, block: Any, block_from: Any, per_cell: Any, bias: Any, bias_from: Any,
    relu: Any, y: Any, y_from: Any, argmax: Any, argmax_from: Any, vectors: Any,
) -> Any:  # fmt: skip
    """One cell under one panel of `vectors`: bias, the first maximum of its windows, relu.

        z[a]   = block[a * width + v] + bias[v]        a < per_cell, v < width
        y      = largest z, argmax = the first a that has it; if relu and z <= 0: 0 and DEAD

    block, bias, y    1-D floats   argmax 1-D uint8   *_from: where in them to begin
    """
    i = types.intp
    signature = types.void(block, i, i, bias, i, types.boolean, y, i, argmax, i, vectors)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        argmax = pointer(context, b, signature, arguments, 8, 9)
        _emit_leave(context, b, signature, arguments, argmax, len(vectors))
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def leave_largest(
    typingctx: Any, block: Any, block_from: Any, per_cell: Any, bias: Any, bias_from: Any,
    relu: Any, y: Any, y_from: Any, vectors: Any,
) -> Any:  # fmt: skip
    """The same where nobody asks which window it was: in a prediction."""
    i = types.intp
    signature = types.void(block, i, i, bias, i, types.boolean, y, i, vectors)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        _emit_leave(context, b, signature, arguments, None, len(vectors))
        return context.get_dummy_value()

    return signature, emit


def _emit_leave(
    context: Any, b: ir.IRBuilder, signature: Any, arguments: Any, argmax: Any, count: int
) -> None:
    """The instructions of `leave`, or without argmax of `leave_largest`."""
    at = partial(pointer, context, b, signature, arguments)
    block, bias, y = at(0, 1), at(3, 4), at(6, 7)
    per_cell, relu = arguments[2], b.trunc(arguments[5], ir.IntType(1))
    lanes = Vectors(b, block.type.pointee, VECTOR_BYTES)
    places = ir.VectorType(ir.IntType(8 * lanes.bytes), lanes.lanes)
    small = ir.VectorType(ir.IntType(8), lanes.lanes)
    index = per_cell.type
    biases = [lanes.load(bias, v) for v in range(count)]
    first = [b.fadd(lanes.load(block, v), biases[v]) for v in range(count)]
    before = b.basic_block
    step, after = b.append_basic_block("window"), b.append_basic_block("largest")
    b.cbranch(b.icmp_signed("<", ir.Constant(index, 1), per_cell), step, after)

    b.position_at_end(step)
    a = b.phi(index)
    best, which = [b.phi(lanes.type) for _ in first], [b.phi(places) for _ in first]
    row = b.gep(block, [b.mul(a, ir.Constant(index, count * lanes.lanes))])
    place = lanes.repeat(b.trunc(a, places.element) if lanes.bytes < 8 else a)
    new_best, new_which = [], []
    for v in range(count):
        z = b.fadd(lanes.load(row, v), biases[v])
        larger = b.fcmp_ordered(">", z, best[v])
        new_best.append(b.select(larger, z, best[v]))
        new_which.append(b.select(larger, place, which[v]))
    following = b.add(a, ir.Constant(index, 1))
    none = ir.Constant(places, [0] * lanes.lanes)
    a.add_incoming(ir.Constant(index, 1), before)
    a.add_incoming(following, step)
    for v in range(count):
        best[v].add_incoming(first[v], before)
        best[v].add_incoming(new_best[v], step)
        which[v].add_incoming(none, before)
        which[v].add_incoming(new_which[v], step)
    b.cbranch(b.icmp_signed("<", following, per_cell), step, after)

    b.position_at_end(after)
    for v in range(count):
        largest, winner = b.phi(lanes.type), b.phi(places)
        largest.add_incoming(first[v], before)
        largest.add_incoming(new_best[v], step)
        winner.add_incoming(none, before)
        winner.add_incoming(new_which[v], step)
        first[v], new_which[v] = largest, winner
    for v in range(count):
        off = b.fcmp_ordered("<=", first[v], lanes.zero)
        off = b.and_(off, lanes.repeat(relu))
        lanes.store(b.select(off, lanes.zero, first[v]), y, v)
        if argmax is None:  # nobody reads the winners: the compiler leaves them out
            continue
        dead = ir.Constant(places, [DEAD] * lanes.lanes)
        winner = b.trunc(b.select(off, dead, new_which[v]), small)
        place = b.gep(argmax, [ir.Constant(index, v * lanes.lanes)])
        b.store(winner, b.bitcast(place, small.as_pointer()), align=1)


@intrinsic
def spread(
    typingctx: Any, dy: Any, dy_from: Any, argmax: Any, argmax_from: Any, per_cell: Any,
    dz: Any, dz_from: Any, vectors: Any,
) -> Any:  # fmt: skip
    """The way back of `leave` for one cell: dz[a * width + v] = dy[v] if argmax[v] is a, else 0."""
    i = types.intp
    signature = types.void(dy, i, argmax, i, i, dz, i, vectors)
    count = len(vectors)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at = partial(pointer, context, b, signature, arguments)
        dy, argmax, dz = at(0, 1), at(2, 3), at(5, 6)
        per_cell = arguments[4]
        lanes = Vectors(b, dy.type.pointee, VECTOR_BYTES)
        places = ir.VectorType(ir.IntType(8 * lanes.bytes), lanes.lanes)
        small = ir.VectorType(ir.IntType(8), lanes.lanes)
        index = per_cell.type
        gradients, winners = [], []
        for v in range(count):
            gradients.append(lanes.load(dy, v))
            place = b.gep(argmax, [ir.Constant(index, v * lanes.lanes)])
            winners.append(b.zext(b.load(b.bitcast(place, small.as_pointer()), align=1), places))
        before = b.basic_block
        step, after = b.append_basic_block("window"), b.append_basic_block("after")
        b.branch(step)
        b.position_at_end(step)
        a = b.phi(index)
        row = b.gep(dz, [b.mul(a, ir.Constant(index, count * lanes.lanes))])
        place = lanes.repeat(b.trunc(a, places.element) if lanes.bytes < 8 else a)
        for v in range(count):
            here = b.icmp_signed("==", winners[v], place)
            lanes.store(b.select(here, gradients[v], lanes.zero), row, v)
        following = b.add(a, ir.Constant(index, 1))
        a.add_incoming(ir.Constant(index, 0), before)
        a.add_incoming(following, step)
        b.cbranch(b.icmp_signed("<", following, per_cell), step, after)
        b.position_at_end(after)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def leave_row(
    typingctx: Any, sums: Any, sums_from: Any, bias: Any, bias_from: Any, relu: Any,
    y: Any, y_from: Any,
) -> Any:  # fmt: skip
    """One row of a tile: y[v] = z = sums[v] + bias[v], or 0 where z <= 0 if relu, for v < WIDTH."""
    i = types.intp

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        lanes, leaving = _leaving(context, b, signature, arguments)
        y = pointer(context, b, signature, arguments, 5, 6)
        for v, z in enumerate(leaving):
            lanes.store_as(z, y, v)
        return context.get_dummy_value()

    return types.void(sums, i, bias, i, types.boolean, y, i), emit


@intrinsic
def leave_row_dropped(
    typingctx: Any, sums: Any, sums_from: Any, bias: Any, bias_from: Any, relu: Any,
    keep: Any, scale: Any, y: Any, y_from: Any,
) -> Any:  # fmt: skip
    """The same through a dropout: y[v] * scale where keep[y_from + v] is not 0, else 0."""
    i = types.intp

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        lanes, leaving = _leaving(context, b, signature, arguments)
        at = partial(pointer, context, b, signature, arguments)
        keep, y = at(5, 8), at(7, 8)
        small = ir.VectorType(ir.IntType(8), lanes.lanes)
        none = ir.Constant(small, [0] * lanes.lanes)
        for v, wide in enumerate(leaving):
            z = lanes.convert(wide, y.type.pointee)
            place = b.gep(keep, [ir.Constant(ir.IntType(64), v * lanes.lanes)])
            kept = b.load(b.bitcast(place, small.as_pointer()), align=1)
            scaled = b.fmul(z, lanes.repeat(arguments[6]))
            zero = ir.Constant(z.type, [0.0] * lanes.lanes)
            z = b.select(b.icmp_unsigned("!=", kept, none), scaled, zero)
            lanes.store_as(z, y, v)
        return context.get_dummy_value()

    return types.void(sums, i, bias, i, types.boolean, keep, y.dtype, y, i), emit


def _leaving(
    context: Any, b: ir.IRBuilder, signature: Any, arguments: Any
) -> tuple[Vectors, list[Any]]:
    """The vectors of relu(sums + bias), from the first five arguments of these two."""
    at = partial(pointer, context, b, signature, arguments)
    sums, bias = at(0, 1), at(2, 3)
    lanes = Vectors(b, sums.type.pointee, VECTOR_BYTES)
    relu = lanes.repeat(b.trunc(arguments[4], ir.IntType(1)))
    leaving = []
    for v in range(VECTORS):
        z = b.fadd(lanes.load(sums, v), lanes.load_as(bias, v))
        off = b.and_(b.fcmp_ordered("<=", z, lanes.zero), relu)
        leaving.append(b.select(off, lanes.zero, z))
    return lanes, leaving


@inner
def leave_some(out, begin, there, bias, first, relu, keep, scale, y, at):
    """What leave_row and leave_row_dropped do, for the last few columns."""
    zero = y.dtype.type(0)
    for v in range(there):
        z = y.dtype.type(out[begin + v] + bias[first + v])
        z = zero if relu and z <= 0 else z
        if keep.size:
            z = z * scale if keep[at + v] else zero
        y[at + v] = z


@intrinsic
def gate_row(
    typingctx: Any, dy: Any, dy_from: Any, y: Any, y_from: Any, scale: Any, dz: Any, dz_from: Any
) -> Any:
    """WIDTH numbers, back through relu and dropout: dz = dy * scale where y > 0, else 0."""
    i = types.intp
    one_type(dy, y, dz)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        at = partial(pointer, context, b, signature, arguments)
        dy, y, dz = at(0, 1), at(2, 3), at(5, 6)
        lanes = Vectors(b, dz.type.pointee, VECTOR_BYTES)
        scale = lanes.repeat(arguments[4])
        for v in range(VECTORS):
            alive = b.fcmp_ordered(">", lanes.load(y, v), lanes.zero)
            scaled = b.fmul(lanes.load(dy, v), scale)
            lanes.store(b.select(alive, scaled, lanes.zero), dz, v)
        return context.get_dummy_value()

    return types.void(dy, i, y, i, dz.dtype, dz, i), emit


@intrinsic
def _equals(typingctx: Any, bytes_: Any, begin: Any, value: Any) -> Any:
    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        byte, index = ir.IntType(8), ir.IntType(64)
        group = ir.VectorType(byte, GROUP)
        place = pointer(context, b, signature, arguments, 0, 1)
        ours = b.load(b.bitcast(place, group.as_pointer()), align=1)
        nothing = ir.Constant(group, ir.Undefined)
        one = b.insert_element(nothing, b.trunc(arguments[2], byte), ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), GROUP), [0] * GROUP)
        same = b.icmp_unsigned("==", ours, b.shuffle_vector(one, nothing, everywhere))
        return b.zext(b.bitcast(same, ir.IntType(GROUP)), index)

    return types.intp(bytes_, types.intp, types.intp), emit


@inner
def equals(bytes_, begin, there, value):
    """Bit i is whether bytes_[begin + i] is this value, for i < there <= GROUP; the others are 1
    for DEAD, else 0: nobody lives behind the end."""
    if there == GROUP:
        return _equals(bytes_, begin, value)
    bits = 0
    for i in range(GROUP):
        bits |= ((bytes_[begin + i] if i < there else DEAD) == value) << i
    return bits


@intrinsic
def lowest(typingctx: Any, bits: Any) -> Any:
    """The place of the lowest bit that is 1, of an integer that has one."""

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return b.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.intp(types.intp), emit
