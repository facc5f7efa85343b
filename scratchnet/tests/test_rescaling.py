"""Rescaling."""

import json

import numpy as np
import pytest

from scratchnet.layers import Rescaling
from scratchnet.tests.gradients import assert_gradients


@pytest.mark.parametrize(
    ("scale", "offset"),
    [(1 / 255, 0.0), (2, -1), ([1.0, 2.0, 3.0], 0.5), (np.full((4, 1), 0.5), 0)],
    ids=str,
)
def test_gradients_match_central_difference(scale, offset, rng):
    assert_gradients(Rescaling(scale, offset), (4, 3), rng)


def test_forward_is_x_times_scale_plus_offset():
    y = Rescaling([1.0, 2.0], offset=-1.0)(np.array([[3, 4], [5, 6]], np.uint8))
    assert y.tolist() == [[2, 7], [4, 11]]
    assert y.dtype == np.float32


def test_a_float_scale_is_a_float32_number_in_float64_work():
    assert Rescaling(1 / 255, dtype="float64")([[1.0]])[0, 0] == float(np.float32(1 / 255))


def test_config_makes_the_layer_again():
    layer = Rescaling(np.array([0.1, 0.2]), 0.5, dtype="float64")
    config = json.loads(json.dumps(layer.get_config()))
    made = Rescaling.from_config(config)
    assert made.get_config() == layer.get_config()
    # a list would have gone through float32
    np.testing.assert_array_equal(made([[1.0, 1.0]]), [[0.6, 0.7]])
