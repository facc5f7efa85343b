"""Functions of engines/loops whose loop is cut into tasks for the threads of engine "fused"."""

import numpy as np
import pytest

from scratchnet import engines
from scratchnet.engines import loops
from scratchnet.engines.fused import shared, threads
from scratchnet.engines.loops.parallel import prange
from scratchnet.engines.threads import get_num_threads, set_num_threads

CASES = {
    "elu_forward": ((1000,), lambda x: (x, 0.7, np.full_like(x, 77))),
    "gelu_backward": ((63,), lambda x: (x, x * 2, x, np.full_like(x, 77))),
    "log_softmax_forward": ((130, 7), lambda x: (x, np.full_like(x, 77))),
    "global_max_pool_dx": (
        (5, 4, 3, 2),
        lambda x: (x[:, 0, 0] * 2, x, x.max(axis=(1, 2)), np.full_like(x, 77)),
    ),
    "weight_decay_update": ((65,), lambda x: (x, 0.1, 0.01)),
    "amsgrad_update": ((4097,), lambda x: (x, -x, x * 2, x**2, x**2, 0.1, (0.9, 0.99), 1e-7)),
}


@pytest.fixture
def any_work_is_shared(monkeypatch):
    monkeypatch.setattr(threads, "ALONE", 0)
    before = get_num_threads()
    yield
    set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_a_loop_in_pieces_gives_the_bits_of_the_whole(name, dtype, any_work_is_shared):
    shape, arguments = CASES[name]
    for n in (shape[0], 1, 0):
        x = np.random.default_rng(0).normal(size=(n, *shape[1:])).astype(dtype)
        if n == 0 and x.ndim > 1:
            continue  # no row has a maximum
        wanted = arguments(x.copy())
        getattr(engines.load("numba"), name)(*wanted)
        for workers in (1, 3):
            set_num_threads(workers)
            mine = arguments(x.copy())
            getattr(engines.load("fused"), name)(*mine)
            for one, other in zip(mine, wanted, strict=True):
                np.testing.assert_array_equal(one, other)


def index_as_a_number(x, y):
    """y[i] = i"""
    for i in prange(x.size):
        y[i] = i


def neighbour(x, y):
    """y[i] = x[i + 1]"""
    for i in prange(x.size):
        y[i] = x[i + 1]


def second_index(x, y):
    """y[i] = x[0, i]"""
    for i in prange(x.size):
        y[i] = x[0, i]


@pytest.mark.parametrize("function", [index_as_a_number, neighbour, second_index])
def test_a_loop_that_knows_where_it_is_cannot_be_cut(function):
    with pytest.raises(ValueError, match="expected i as the first index"):
        shared._rewritten(function)


def test_a_loop_with_something_behind_it_cannot_be_cut():
    with pytest.raises(ValueError, match="the loop at the end"):
        shared._rewritten(loops.sum_of_squares)
