"""The register tile in every shape it can take, and the vector code of a pooling cell."""

import numba
import numpy as np
import pytest

from scratchnet.engines.fused import tile as tiles
from scratchnet.engines.fused.cells import DEAD, leave, leave_largest, spread
from scratchnet.engines.fused.tile import (
    BROAD,
    LONG,
    PACKED_RUN,
    PIECE,
    REGISTERS,
    RUN,
    SHAPES,
    SLIM,
    SLIM_SHAPES,
    VECTOR_BYTES,
    VECTORS,
    WIDE,
    make_packed_tile,
    make_tile,
    vectors_for,
)
from scratchnet.engines.fused.windows import back, windows

DTYPES = ("float32", "float64")
COUNTS = (0, 1, 2, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 5)
# LLVM splits vectors that the host lacks, so every shape can be run anywhere
KINDS = {
    **{name: (rows, vectors, size) for name, (size, rows, vectors) in SHAPES.items()},
    **{f"{name} slim": (*SLIM_SHAPES[name], SHAPES[name][0]) for name in SHAPES},
    "broad": (1, BROAD, VECTOR_BYTES),
    "long": (1, LONG, VECTOR_BYTES),
    "short": (1, LONG // 2, VECTOR_BYTES),
    "one": (1, 1, 16),
}


def compiled_tile(rows, vectors, vector_bytes, adds):
    tile, panel = make_tile({vectors: rows}, vector_bytes, adds), (0,) * vectors

    # kept in memory alone: a cache on disk would not notice that the tile has changed
    @numba.njit
    def run(x, row_at, row, x_at, run, w, w_from, w_step, first, last, out, out_from, step):
        tile(x, row_at, row, x_at, run, w, w_from, w_step, first, last, out, out_from, step, panel)

    return run


@pytest.fixture(scope="module", params=[(k, a) for k in KINDS for a in (False, True)], ids=str)
def kind(request):
    """A tile, its rows and bytes, and whether it adds."""
    name, adds = request.param
    rows, vectors, vector_bytes = KINDS[name]
    return compiled_tile(rows, vectors, vector_bytes, adds), rows, vectors * vector_bytes, adds


class Case:
    """Arguments of one tile: shuffled places, and what nobody may read is not a number.

    run       of so many terms the first one alone has a place in x_at
    listed    whether w_at says where the rows of w are, else they lie w_step apart
    """

    def __init__(self, rows, width, count, dtype, draw, run=1, listed=False):
        rng = np.random.default_rng(count)
        self.rows, self.width, self.first, self.last = rows, width, 3, 3 + count
        self.row, self.w_from, self.out_from, self.run_length = 2, 5, 11, run
        self.row_at = np.append([10**9] * 2, rng.permutation(rows) * (run + 6) + 1)
        places = rng.permutation(count // run) * (rows * (run + 6)) + 4
        self.x_at = np.full(3 + count, 10**9)
        self.x_at[3::run] = places
        self.w_step = width + 3
        self.w_at = np.append([10**9] * 3, rng.permutation(count) * self.w_step + 2)
        self.x = np.full((run + 6) * rows * (count + 1) + 20, np.nan, dtype)
        self.w = np.full(self.w_step * (count + 4) + 20, np.nan, dtype)
        in_order = (places[:, None] + np.arange(run)).ravel()
        self.x_used = self.row_at[2:, None] + in_order
        w_rows = self.w_at[3:] if listed else np.arange(3, 3 + count) * self.w_step
        self.w_used = self.w_from + w_rows[:, None] + np.arange(width)
        self.x[self.x_used] = draw(rng, self.x_used.shape)
        self.w[self.w_used] = draw(rng, self.w_used.shape)
        self.step = width + 3  # of a row of out
        self.out = np.full(self.out_from + rows * self.step + 40, 1e6, dtype)
        self.before = self.out.copy()

    def run(self, tile):
        tile(
            self.x, self.row_at, self.row, self.x_at, self.run_length, self.w, self.w_from,
            self.w_step, self.first, self.last, self.out, self.out_from, self.step,
        )  # fmt: skip
        return self.written()

    def written(self):
        """What is there of `out`; the rest is as it was."""
        starts = self.out_from + np.arange(self.rows) * self.step
        written = starts[:, None] + np.arange(self.width)
        untouched = np.delete(np.arange(self.out.size), written)
        np.testing.assert_array_equal(self.out[untouched], self.before[untouched])
        return self.out[written]

    def definition(self, adds):
        """The sums in plain Python, in float64, and the sums of their terms' sizes."""
        sums, sizes = np.zeros((2, self.rows, self.width))
        for j in range(self.last - self.first):
            for r in range(self.rows):
                terms = np.float64(self.x[self.x_used[r, j]]) * self.w[self.w_used[j]]
                sums[r] += terms
                sizes[r] += abs(terms)
        return sums + 1e6 * adds, sizes + 1e6 * adds


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", COUNTS)
def test_whole_numbers_come_out_exactly(kind, count, dtype):
    tile, rows, size, adds = kind
    case = Case(
        rows, size // np.dtype(dtype).itemsize, count, dtype, lambda g, s: g.integers(-9, 10, s)
    )
    result = case.run(tile)
    np.testing.assert_array_equal(result, case.definition(adds)[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("runs", [0, 1, 2, PIECE // RUN, 3 * PIECE // RUN + 5])
def test_of_a_run_of_terms_one_place_is_looked_up(kind, runs, dtype):
    tile, rows, size, adds = kind
    case = Case(
        rows, size // np.dtype(dtype).itemsize, RUN * runs, dtype,
        lambda g, s: g.integers(-9, 10, s), RUN,
    )  # fmt: skip
    np.testing.assert_array_equal(case.run(tile), case.definition(adds)[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_run_gives_the_bits_of_its_terms_one_by_one(kind, dtype):
    tile, rows, size, _ = kind
    width, count = size // np.dtype(dtype).itemsize, 2 * PIECE + RUN
    cases = [Case(rows, width, count, dtype, lambda g, s: g.normal(size=s), RUN) for _ in range(2)]
    cases[1].run_length = 1
    cases[1].x_at[3:] = cases[1].x_used[0] - cases[1].row_at[2]
    np.testing.assert_array_equal(cases[0].run(tile), cases[1].run(tile))


@pytest.mark.parametrize("dtype", DTYPES)
def test_random_numbers_come_out_as_from_the_definition(kind, dtype):
    tile, rows, size, adds = kind
    count = 2 * PIECE + 7
    case = Case(rows, size // np.dtype(dtype).itemsize, count, dtype, lambda g, s: g.normal(size=s))
    result = case.run(tile)
    wanted, sizes = case.definition(adds)
    # a sum of n terms is wrong by n roundings at the very most
    assert (abs(result - wanted) <= (count + 2) * np.finfo(dtype).eps * sizes).all()


def test_long_sums_are_cut_into_pieces(kind):
    tile, rows, size, _ = kind
    case = Case(rows, size // 4, 3 * PIECE, "float32", lambda g, s: np.ones(s))
    case.out[:] = case.before[:] = 0
    case.x[case.x_used[:, 0]] = 2**24  # where a float32 and 1 more is the same number
    # the ones of the first piece are lost, those of the other two are not
    np.testing.assert_array_equal(case.run(tile), 2**24 + 2 * PIECE)


# ------------------------------------------------------------------ numbers in order


PACKED = {"AVX2": PACKED_RUN, "AVX-512": PACKED_RUN, "broad": 1, "long": 1, "short": 1}


@pytest.fixture(scope="module", params=[(k, a) for k in PACKED for a in (False, True)], ids=str)
def packed(request):
    """A tile of numbers in order, its rows and bytes, whether it adds, and terms of its loop."""
    name, adds = request.param
    rows, vectors, vector_bytes = KINDS[name]
    tile = make_packed_tile(rows, vectors, vector_bytes, adds, PACKED[name])

    @numba.njit
    def run(x, x_from, w, w_from, w_at, first, last, out, out_from, step):
        tile(x, x_from, w, w_from, w_at, first, last, out, out_from, step)

    return run, rows, vectors * vector_bytes, adds, PACKED[name]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", COUNTS)
def test_packed_numbers_are_read_in_order(packed, count, dtype):
    run, rows, size, adds, together = packed
    case = Case(
        rows, size // np.dtype(dtype).itemsize, -(-count // together) * together, dtype,
        lambda g, s: g.integers(-9, 10, s), listed=True,
    )  # fmt: skip
    x_from = 2
    x = np.full(x_from + rows * case.x_at.size, np.nan, dtype)
    x[x_from + 3 * rows :] = case.x[case.x_used].T.ravel()
    run(
        x, x_from, case.w, case.w_from, case.w_at, case.first, case.last, case.out, case.out_from,
        case.step,
    )  # fmt: skip
    np.testing.assert_array_equal(case.written(), case.definition(adds)[0])


def test_packed_sums_are_cut_into_pieces_too(packed):
    run, rows, size, *_ = packed
    x, w = np.ones(3 * PIECE * rows, np.float32), np.ones(size // 4, np.float32)
    x[:rows] = 2**24
    out = np.zeros(rows * w.size, np.float32)
    run(x, 0, w, 0, np.zeros(3 * PIECE, np.intp), 0, 3 * PIECE, out, 0, w.size)
    np.testing.assert_array_equal(out, 2**24 + 2 * PIECE)


def test_numbers_of_two_types_are_not_taken_for_one():
    run = make_packed_tile(6, 2, 32)

    @numba.njit
    def mixed(x, w, w_at, out):
        run(x, 0, w, 0, w_at, 0, 1, out, 0, 16)

    w = np.ones(16, np.float32)
    with pytest.raises(numba.errors.TypingError, match="arrays of one float type"):
        mixed(w, w, np.zeros(1, np.intp), np.ones(96))


# ------------------------------------------------------------------ runs of a convolution


@pytest.mark.parametrize(
    ("channels", "size", "dilation", "run"),
    [
        (RUN, 3, 1, RUN),
        (RUN, 3, 2, RUN),
        (1, RUN, 1, RUN),
        (3, RUN, 1, RUN),
        (3, RUN, 2, 1),
        (1, 3, 1, 1),
        (RUN + 1, 3, 1, 1),
        (RUN - 1, 2 * RUN - 1, 1, 1),
    ],
)
def test_taps_are_a_run_where_they_lie_side_by_side(channels, size, dilation, run):
    image, sides = (20, 30, channels), ((1, 1), (1, 1))
    where = windows(image, sides, (2, size), (1, 2), (1, dilation))
    assert where.run == run
    assert back(image, sides, (2, size), (1, 2), (1, dilation), channels).run == (
        RUN if channels % RUN == 0 else 1
    )


# ------------------------------------------------------------------ this processor


def test_the_tile_in_use_has_the_shape_of_this_processor():
    assert SHAPES[tiles.simd()] == (tiles.VECTOR_BYTES, tiles.ROWS, VECTORS)
    assert tiles.WIDTH_BYTES == tiles.VECTOR_BYTES * VECTORS


def test_panels_leave_as_little_empty_as_they_can():
    for dtype in (np.dtype("float32"), np.dtype("float64")):
        slim, wide = (len(v) * VECTOR_BYTES // dtype.itemsize for v in (SLIM, WIDE))
        for columns in range(1, 4 * wide + 1):
            width = len(vectors_for(columns, dtype)) * VECTOR_BYTES // dtype.itemsize
            empty = {each: -columns % each for each in (wide, slim)}
            assert empty[width] == min(empty.values())
            assert width == wide or empty[width] < empty[wide]


@pytest.mark.parametrize(
    ("features", "name"),
    [
        ({"avx512f": True, "avx2": True, "fma": True}, "AVX-512"),
        ({"avx512f": False, "avx2": True, "fma": True}, "AVX2"),
        ({"avx2": True, "fma": False}, "SSE2"),
        ({"neon": True}, "NEON"),
        ({}, "SSE2"),
    ],
)
def test_shape_is_chosen_by_the_features(features, name, monkeypatch):
    monkeypatch.setattr(tiles.llvm, "get_host_cpu_features", lambda: features)
    assert tiles.simd() == name


@pytest.mark.parametrize("name", SHAPES)
def test_sums_fit_the_registers(name):
    for rows, vectors in (SHAPES[name][1:], SLIM_SHAPES[name]):
        assert rows * vectors + vectors + 1 <= REGISTERS[name]


# ------------------------------------------------------------------ one cell of a pooling


@numba.njit
def run_leave(
    block, block_from, per_cell, bias, bias_from, relu, y, y_from, argmax, argmax_from, vectors
):
    leave(
        block, block_from, per_cell, bias, bias_from, relu, y, y_from, argmax, argmax_from, vectors
    )


@numba.njit
def run_leave_largest(block, block_from, per_cell, bias, bias_from, relu, y, y_from, vectors):
    leave_largest(block, block_from, per_cell, bias, bias_from, relu, y, y_from, vectors)


@numba.njit
def run_spread(dy, dy_from, argmax, argmax_from, per_cell, dz, dz_from, vectors):
    spread(dy, dy_from, argmax, argmax_from, per_cell, dz, dz_from, vectors)


@pytest.fixture(params=sorted({WIDE, SLIM, (0,)}), ids=lambda vectors: f"{len(vectors)} vectors")
def vectors(request):
    """Of a panel: those of this processor, and one."""
    return request.param


@pytest.fixture
def width_of(vectors):
    return lambda dtype: len(vectors) * VECTOR_BYTES // np.dtype(dtype).itemsize


def leave_definition(windows, bias, relu):
    """The first maximum of each column, as engines/loops has it: `>` alone decides."""
    y, argmax = np.empty(bias.size, bias.dtype), np.empty(bias.size, np.uint8)
    for v in range(bias.size):
        z = windows[:, v] + bias[v]
        best, place = z[0], 0
        for a in range(1, len(z)):
            if z[a] > best:
                best, place = z[a], a
        if relu and best <= 0:
            best, place = 0, DEAD
        y[v], argmax[v] = best, place
    return y, argmax


def leave_of(windows, bias, relu, vectors):
    """y and argmax of one cell that lies somewhere inside its arrays."""
    per_cell, width = windows.shape
    block = np.full(5 + windows.size + 3, np.inf, bias.dtype)
    block[5 : 5 + windows.size] = windows.ravel()
    biases = np.full(width + 20, np.inf, bias.dtype)
    biases[2 : 2 + width] = bias
    y, argmax = np.full(width + 40, 77, bias.dtype), np.full(width + 90, 77, np.uint8)
    run_leave(block, 5, per_cell, biases, 2, relu, y, 9, argmax, 6, vectors)
    largest = np.full_like(y, 77)  # the same without asking which it was
    run_leave_largest(block, 5, per_cell, biases, 2, relu, largest, 9, vectors)
    np.testing.assert_array_equal(largest, y)
    np.testing.assert_array_equal(np.signbit(largest), np.signbit(y))
    for array, at in ((y, 9), (argmax, 6)):
        assert (array[:at] == 77).all()
        assert (array[at + width :] == 77).all()
    return y[9 : 9 + width], argmax[6 : 6 + width]


def assert_leaves(windows, bias, relu, vectors):
    y, argmax = leave_of(windows, bias, relu, vectors)
    wanted_y, wanted_argmax = leave_definition(windows, bias, relu)
    np.testing.assert_array_equal(y, wanted_y)
    np.testing.assert_array_equal(np.signbit(y), np.signbit(wanted_y))
    np.testing.assert_array_equal(argmax, wanted_argmax)
    return argmax


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("per_cell", [1, 2, 4, 9, 250])
def test_first_maximum_of_a_cell_leaves(per_cell, relu, dtype, vectors, width_of):
    rng, width = np.random.default_rng(per_cell), width_of(dtype)
    for values in (2, 5, 1000):  # few values: many ties
        windows = rng.integers(-values, values, (per_cell, width)).astype(dtype) / 4
        bias = rng.integers(-1, 2, width).astype(dtype) / 4
        argmax = assert_leaves(windows, bias, relu, vectors)
        assert not relu or values > 5 or per_cell > 4 or (argmax == DEAD).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("per_cell", [1, 4, 9])
def test_where_no_window_is_above_zero_relu_lets_nothing_through(
    per_cell, dtype, vectors, width_of
):
    width = width_of(dtype)
    windows = -np.ones((per_cell, width), dtype)
    windows[-1, 1::2] = 0
    y, argmax = leave_of(windows, np.zeros(width, dtype), True, vectors)
    assert not y.any()
    assert not np.signbit(y).any()
    assert (argmax == DEAD).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("relu", [False, True])
def test_all_equal_windows_the_first_wins(relu, dtype, vectors, width_of):
    width = width_of(dtype)
    _, argmax = leave_of(np.ones((9, width), dtype), np.ones(width, dtype), relu, vectors)
    assert not argmax.any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("place", [0, 2, 3])
def test_not_a_number_is_found_where_the_loops_find_it(place, relu, dtype, vectors, width_of):
    width = width_of(dtype)
    windows = np.random.default_rng(0).normal(size=(4, width)).astype(dtype)
    windows[:, 0] = -1
    windows[place] = np.nan
    assert_leaves(windows, np.zeros(width, dtype), relu, vectors)
    y, _ = leave_of(windows, np.zeros(width, dtype), relu, vectors)
    assert np.isnan(y).all() == (place == 0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("relu", [False, True])
def test_infinity_and_the_two_zeros(relu, dtype, vectors, width_of):
    width = width_of(dtype)
    columns = [
        [0.0, -0.0],
        [-0.0, 0.0],
        [-0.0, -0.0],
        [-np.inf, -1],
        [-np.inf, -np.inf],
        [1, np.inf],
    ]
    windows = np.resize(np.array(columns, dtype), (width, 2)).T.copy()
    assert_leaves(windows, np.full(width, -0.0, dtype), relu, vectors)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("per_cell", [1, 4, 9, 250])
def test_spread_sends_each_gradient_to_its_window(per_cell, dtype, vectors, width_of):
    rng, width = np.random.default_rng(per_cell), width_of(dtype)
    dy = np.append(np.full(3, 5), rng.normal(size=width)).astype(dtype)
    argmax = np.append(np.full(4, 1), rng.integers(0, per_cell, width)).astype(np.uint8)
    argmax[5::3] = DEAD
    dz = np.full(7 + per_cell * width + 30, 77, dtype)
    run_spread(dy, 3, argmax, 4, per_cell, dz, 7, vectors)
    wanted = np.where(argmax[4:] == np.arange(per_cell)[:, None], dy[3:], 0)
    end = 7 + per_cell * width
    np.testing.assert_array_equal(dz[7:end].reshape(per_cell, width), wanted)
    assert (dz[:7] == 77).all()
    assert (dz[end:] == 77).all()
