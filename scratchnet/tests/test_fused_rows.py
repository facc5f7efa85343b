"""Packing, and what happens to a row of sums on the way out of a tile and on the way back."""

import numba
import numpy as np
import pytest

from scratchnet import Sequential, layers
from scratchnet.engines.fused import packing
from scratchnet.engines.fused.cells import (
    ALL,
    DEAD,
    GROUP,
    equals,
    gate_row,
    leave_row,
    leave_row_dropped,
    lowest,
)
from scratchnet.engines.fused.loss import softmax, softmax_crossentropy
from scratchnet.engines.fused.tile import (
    PACKED_RUN,
    ROWS,
    SLIM,
    VECTOR_BYTES,
    WIDE,
    WIDTH_BYTES,
    make_tile,
)

DTYPES = ("float32", "float64")
REST = 77  # in places that nobody may write to


@numba.njit
def rows_of(x, row_at, first, last, width, values, w_at):
    return packing.pack_rows(x, row_at, first, last, width, values, w_at)


@numba.njit
def columns_of(x, rows, first, width, values, w_at):
    return packing.pack_columns(x, rows, first, width, values, w_at)


@numba.njit
def places_of(rows, first, D, row_at):
    packing.places_of(rows, first, D, row_at)


@numba.njit
def panel_of(w, first, panels, panel_from, vectors):
    packing.pack_panel(w, first, panels, panel_from, vectors)


@numba.njit
def moved(source, source_from, target, target_from, count):
    packing.move(source, source_from, target, target_from, count)


@numba.njit
def turned_panel_of(w, first, width, panel):
    packing.pack_panel_transposed(w, first, width, panel)


@numba.njit
def leave(sums, begin, bias, bias_at, relu, y, at):
    leave_row(sums, begin, bias, bias_at, relu, y, at)


@numba.njit
def leave_dropped(sums, begin, bias, bias_at, relu, keep, scale, y, at):
    leave_row_dropped(sums, begin, bias, bias_at, relu, keep, scale, y, at)


@numba.njit
def gate(dy, dy_at, y, y_at, scale, dz, at):
    gate_row(dy, dy_at, y, y_at, scale, dz, at)


@numba.njit
def bits_of(numbers, begin, there, value):
    return equals(numbers, begin, there, value)


@numba.njit
def lowest_of(bits):
    return lowest(bits)


def width_of(dtype):
    return WIDTH_BYTES // np.dtype(dtype).itemsize


def sparse(rng, shape, dtype):
    """Numbers of which many are zero, some of these with a minus, whole columns among them."""
    x = rng.normal(size=shape)
    x[rng.random(shape) < 0.7] = 0.0
    x[rng.random(shape) < 0.1] = -0.0
    x[:, rng.random(shape[1]) < 0.4] = 0.0
    return x.astype(dtype)


