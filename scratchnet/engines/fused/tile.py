"""The register tile: the one inner loop of this engine, written as vector instructions.

The textbook product y[n, u] = sum over d of x[n, d] * w[d, u] takes one number of x and one of w
from memory for each multiplication. The processor multiplies ten times faster than it fetches. So
a tile computes ROWS x WIDTH outputs at once and keeps all their sums in registers:

                       w[j, 0 .. WIDTH-1]           one step j of the sum:
                     [ vector 0 | vector 1 ]          fetch VECTORS vectors of w,
                                                      fetch ROWS numbers of x, each repeated in
        x[0, j]      [ sums 0,0 | sums 0,1 ]          all lanes of a vector,
        x[1, j]      [ sums 1,0 | sums 1,1 ]          and do ROWS * VECTORS multiply-adds of
          ...              ...                        LANES numbers each: 8 fetches for 96
        x[5, j]      [ sums 5,0 | sums 5,1 ]          products with AVX2, not 192.

    out[r, v] = sum over j < count of x[row_at[r] + x_at[j]] * w[w_at[j] + v]

`row_at`, `x_at` and `w_at` are lists of places. With one list or another the same loop is a matrix
product, a product with a transpose, a convolution of any stride and dilation that reads the image
where it lies, or a sum over those gradients alone that are not zero. No im2col, no copies.

A list that says nothing new is left out: `x_at` where x was packed in the order of reading, `w_at`
where the rows of w follow each other, and for RUN terms side by side one place of x is enough. To
look up a place, or to count, is an instruction that does not multiply; where two threads share a
core, each is given two instructions a cycle.

A compiler does not find this by itself, so the vectors are spelt out: `numba.extending.intrinsic`
lets a function write the LLVM instructions that Numba puts in place of the call. LLVM turns them
into AVX-512, AVX2, NEON or, where there is nothing of the kind, into plain instructions.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from scratchnet.errors import expected

__all__ = [
    "BROAD",
    "LONG",
    "PACKED_RUN",
    "PIECE",
    "REGISTERS",
    "ROWS",
    "RUN",
    "SLIM",
    "VECTOR_BYTES",
    "WIDE",
    "WIDTH_BYTES",
    "broad_add",
    "broad_tile",
    "long_add",
    "number_bytes",
    "one_type",
    "packed_add",
    "packed_tile",
    "pointer",
    "rows_of",
    "short_add",
    "simd",
    "tile",
    "tile_add",
    "vectors_for",
]

# (registers' bytes, ROWS, VECTORS): ROWS * VECTORS sums, VECTORS of w and one of x must fit in the
# REGISTERS there are
SHAPES = {"AVX-512": (64, 6, 4), "AVX2": (32, 6, 2), "NEON": (16, 5, 4), "SSE2": (16, 6, 2)}
REGISTERS = {"AVX-512": 32, "AVX2": 16, "NEON": 32, "SSE2": 16}
# (ROWS, VECTORS) for convolutions that would leave much of a panel empty: 32 filters, say
SLIM_SHAPES = {"AVX-512": (9, 2), "AVX2": (6, 2), "NEON": (5, 4), "SSE2": (6, 2)}


def simd() -> str:
    """The vector instructions of this processor: a key of SHAPES."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return "AVX-512"
    if features.get("avx2") and features.get("fma"):
        return "AVX2"
    return "NEON" if features.get("neon") else "SSE2"


VECTOR_BYTES, ROWS, VECTORS = SHAPES[simd()]
SLIM_ROWS, SLIM_VECTORS = SLIM_SHAPES[simd()]
WIDTH_BYTES = VECTOR_BYTES * VECTORS
LONG = 12  # vectors of a long tile
# How many vectors a panel has, as a tuple of so many: compiled code is made for each type of its
# arguments, and the length of a tuple is part of its type.
WIDE, SLIM = (0,) * VECTORS, (0,) * SLIM_VECTORS
BROAD = 8  # vectors of a broad one, for layers whose units are mostly a multiple of it
PIECE = 72  # terms of a sum: the longer, the faster and the less exact
# Terms that are multiplied before the next place of x is looked up, or of packed numbers before the
# next are counted: more in a row fetch less, but a packed list is filled up to as many. Both divide
# PIECE.
RUN, PACKED_RUN = 4, 2

Terms = Iterator[tuple[Any, list[Any]]]  # where the vectors of w and the numbers of x lie


