"""Flatten, Reshape, ZeroPadding2D: no number changes, and each finds its way back."""

import numpy as np
import pytest

from scratchnet.layers import Flatten, Reshape, ZeroPadding2D
from scratchnet.tests.gradients import assert_gradients

CASES = [
    (Flatten(name="flatten"), (3, 2, 5)),
    (Flatten(name="flat"), (4,)),
    (Reshape((5, 6)), (3, 2, 5)),
    (Reshape((-1, 3)), (3, 2, 5)),
    (ZeroPadding2D(1), (3, 2, 5)),
    (ZeroPadding2D(((2, 0), (1, 3))), (3, 2, 5)),
]
IDS = ["flatten", "flatten-row", "reshape", "reshape-rest", "frame", "ragged-frame"]


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=IDS)
def test_gradients_match_central_difference(layer, shape, rng):
    assert_gradients(layer, shape, rng)


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=IDS)
def test_backward_undoes_forward(layer, shape, rng):
    x = rng.normal(size=(4, *shape)).astype(np.float32)
    y = layer(x, training=True)
    assert y.shape == layer.compute_output_shape(x.shape)
    np.testing.assert_array_equal(layer.backward(y), x)


def test_flatten_keeps_the_order_of_memory():
    x = np.arange(12).reshape(2, 3, 1, 2)
    assert Flatten()(x).tolist() == x.reshape(2, 6).tolist()


def test_frame_stands_where_it_was_asked_for():
    y = ZeroPadding2D(((2, 0), (1, 3)))(np.ones((1, 2, 1, 1)))
    assert y[0, :, :, 0].tolist() == [[0] * 5, [0] * 5, [0, 1, 0, 0, 0], [0, 1, 0, 0, 0]]


def test_unknown_sizes_stay_unknown():
    assert Flatten().compute_output_shape((None, None, 3)) == (None, None)
    assert Reshape((-1, 2)).compute_output_shape((None, None, 3)) == (None, None, 2)
    assert ZeroPadding2D(1).compute_output_shape((None, None, 3, 1)) == (None, None, 5, 1)


@pytest.mark.parametrize("layer", [Flatten(), Reshape((6,))], ids=["flatten", "reshape"])
def test_backward_needs_a_training_forward(layer):
    layer(np.ones((2, 3, 2)))
    with pytest.raises(RuntimeError, match="a forward pass with training=True before backward"):
        layer.backward(np.ones((2, 6)))


def test_target_shapes_are_refused_in_the_words_of_keras():
    with pytest.raises(ValueError, match=r"non-negative integer or -1: target_shape=\(-2, 5\)"):
        Reshape((-2, 5))
    with pytest.raises(ValueError, match=r"at most one unknown dimension: target_shape=\(-1, -1\)"):
        Reshape((-1, -1))