# ------------------------------------------------------------------ packing


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("D", [1, 2, 17, 100])
@pytest.mark.parametrize("n", [1, 2, 5, 13])
def test_rows_are_packed_without_the_places_where_all_are_zero(n, D, dtype):
    rng = np.random.default_rng(D)
    x = sparse(rng, (n + 5, D), dtype)
    rows, width = rng.permutation(n + 5)[:n], 16
    row_at = np.empty(ROWS, np.intp)
    for first in range(0, n, ROWS):
        places_of(rows, first, D, row_at)
        ours = x[rows[np.minimum(first + np.arange(ROWS), n - 1)]]
        for begin, end in ((0, D), (D // 3, D), (0, D // 2), (D // 3, D // 3)):
            places = end - begin
            room = places + PACKED_RUN
            values, w_at = np.full(ROWS * room + 8, REST, dtype), np.full(room + 8, REST)
            count = rows_of(x.reshape(-1), row_at, begin, end, width, values, w_at)
            there = begin + np.flatnonzero((ours[:, begin:end] != 0).any(axis=0))
            joined = -len(there) % PACKED_RUN
            assert count == len(there) + joined
            np.testing.assert_array_equal(w_at[:count], [*there * width, *[end * width] * joined])
            packed = values[: count * ROWS].reshape(count, ROWS)
            np.testing.assert_array_equal(packed[: len(there)], ours[:, there].T)
            assert not packed[len(there) :].any()
            assert (values[ROWS * room :] == REST).all(), "it wrote behind the end"
            assert (w_at[room:] == REST).all(), "it wrote behind the end"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("D", [1, ROWS, 3 * ROWS + 1, 64])
@pytest.mark.parametrize("n", [1, 9])
def test_columns_are_packed_without_the_rows_where_all_are_zero(n, D, dtype):
    rng = np.random.default_rng(D)
    x = np.ascontiguousarray(sparse(rng, (D, n + 3), dtype).T)
    rows, width = rng.permutation(n + 3)[:n], 16
    for first in range(0, D, ROWS):
        values = np.full(ROWS * (n + PACKED_RUN) + 64, REST, dtype)
        w_at = np.full(n + PACKED_RUN, REST)
        count = columns_of(x, rows, first, width, values, w_at)
        assert count % PACKED_RUN == 0
        ours = np.pad(x[rows, first : first + ROWS], ((0, 1), (0, 0)))  # and the row of zeros
        kept = w_at[:count] // width
        left_out = np.delete(np.arange(n), kept[kept < n])
        assert (kept == n).sum() < PACKED_RUN
        assert not ours[left_out].any()
        packed = values[: count * ROWS].reshape(count, ROWS)
        np.testing.assert_array_equal(packed[:, : ours.shape[1]], ours[kept])
        assert not packed[:, ours.shape[1] :].any()
        if first + 16 <= D:  # far from the end of a row, where whole vectors are moved
            assert (ours[kept[kept < n]] != 0).any(axis=1).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_number_that_is_none_is_not_left_out(dtype):
    x = np.zeros((ROWS, 64), dtype)
    x[1, 3], x[2, 5] = np.nan, -0.0
    room = 64 + PACKED_RUN
    values, w_at = np.empty(ROWS * room, dtype), np.empty(room, np.intp)
    flat, at = x.reshape(-1), np.arange(ROWS) * 64
    assert rows_of(flat, at, 0, 64, 1, values, w_at) == PACKED_RUN
    assert w_at[:PACKED_RUN].tolist() == [3] + [64] * (PACKED_RUN - 1)
    values, w_at = np.empty(ROWS * room, dtype), np.empty(room, np.intp)
    assert columns_of(x, np.arange(ROWS), 0, 1, values, w_at) == PACKED_RUN
    assert w_at[:PACKED_RUN].tolist() == [1] + [ROWS] * (PACKED_RUN - 1)


@pytest.mark.parametrize(("of", "to"), [("float32",) * 2, ("float64",) * 2, ("float32", "float64")])
@pytest.mark.parametrize("U", [1, 10, 16, 33, 200])
@pytest.mark.parametrize("vectors", sorted({WIDE, SLIM}))
def test_a_panel_holds_columns_and_zeros_behind_the_last(vectors, U, of, to):
    w = np.random.default_rng(U).normal(size=(5, U)).astype(of)
    width = len(vectors) * VECTOR_BYTES // np.dtype(to).itemsize
    for first in range(0, U, width):
        panels = np.full(3 + 5 * width + 7, REST, to)
        panel_of(w, first, panels, 3, vectors)
        wanted = np.zeros((5, width), to)
        wanted[:, : U - first] = w[:, first : first + width]
        np.testing.assert_array_equal(panels[3:-7].reshape(5, width), wanted)
        assert (panels[:3] == REST).all()
        assert (panels[-7:] == REST).all()


def test_a_panel_is_not_packed_from_a_matrix_in_another_order():
    w, panels = np.ones((5, 7), np.float32, order="F"), np.zeros(5 * 64, np.float32)
    with pytest.raises(numba.errors.TypingError, match="a matrix in C order"):
        panel_of(w, 0, panels, 0, WIDE)


@pytest.mark.parametrize(("of", "to"), [("float32",) * 2, ("float64",) * 2, ("float32", "float64")])
@pytest.mark.parametrize("D", [1, 15, 64, 71])
@pytest.mark.parametrize("U", [6, 16, 37])
def test_a_turned_panel_holds_rows_as_columns(U, D, of, to):
    w, width = np.random.default_rng(D).normal(size=(D, U)).astype(of), width_of(to)
    for first in range(0, D, width):
        panel = np.full(U * width, REST, to)
        turned_panel_of(w, first, width, panel)
        wanted = np.zeros((U, width), to)
        wanted[:, : D - first] = w[first : first + width].T
        np.testing.assert_array_equal(panel.reshape(U, width), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [0, 1, 7, 100])
def test_numbers_are_moved(count, dtype):
    source, target = np.arange(200, dtype=dtype), np.full(count + 20, REST, dtype)
    moved(source, 3, target, 5, count)
    np.testing.assert_array_equal(target[5 : 5 + count], source[3 : 3 + count])
    assert (target[:5] == REST).all()
    assert (target[5 + count :] == REST).all()


def test_a_tile_of_float64_takes_float32_on_its_left():
    run = make_tile({1: 2}, 32)

    @numba.njit
    def tile(x, row_at, x_at, w, w_step, last, out):
        run(x, row_at, 0, x_at, 1, w, 0, w_step, 0, last, out, 0, 4, (0,))

    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 50)).astype("float32"), rng.normal(size=(50, 4))
    out = np.empty((2, 4))
    tile(x.ravel(), np.array([0, 50]), np.arange(50), w.ravel(), 4, 50, out.ravel())
    np.testing.assert_allclose(out, x.astype("float64") @ w, rtol=1e-13)