def make_tile(
    rows_of: dict[int, int], vector_bytes: int, adds: bool = False
) -> Callable[..., None]:
    """The tile as a function for compiled code, with its rows, vectors and their size fixed:

    out[out_from + r * step + v] = sum over first <= j < last of
        x[row_at[row + r] + x_at[j]] * w[w_from + j * w_step + v]

    x, w, out       1-D arrays; w and out of one float type, x of the same or float32
    row_at, x_at    1-D intp
    run             RUN if in x_at each RUN places from `first` on follow each other, and last -
                    first is a multiple of RUN; else 1
    out             WIDTH numbers of each row are overwritten, or with `adds` added to
    vectors         a tuple with as many entries as WIDTH has vectors: of so many, the tile has
                    rows_of[...] rows
    """

    @intrinsic
    def tile(
        typingctx: Any, x: Any, row_at: Any, row: Any, x_at: Any, run: Any,
        w: Any, w_from: Any, w_step: Any, first: Any, last: Any, out: Any, out_from: Any, step: Any,
        vectors: Any,
    ) -> Any:  # fmt: skip
        i, count = types.intp, len(vectors)
        one_type(w, out)
        signature = types.void(x, row_at, i, x_at, i, w, i, i, i, i, out, i, i, vectors)

        def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            at = partial(pointer, context, b, signature, arguments)
            x, row_at, x_at, w, w_step = at(0), at(1, 2), at(3), at(5, 6), arguments[7]
            each = map(w_step.type, range(rows_of[count]))
            x_row = [b.gep(x, [b.load(b.gep(row_at, [r]))]) for r in each]

            def terms(j: Any, together: int) -> Terms:
                place = b.load(b.gep(x_at, [j]))
                x_first = [b.gep(row, [place]) for row in x_row]
                for k in range(together):
                    w_k = b.gep(w, [b.mul(b.add(j, j.type(k)), w_step)])
                    yield w_k, [b.gep(x, [j.type(k)]) for x in x_first]

            emit_tile(
                b, rows_of[count], count, vector_bytes, adds, terms, arguments[4],
                first=arguments[8], last=arguments[9], out=at(10, 11), out_step=arguments[12],
            )  # fmt: skip
            return context.get_dummy_value()

        return signature, emit

    return tile  # type: ignore[no-any-return]


def make_packed_tile(
    rows: int, vectors: int, vector_bytes: int, adds: bool = False, run: int = 1
) -> Callable[..., None]:
    """The tile for numbers of x that lie in the order in which it reads them (packing.py):

    out[out_from + r * step + v] = sum over first <= j < last of
        x[x_from + j * rows + r] * w[w_from + w_at[j] + v]

    last - first is a multiple of `run`.
    """

    @intrinsic
    def packed_tile(
        typingctx: Any, x: Any, x_from: Any, w: Any, w_from: Any, w_at: Any,
        first: Any, last: Any, out: Any, out_from: Any, step: Any,
    ) -> Any:  # fmt: skip
        i = types.intp
        one_type(w, out)
        signature = types.void(x, i, w, i, w_at, i, i, out, i, i)

        def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
            at = partial(pointer, context, b, signature, arguments)
            x, w, w_at = at(0, 1), at(2, 3), at(4)

            def terms(j: Any, together: int) -> Terms:
                for k in range(together):
                    j_k = b.add(j, j.type(k))
                    x_k = b.gep(x, [b.mul(j_k, j.type(rows))])
                    w_k = b.gep(w, [b.load(b.gep(w_at, [j_k]))])
                    yield w_k, [b.gep(x_k, [j.type(r)]) for r in range(rows)]

            emit_tile(
                b, rows, vectors, vector_bytes, adds, terms, run,
                first=arguments[5], last=arguments[6], out=at(7, 8), out_step=arguments[9],
            )  # fmt: skip
            return context.get_dummy_value()

        return signature, emit

    return packed_tile  # type: ignore[no-any-return]


def one_type(*arrays: Any) -> None:
    """Refuse to compile code for numbers of several types where it moves them as one."""
    if len({array.dtype for array in arrays}) > 1:
        raise TypingError(expected("Engine 'fused'", "arrays of one float type", repr(arrays)))


def pointer(
    context: Any,
    b: ir.IRBuilder,
    signature: Any,
    arguments: Any,
    array: int,
    offset: int | None = None,
) -> Any:
    """Where the numbers of an array begin, or the one whose place is another argument."""
    data = context.make_array(signature.args[array])(context, b, arguments[array]).data
    return data if offset is None else b.gep(data, [arguments[offset]])


def number_bytes(number: Any) -> int:
    """The size of LLVM's float or double."""
    return 4 if isinstance(number, ir.FloatType) else 8


