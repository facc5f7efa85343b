"""Dense layers of few units: sums along vectors, in every shape they can take."""

import numba
import numpy as np
import pytest

from scratchnet.engines.fused import narrow
from scratchnet.engines.fused.narrow import LANES, NARROW, ROWS, ROWS_OF_A_TASK, make_products
from scratchnet.engines.fused.tile import REGISTERS, SHAPES

DTYPES = ("float32", "float64")
NO_MASK = np.empty((0, 0), np.uint8)
# LLVM splits vectors that the host lacks, so every shape can be run anywhere
KINDS = {name: (2, SHAPES[name][0], REGISTERS[name]) for name in SHAPES}
KINDS |= {"in use": (ROWS, LANES * 8, REGISTERS[narrow.simd()]), "a row": (1, 32, 16)}


def order(kernel, lanes):
    """The kernel as the products read it, whole vectors of it."""
    D, U = kernel.shape
    return kernel.astype("float64").reshape(D // lanes, lanes, U).swapaxes(1, 2).ravel()


@pytest.mark.parametrize("U", [1, 2, 7, 10, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_products_are_added_lane_by_lane(kind, U):
    rows, vector_bytes, registers = KINDS[kind]
    lanes, units = vector_bytes // 8, (0,) * U
    products = make_products(rows, vector_bytes, registers)

    # kept in memory alone: a cache on disk would not notice that it has changed
    @numba.njit
    def add(x, row_at, row, first, last, w, w_from, sums, sums_from):
        products(x, row_at, row, first, last, w, w_from, sums, sums_from, units)

    rng, D = np.random.default_rng(U), 6 * lanes
    row_at = np.array([0, *rng.permutation(np.arange(9)) * D], np.intp)
    for dtype in DTYPES:
        x = rng.integers(-9, 10, (9, D)).astype(dtype)
        w = order(rng.integers(-9, 10, (D, U)), lanes)
        for first, last in ((0, D), (lanes, 3 * lanes), (2 * lanes, 2 * lanes), (0, lanes)):
            sums = rng.integers(-9, 10, 5 + rows * U * lanes + 3).astype("float64")
            wanted = sums.copy()
            ours = x.ravel()[row_at[1 : 1 + rows, None] + np.arange(first, last)]
            ours = ours.reshape(rows, 1, -1, lanes)
            theirs = w.reshape(-1, U, lanes)[first // lanes : last // lanes].swapaxes(0, 1)
            wanted[5:-3] += (ours * theirs).sum(axis=2).ravel()
            add(x.ravel(), row_at, 1, first, last, w, first * U, sums, 5)
            np.testing.assert_array_equal(sums, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("U", [1, 3, 10, NARROW])
@pytest.mark.parametrize("D", [1, LANES, LANES + 1, 5 * LANES - 1, 3000])
def test_few_units_are_the_definition(D, U, dtype):
    rng = np.random.default_rng(D)
    for n in (1, ROWS_OF_A_TASK, 2 * ROWS_OF_A_TASK + 1):
        x = rng.integers(-9, 10, (n + 5, D)).astype(dtype)
        kernel, bias = (rng.integers(-9, 10, s).astype(dtype) / 8 for s in ((D, U), (U,)))
        rows = rng.permutation(n + 5)[:n]
        keep, scale = rng.integers(0, 2, (n, U), np.uint8), x.dtype.type(1.25)
        z = x[rows] @ kernel + bias  # whole eighths: every sum is exact
        for relu in (False, True):
            wanted = np.maximum(z, 0) if relu else z
            for workers in (1, 2, 5):
                y = np.full((n, U), np.nan, dtype)
                narrow.narrow_forward(x, rows, kernel, bias, relu, NO_MASK, scale, y, workers)
                np.testing.assert_array_equal(y, wanted)
                narrow.narrow_forward(x, rows, kernel, bias, relu, keep, scale, y, workers)
                np.testing.assert_array_equal(y, wanted * keep * scale)


def test_sums_of_few_units_are_rounded_once():
    rng = np.random.default_rng(0)
    x, kernel = (rng.normal(size=s).astype("float32") for s in ((40, 1000), (1000, 10)))
    y = np.empty((40, 10), np.float32)
    zero, one = np.zeros(10, np.float32), np.float32(1)
    narrow.narrow_forward(x, np.arange(40), kernel, zero, False, NO_MASK, one, y, 2)
    exact = x.astype(np.longdouble) @ kernel.astype(np.longdouble)
    half = np.spacing(np.abs(exact).astype("float32")) / 2
    assert (np.abs(y - exact) <= half * (1 + 1e-6)).all()


def test_what_is_not_finite_comes_through():
    x, kernel = np.zeros((3, 50), np.float32), np.ones((50, 2), np.float32)
    x[0, 3], x[1, 49], x[2, 48] = np.nan, np.inf, -np.inf
    y = np.empty((3, 2), np.float32)
    zero, one = np.zeros(2, np.float32), np.float32(1)
    narrow.narrow_forward(x, np.arange(3), kernel, zero, False, NO_MASK, one, y, 1)
    np.testing.assert_array_equal(y, np.array([[np.nan] * 2, [np.inf] * 2, [-np.inf] * 2]))


def test_zero_times_an_infinite_weight_is_not_a_number():
    kernel = np.ones((50, 2), np.float32)
    kernel[5, 0], kernel[49, 1] = np.inf, -np.inf
    x, y = np.zeros((3, 50), np.float32), np.empty((3, 2), np.float32)
    zero, one = np.zeros(2, np.float32), np.float32(1)
    narrow.narrow_forward(x, np.arange(3), kernel, zero, False, NO_MASK, one, y, 1)
    assert np.isnan(y).all()