# ------------------------------------------------------------------ out of a tile, and back


@pytest.mark.parametrize(("of", "to"), [("float32",) * 2, ("float64",) * 2, ("float64", "float32")])
@pytest.mark.parametrize("relu", [False, True])
def test_a_row_leaves_with_bias_relu_and_dropout(relu, of, to):
    rng, width = np.random.default_rng(1), width_of(of)
    sums, bias = rng.normal(size=3 + width).astype(of), rng.normal(size=2 + width).astype(to)
    sums[3] = np.nan
    z = (sums[3:] + bias[2:].astype(of)).astype(to)
    wanted = np.where(z <= 0, 0, z) if relu else z
    y = np.full(5 + width + 40, REST, to)
    leave(sums, 3, bias, 2, relu, y, 5)
    np.testing.assert_array_equal(y[5 : 5 + width], wanted)
    keep = (rng.random(5 + width + 40) < 0.5).astype(np.uint8) * 200
    scale = np.dtype(to).type(1.25)
    dropped = np.full_like(y, REST)
    leave_dropped(sums, 3, bias, 2, relu, keep, scale, dropped, 5)
    kept = np.where(keep[5 : 5 + width] != 0, wanted * scale, 0)
    np.testing.assert_array_equal(dropped[5 : 5 + width], kept)
    for array in (y, dropped):
        assert (array[:5] == REST).all()
        assert (array[5 + width :] == REST).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_gradient_goes_back_where_the_output_is_above_zero(dtype):
    rng, width = np.random.default_rng(2), width_of(dtype)
    dy, y = rng.normal(size=1 + width).astype(dtype), rng.normal(size=2 + width).astype(dtype)
    y[2:6] = 0.0, -0.0, np.nan, np.inf
    dz = np.full(3 + width + 20, REST, dtype)
    gate(dy, 1, y, 2, np.dtype(dtype).type(1.5), dz, 3)
    wanted = np.where(y[2:] > 0, dy[1:] * np.dtype(dtype).type(1.5), 0)
    np.testing.assert_array_equal(dz[3 : 3 + width], wanted)
    assert (dz[:3] == REST).all()
    assert (dz[3 + width :] == REST).all()