class Vectors:
    """Vectors of so many bytes, as the instructions that LLVM has for them."""

    def __init__(self, b: ir.IRBuilder, number: Any, vector_bytes: int) -> None:
        self.b, self.number = b, number
        self.bytes = number_bytes(number)
        self.lanes = vector_bytes // self.bytes
        self.type = ir.VectorType(number, self.lanes)
        self.zero = ir.Constant(self.type, [0.0] * self.lanes)
        kind = f"llvm.fma.v{self.lanes}f{8 * self.bytes}"
        function = ir.FunctionType(self.type, [self.type] * 3)
        self.fma = cgutils.get_or_insert_function(b.module, function, kind)

    def at(self, pointer: Any, v: int) -> Any:
        """Where vector v behind this pointer lies."""
        place = self.b.gep(pointer, [ir.Constant(ir.IntType(64), v * self.lanes)])
        return self.b.bitcast(place, self.type.as_pointer())

    def load(self, pointer: Any, v: int) -> Any:
        return self.b.load(self.at(pointer, v), align=self.bytes)

    def load_as(self, pointer: Any, v: int) -> Any:
        """The same of numbers that may be of the other type."""
        theirs = Vectors(
            self.b, pointer.type.pointee, self.lanes * number_bytes(pointer.type.pointee)
        )
        return self.convert(theirs.load(pointer, v), self.number)

    def store_as(self, value: Any, pointer: Any, v: int) -> None:
        theirs = Vectors(
            self.b, pointer.type.pointee, self.lanes * number_bytes(pointer.type.pointee)
        )
        theirs.store(self.convert(value, pointer.type.pointee), pointer, v)

    def fetch(self, pointer: Any, v: int) -> None:
        """Have vector v brought near: it is going to be loaded. Nothing need be there."""
        hint, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, hint, hint, hint])
        prefetch = cgutils.get_or_insert_function(self.b.module, kind, "llvm.prefetch.p0")
        place = self.b.bitcast(self.at(pointer, v), byte)
        self.b.call(prefetch, [place, hint(0), hint(3), hint(1)])  # to read, to keep, data

    def convert(self, value: Any, number: Any) -> Any:
        """The vector with its numbers rounded, or extended, to this type."""
        if value.type.element == number:
            return value
        change = self.b.fpext if isinstance(number, ir.DoubleType) else self.b.fptrunc
        return change(value, ir.VectorType(number, self.lanes))

    def store(self, value: Any, pointer: Any, v: int) -> None:
        self.b.store(value, self.at(pointer, v), align=self.bytes)

    def repeat(self, value: Any) -> Any:
        """The number in all lanes."""
        nothing = ir.Constant(ir.VectorType(value.type, self.lanes), ir.Undefined)
        one = self.b.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
        everywhere = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.b.shuffle_vector(one, nothing, everywhere)


def hidden(b: ir.IRBuilder, pointer: Any) -> Any:
    """The same pointer, of which the compiler no longer knows that it is the same.

    Else it keeps `out` in registers from piece to piece, and there are not enough of them.
    """
    return b.asm(ir.FunctionType(pointer.type, [pointer.type]), "", "=r,0", [pointer], True)


def emit_rows(
    lanes: Vectors, out: Any, step: Any, sums: list[Any], vectors: int, adds: bool
) -> None:
    """Write the sums of a tile, or add them, row by row."""
    for i, total in enumerate(sums):
        if i and i % vectors == 0:
            out = lanes.b.gep(out, [step])
        if adds:
            total = lanes.b.fadd(lanes.load(out, i % vectors), total)
        lanes.store(total, out, i % vectors)


def emit_sums(
    b: ir.IRBuilder, lanes: Vectors, rows: int, vectors: int, terms: Callable[..., Terms],
    together: int, begin: Any, end: Any, before: Any, after: Any,
) -> tuple[Any, list[Any]]:  # fmt: skip
    """Write the loop over the terms of a piece, so many of them `together`, between two blocks;
    returns its block and the sums."""
    step = b.append_basic_block("step")
    b.position_at_end(step)
    j = b.phi(begin.type)
    sums = [b.phi(lanes.type) for _ in range(rows * vectors)]
    grown: list[Any] = sums
    for w_j, x_j in terms(j, together):
        w_vectors = [lanes.load(w_j, v) for v in range(vectors)]
        old, grown = iter(grown), []
        for x_r in x_j:
            number = b.load(x_r)
            wide = number if number.type == lanes.number else b.fpext(number, lanes.number)
            x_lanes = lanes.repeat(wide)
            grown += [b.call(lanes.fma, [x_lanes, w_v, next(old)]) for w_v in w_vectors]
    following = b.add(j, j.type(together))
    j.add_incoming(begin, before)
    j.add_incoming(following, step)
    for sum_, new in zip(sums, grown, strict=True):
        sum_.add_incoming(lanes.zero, before)
        sum_.add_incoming(new, step)
    b.cbranch(b.icmp_signed("<", following, end), step, after)
    return step, grown


