"""Max-pooling on the way out of a tile and on the way back, a vector of filters at a time.

`leave` and `spread` are loops of a few lines; they are spelt out as vector instructions because the
loops are so short that a compiler's own attempt spends more time on preparing than on working.
"""

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from scratchnet.engines.fused.tile import VECTOR_BYTES, VECTORS, Vectors

__all__ = ["DEAD", "leave", "spread"]

DEAD = 255  # in place of the argmax: relu stopped this gradient


@intrinsic
def leave(
    typingctx: Any, block: Any, block_from: Any, per_cell: Any, bias: Any, bias_from: Any,
    relu: Any, y: Any, y_from: Any, argmax: Any, argmax_from: Any,
) -> Any:  # fmt: skip
    """One cell of WIDTH filters: bias, the first maximum of its windows, relu.

        z[a]   = block[a * WIDTH + v] + bias[v]        a < per_cell
        y      = largest z, argmax = the first a that has it; if relu and z <= 0: 0 and DEAD

    block, bias, y    1-D floats   argmax 1-D uint8   *_from: where in them to begin
    """
    i = types.intp
    signature = types.void(block, i, i, bias, i, types.boolean, y, i, argmax, i)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        block, bias, y, argmax = (
            b.gep(
                context.make_array(signature.args[k])(context, b, arguments[k]).data,
                [arguments[k + 1]],
            )
            for k in (0, 3, 6, 8)
        )
        per_cell, relu = arguments[2], b.trunc(arguments[5], ir.IntType(1))
        lanes = Vectors(b, block.type.pointee, VECTOR_BYTES)
        places = ir.VectorType(ir.IntType(8 * lanes.bytes), lanes.lanes)
        small = ir.VectorType(ir.IntType(8), lanes.lanes)
        index = per_cell.type
        biases = [lanes.load(bias, v) for v in range(VECTORS)]
        first = [b.fadd(lanes.load(block, v), biases[v]) for v in range(VECTORS)]
        before = b.basic_block
        step, after = b.append_basic_block("window"), b.append_basic_block("largest")
        b.cbranch(b.icmp_signed("<", ir.Constant(index, 1), per_cell), step, after)

        b.position_at_end(step)
        a = b.phi(index)
        best, which = [b.phi(lanes.type) for _ in first], [b.phi(places) for _ in first]
        row = b.gep(block, [b.mul(a, ir.Constant(index, VECTORS * lanes.lanes))])
        place = lanes.repeat(b.trunc(a, places.element) if lanes.bytes < 8 else a)
        new_best, new_which = [], []
        for v in range(VECTORS):
            z = b.fadd(lanes.load(row, v), biases[v])
            larger = b.fcmp_ordered(">", z, best[v])
            new_best.append(b.select(larger, z, best[v]))
            new_which.append(b.select(larger, place, which[v]))
        following = b.add(a, ir.Constant(index, 1))
        none = ir.Constant(places, [0] * lanes.lanes)
        a.add_incoming(ir.Constant(index, 1), before)
        a.add_incoming(following, step)
        for v in range(VECTORS):
            best[v].add_incoming(first[v], before)
            best[v].add_incoming(new_best[v], step)
            which[v].add_incoming(none, before)
            which[v].add_incoming(new_which[v], step)
        b.cbranch(b.icmp_signed("<", following, per_cell), step, after)

        b.position_at_end(after)
        for v in range(VECTORS):
            largest, winner = b.phi(lanes.type), b.phi(places)
            largest.add_incoming(first[v], before)
            largest.add_incoming(new_best[v], step)
            winner.add_incoming(none, before)
            winner.add_incoming(new_which[v], step)
            first[v], new_which[v] = largest, winner
        for v in range(VECTORS):
            off = b.fcmp_ordered("<=", first[v], lanes.zero)
            off = b.and_(off, lanes.repeat(relu))
            lanes.store(b.select(off, lanes.zero, first[v]), y, v)
            dead = ir.Constant(places, [DEAD] * lanes.lanes)
            winner = b.trunc(b.select(off, dead, new_which[v]), small)
            at = b.gep(argmax, [ir.Constant(index, v * lanes.lanes)])
            b.store(winner, b.bitcast(at, small.as_pointer()), align=1)
        return context.get_dummy_value()

    return signature, emit


@intrinsic
def spread(
    typingctx: Any, dy: Any, dy_from: Any, argmax: Any, argmax_from: Any, per_cell: Any,
    dz: Any, dz_from: Any,
) -> Any:  # fmt: skip
    """The way back of `leave` for one cell: dz[a * WIDTH + v] = dy[v] if argmax[v] is a, else 0."""
    i = types.intp
    signature = types.void(dy, i, argmax, i, i, dz, i)

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        dy, argmax, dz = (
            b.gep(
                context.make_array(signature.args[k])(context, b, arguments[k]).data,
                [arguments[k + 1]],
            )
            for k in (0, 2, 5)
        )
        per_cell = arguments[4]
        lanes = Vectors(b, dy.type.pointee, VECTOR_BYTES)
        places = ir.VectorType(ir.IntType(8 * lanes.bytes), lanes.lanes)
        small = ir.VectorType(ir.IntType(8), lanes.lanes)
        index = per_cell.type
        gradients, winners = [], []
        for v in range(VECTORS):
            gradients.append(lanes.load(dy, v))
            at = b.gep(argmax, [ir.Constant(index, v * lanes.lanes)])
            winners.append(b.zext(b.load(b.bitcast(at, small.as_pointer()), align=1), places))
        before = b.basic_block
        step, after = b.append_basic_block("window"), b.append_basic_block("after")
        b.branch(step)
        b.position_at_end(step)
        a = b.phi(index)
        row = b.gep(dz, [b.mul(a, ir.Constant(index, VECTORS * lanes.lanes))])
        place = lanes.repeat(b.trunc(a, places.element) if lanes.bytes < 8 else a)
        for v in range(VECTORS):
            here = b.icmp_signed("==", winners[v], place)
            lanes.store(b.select(here, gradients[v], lanes.zero), row, v)
        following = b.add(a, ir.Constant(index, 1))
        a.add_incoming(ir.Constant(index, 0), before)
        a.add_incoming(following, step)
        b.cbranch(b.icmp_signed("<", following, per_cell), step, after)
        b.position_at_end(after)
        return context.get_dummy_value()

    return signature, emit
