"""Dense layers of few units, such as the ten classes at the end of a classifier.

They have hardly columns enough for one vector. So the vectors lie along the sum instead: LANES
numbers of a row of x at a time are multiplied with as many of each unit,

      x[n, 0 .. 7] * w[0, 0 .. 7]  ->  sums[n, 0]         eight sums for each row and unit,
      x[n, 0 .. 7] * w[1, 0 .. 7]  ->  sums[n, 1]         in one vector;
                  ...                                     the next step adds x[n, 8 .. 15] * ...

and what the lanes of a vector hold is added up at the end. Nothing of x is packed or left out: to
fetch it from memory takes as long as the arithmetic. ROWS rows share what is fetched of the kernel,
which lies in the order in which it is read:

      w[(d // LANES * U + u) * LANES + d % LANES] = kernel[d, u]
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from scratchnet.engines.fused.cells import leave_some
from scratchnet.engines.fused.packing import IN_CACHE, aligned, every, places_of
from scratchnet.engines.fused.threads import compiled, draw, inner, share, tasks
from scratchnet.engines.fused.tile import REGISTERS, VECTOR_BYTES, Vectors, pointer, simd

__all__ = ["NARROW", "narrow_forward"]

NARROW = 16  # units, and fewer
LANES = VECTOR_BYTES // 8  # all sums are float64
ROWS = 4 if REGISTERS[simd()] == 32 else 3
ROWS_OF_A_TASK = 4 * ROWS


def make_products(rows: int, vector_bytes: int, registers: int) -> Callable[..., None]:
    """A function for compiled code:

    sums[sums_from + (r * U + u) * lanes + v] += products of row r and unit u in lane v

    x, w, sums     1-D; w and sums float64, x of either type
    row_at         where in x each row begins; `rows` of them count, from row_at[row] on
    first, last    places of these rows, whole vectors; the first one's part of w begins at w_from
    units          a tuple of as many entries as there are units: U is known when it is compiled
    """

    @intrinsic
    def add_products(
        typingctx: Any, x: Any, row_at: Any, row: Any, first: Any, last: Any, w: Any, w_from: Any,
        sums: Any, sums_from: Any, units: Any,
    ) -> Any:  # fmt: skip
        i, U = types.intp, len(units)
        signature = types.void(x, row_at, i, i, i, w, i, sums, i, units)
        # their sums, a vector of each row and one of w must fit in the registers
        groups = -(-U * rows // (registers - rows - 1))
        cuts = [g * U // groups for g in range(groups + 1)]

        def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            at = partial(pointer, context, b, signature, arguments)
            x, row_at, w, sums = at(0), at(1, 2), at(5, 6), at(7, 8)
            first, last = arguments[3:5]
            each = (ir.Constant(first.type, r) for r in range(rows))
            row = [b.gep(x, [b.load(b.gep(row_at, [r]))]) for r in each]
            for begin, end in pairwise(cuts):
                _emit_products(b, row, first, last, w, sums, U, begin, end, vector_bytes)
            return context.get_dummy_value()

        return signature, emit

    return add_products  # type: ignore[no-any-return]


def _emit_products(
    b: ir.IRBuilder, row: list[Any], first: Any, last: Any, w: Any, sums: Any, U: int, begin: int,
    end: int, vector_bytes: int,
) -> None:  # fmt: skip
    """The instructions for the units from begin to end, all of whose sums stay in registers."""
    lanes, index = Vectors(b, sums.type.pointee, vector_bytes), first.type
    places = [(r, u) for u in range(begin, end) for r in range(len(row))]
    old = [lanes.load(sums, r * U + u) for r, u in places]
    before = b.basic_block
    step, after = b.append_basic_block("step"), b.append_basic_block("after")
    b.cbranch(b.icmp_signed("<", first, last), step, after)

    b.position_at_end(step)
    d = b.phi(index)
    now = {place: b.phi(lanes.type) for place in places}
    w_d = b.gep(w, [b.mul(b.sub(d, first), ir.Constant(index, U))])
    numbers = [lanes.load_as(b.gep(pointer, [d]), 0) for pointer in row]
    new = []
    for u in range(begin, end):  # fetched where it is used: all at once, and there are too many
        weights = lanes.load(w_d, u)
        new += [b.call(lanes.fma, [x_r, weights, now[r, u]]) for r, x_r in enumerate(numbers)]
    following = b.add(d, ir.Constant(index, lanes.lanes))
    b.cbranch(b.icmp_signed("<", following, last), step, after)
    for phi, start, grown in zip(
        [d, *now.values()], [first, *old], [following, *new], strict=True
    ):  # fmt: skip
        phi.add_incoming(start, before)
        phi.add_incoming(grown, step)

    b.position_at_end(after)
    totals = [b.phi(lanes.type) for _ in places]
    for (r, u), total, start, grown in zip(places, totals, old, new, strict=True):
        total.add_incoming(start, before)
        total.add_incoming(grown, step)
        lanes.store(total, sums, r * U + u)


add_products = make_products(ROWS, VECTOR_BYTES, REGISTERS[simd()])


@inner
def _pack(kernel, w, units):
    """The kernel in the order of w, zeros behind its last row."""
    D, U = kernel.shape[0], len(units)
    kernel = kernel.reshape(-1)
    for block in range(D // LANES):
        begin, end = block * LANES * U, (block + 1) * LANES * U
        theirs, ours = kernel[begin:end], w[begin:end]
        for u in range(U):
            for v in range(LANES):
                ours[u * LANES + v] = theirs[v * U + u]
    whole = D // LANES * LANES
    w[whole * U :] = 0
    for d in range(whole, D):
        for u in range(U):
            w[whole * U + u * LANES + d - whole] = kernel[d * U + u]


@tasks
def _forward_tasks(counter, x, rows, w, bias, relu, keep, scale, y, units):
    """A task is ROWS_OF_A_TASK rows."""
    (N, U), D = y.shape, x.shape[1]
    whole, at_once = D // LANES * LANES, max(1, IN_CACHE // (U * LANES * 8)) * LANES
    x, y, keep = x.reshape(-1), y.reshape(-1), keep.reshape(-1)
    row_at, end_at = np.empty(ROWS_OF_A_TASK, np.intp), every(LANES, ROWS_OF_A_TASK)
    ends = np.zeros(ROWS_OF_A_TASK * LANES, x.dtype)  # what is no whole vector, and zeros
    sums, totals = aligned(ROWS_OF_A_TASK * U * LANES, w.dtype), np.empty(U, w.dtype)
    begin = draw(counter) * ROWS_OF_A_TASK
    while begin < N:
        here = min(ROWS_OF_A_TASK, N - begin)
        places_of(rows, begin, D, row_at)
        for r in range(ROWS_OF_A_TASK if whole < D else 0):
            for d in range(whole, D):
                ends[r * LANES + d - whole] = x[row_at[r] + d]
        sums[:] = 0
        for first in range(0, whole, at_once):  # a part of w that stays in the first-level cache
            last = min(first + at_once, whole)
            for r in range(0, here, ROWS):
                add_products(x, row_at, r, first, last, w, first * U, sums, r * U * LANES, units)
        for r in range(0, here if whole < D else 0, ROWS):
            add_products(ends, end_at, r, 0, LANES, w, whole * U, sums, r * U * LANES, units)
        for r in range(here):
            for u in range(U):
                totals[u] = 0
                for v in range(LANES):
                    totals[u] += sums[(r * U + u) * LANES + v]
            leave_some(totals, 0, U, bias, 0, relu, keep, scale, y, (begin + r) * U)
        begin = draw(counter) * ROWS_OF_A_TASK


@compiled
def _forward(x, rows, kernel, bias, relu, keep, scale, y, workers, units):
    w = aligned((x.shape[1] + LANES - 1) // LANES * LANES * len(units), np.float64)
    _pack(kernel, w, units)
    counter = np.zeros(8, np.intp)
    share(workers, _forward_tasks, (counter, x, rows, w, bias, relu, keep, scale, y, units))


def narrow_forward(x, rows, kernel, bias, relu, keep, scale, y, workers):
    """dense_forward (dense.py) for NARROW units or fewer, with sums in float64."""
    _forward(x, rows, kernel, bias, relu, keep, scale, y, workers, (0,) * kernel.shape[1])