def emit_tile(
    b: ir.IRBuilder, rows: int, vectors: int, vector_bytes: int, adds: bool,
    terms: Callable[..., Terms], run: Any, *,
    first: Any, last: Any, out: Any, out_step: Any,
) -> None:  # fmt: skip
    """Write the instructions of one tile.

    terms    terms(j, together): where the numbers of w and x lie for so many terms from j on
    run      how many of them a loop takes together: a number, or a value that is RUN or 1

    A sum of many float32 numbers in a row loses a digit: it is cut into pieces of PIECE terms,
    which are added to `out` one by one.
    """
    lanes, index = Vectors(b, out.type.pointee, vector_bytes), first.type
    before = b.basic_block
    nothing, piece, after, write, add, more, done = (
        b.append_basic_block(name)
        for name in ("nothing", "piece", "after", "write", "add", "more", "done")
    )
    b.cbranch(b.icmp_signed("<", first, last), piece, nothing)

    b.position_at_end(nothing)  # a sum of no terms
    if not adds:
        emit_rows(lanes, out, out_step, [lanes.zero] * (rows * vectors), vectors, adds=False)
    b.branch(done)

    b.position_at_end(piece)
    begin = b.phi(index)
    end = b.add(begin, index(PIECE))
    end = b.select(b.icmp_signed("<", end, last), end, last)
    choice = (run,) if isinstance(run, int) else (RUN, 1)
    loops = [
        emit_sums(b, lanes, rows, vectors, terms, together, begin, end, piece, after)
        for together in choice
    ]
    b.position_at_end(piece)
    if isinstance(run, int):
        b.branch(loops[0][0])
    else:
        b.cbranch(b.icmp_signed("==", run, index(RUN)), loops[0][0], loops[1][0])

    b.position_at_end(after)
    grown = [b.phi(lanes.type) for _ in range(rows * vectors)]
    for step, sums in loops:
        for total, sum_ in zip(grown, sums, strict=True):
            total.add_incoming(sum_, step)
    if adds:
        b.branch(add)
    else:
        b.cbranch(b.icmp_signed("==", begin, first), write, add)
    b.position_at_end(write)
    emit_rows(lanes, out, out_step, grown, vectors, adds=False)
    b.branch(more)
    b.position_at_end(add)
    emit_rows(lanes, hidden(b, out), out_step, grown, vectors, adds=True)
    b.branch(more)

    b.position_at_end(more)
    b.cbranch(b.icmp_signed("<", end, last), piece, done)
    begin.add_incoming(first, before)
    begin.add_incoming(end, more)

    b.position_at_end(done)


ROWS_OF = {SLIM_VECTORS: SLIM_ROWS, VECTORS: ROWS}


@intrinsic
def rows_of(typingctx: Any, vectors: Any) -> Any:
    """Rows of the tile for panels of these vectors: WIDE or SLIM."""

    def emit(context: Any, b: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return context.get_constant(types.intp, ROWS_OF[len(vectors)])

    return types.intp(vectors), emit


@cache
def vectors_for(columns: int, dtype: Any) -> tuple[int, ...]:
    """WIDE or SLIM: the panels that compute fewer numbers that nobody wants."""
    slim, wide = (
        -(-columns // width) * width
        for width in (len(v) * VECTOR_BYTES // dtype.itemsize for v in (SLIM, WIDE))
    )
    return SLIM if slim < wide else WIDE


tile = make_tile(ROWS_OF, VECTOR_BYTES)
tile_add = make_tile(ROWS_OF, VECTOR_BYTES, adds=True)
packed_tile = make_packed_tile(ROWS, VECTORS, VECTOR_BYTES, run=PACKED_RUN)
packed_add = make_packed_tile(ROWS, VECTORS, VECTOR_BYTES, adds=True, run=PACKED_RUN)
broad_tile = make_packed_tile(1, BROAD, VECTOR_BYTES)
broad_add = make_packed_tile(1, BROAD, VECTOR_BYTES, adds=True)
long_add = make_packed_tile(1, LONG, VECTOR_BYTES, adds=True)
short_add = make_packed_tile(1, LONG // 2, VECTOR_BYTES, adds=True)