@pytest.mark.parametrize("there", [1, 5, GROUP - 1, GROUP])
@pytest.mark.parametrize("value", [0, 3, DEAD])
def test_the_bits_say_who_equals(value, there):
    numbers = np.random.default_rng(there).choice([0, 3, 128, DEAD], 4 + there).astype(np.uint8)
    bits = bits_of(numbers, 4, there, value)
    wanted = [int(n == value) for n in numbers[4:]] + [int(value == DEAD)] * (GROUP - there)
    assert [bits >> i & 1 for i in range(GROUP)] == wanted
    assert 0 <= bits <= ALL


def test_the_lowest_bit():
    for place in range(GROUP):
        assert lowest_of((1 << place) | (ALL >> place << place)) == place


# ------------------------------------------------------------------ softmax and its loss


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("K", [1, 2, 10, 37])
def test_softmax_and_loss_are_the_definition(K, dtype):
    rng = np.random.default_rng(K)
    z = (rng.normal(size=(9, K)) * 30).astype(dtype)
    y_true = rng.random((9, K))
    y_true /= y_true.sum(axis=1, keepdims=True)
    # the difference is rounded to float64, the rest is exact
    shifted = z.astype("float64") - z.max(axis=1, keepdims=True)
    shifted = shifted.astype(np.longdouble)
    total = np.exp(shifted).sum(axis=1, keepdims=True)
    p = np.exp(shifted) / total
    y, dz = np.empty_like(z), np.empty_like(z)
    value = softmax_crossentropy(z, y_true, 0.25, y, dz)
    eps = np.finfo(dtype).eps
    least = np.finfo(dtype).smallest_subnormal
    np.testing.assert_allclose(y, p.astype("float64"), rtol=2 * eps + 2e-15, atol=least)
    wanted = ((p - y_true) * 0.25).astype("float64")
    np.testing.assert_allclose(dz, wanted, rtol=2 * eps, atol=4e-16)
    assert value == pytest.approx(float(-0.25 * (y_true * (shifted - np.log(total))).sum()), 1e-13)
    for workers in (1, 3):
        alone = np.empty_like(z)
        softmax(z, alone, workers)
        normal = y >= np.finfo(dtype).smallest_normal  # what is not may be 0 in a region
        np.testing.assert_array_equal(alone[normal], y[normal])
        assert ((alone[~normal] == y[~normal]) | (alone[~normal] == 0)).all()
    softmax_crossentropy(z, y_true, 0.25, np.empty((0, 0), dtype), dz * 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_of_numbers_far_apart(dtype):
    z = np.array([[0, -1e4, 1e4], [-708, -709, -1e4], [0, -708.5, -750]], dtype)
    y = np.empty_like(z)
    softmax(z, y, 1)
    assert y[0].tolist() == [0, 0, 1]
    np.testing.assert_allclose(y[1], [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1)), 0], rtol=1e-6)
    assert y[2].tolist() == [1, 0, 0]  # what is no normal number is 0
    z[0, 1] = np.nan
    softmax(z, y, 1)
    assert np.isnan(y[0]).all()
    assert not np.isnan(y[1:]).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [0, 1, 7, 65_536, 65_537, 1_200_001])
def test_a_number_that_is_not_finite_is_found_anywhere(dtype, size):
    from scratchnet.engines.fused import all_finite

    x = np.resize(np.array([-1, np.finfo(dtype).max, 0, np.finfo(dtype).tiny], dtype), size)
    assert all_finite(x)
    for place in {0, size // 2, size - 1} if size else ():
        for bad in (np.nan, np.inf, -np.inf):
            broken = x.copy()
            broken[place] = bad
            assert not all_finite(broken)


def test_large_data_are_checked_for_numbers_that_are_not_finite():
    model = Sequential([layers.Input((1024,)), layers.Dense(2)])
    x = np.zeros((1025, 1024), np.float32)
    model.predict(x, verbose=0)
    x[1000, 7] = np.nan
    with pytest.raises(ValueError, match=r"nan at \(1000, 7\)"):
        model.predict(x, verbose=0)
