"""Where arrays begin: weights, gradients, slots, each with a cache line."""

import copy
import pickle

import numpy as np
import pytest

from scratchnet import Input, Sequential
from scratchnet.layers import Conv2D, Dense, Flatten
from scratchnet.utils import memory


def model():
    layers = [Conv2D(16, 3), Flatten(), Dense(32, activation="relu"), Dense(4)]
    made = Sequential([Input((6, 5, 4)), *layers])
    made.compile("adam", "mse")
    return made


def begins_with_a_line(array):
    return array.ctypes.data % memory.LINE == 0


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("shape", [(), 0, 1, 7, (3, 0), (5, 3), (1000, 1001)])
def test_an_array_like_any_other(shape, dtype):
    array = memory.aligned(shape, dtype)
    like = np.empty(shape, dtype)
    assert (array.shape, array.dtype, array.flags.c_contiguous) == (like.shape, like.dtype, True)
    assert begins_with_a_line(array) or not like.size
    array[...] = 1
    assert array.sum() == like.size
    assert array.base is not None
    assert not np.shares_memory(array, memory.aligned(shape, dtype))


def test_weights_and_what_belongs_to_them(each_engine):
    models = [model() for _ in range(8)]  # NumPy's arrays may begin there, too
    for made in models:
        assert all(begins_with_a_line(w) for w in made.weights)
        made.pack()
        made.build_optimizer()
        flat = made.parameters, made.gradients, *made.optimizer.slots.values()
        assert len(flat) == 4
        assert all(begins_with_a_line(array) for array in flat)
        # sizes in front of them are multiples of a line
        assert all(begins_with_a_line(w) for w in [*made.weights, *made.optimizer.variables[2:]])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_a_model_has_memory_of_its_own(copied):
    first = model()
    first.pack()
    second = copied(first)
    second.pack()
    second.parameters[...] = 0
    assert all(np.all(w == 0) for w in second.weights)
    assert not any(np.shares_memory(a, b) for a in first.weights for b in second.weights)
    second.gradients[...] = 3
    assert all(np.all(g == 3) for layer in second.layers for g in layer.grads.values())
