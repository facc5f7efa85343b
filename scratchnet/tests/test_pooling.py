"""Pooling: windows by hand, ties, padding, gradients."""

import numpy as np
import pytest

from scratchnet import layers
from scratchnet.layers import (
    AveragePooling2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
)
from scratchnet.tests.gradients import assert_gradients

CASES = {
    "valid": {"pool_size": 2},
    "same": {"pool_size": 2, "padding": "same"},
    "overlapping": {"pool_size": (3, 2), "strides": (2, 1)},
    "same-overlapping": {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"},
    "gaps": {"pool_size": 2, "strides": 3},
}
IMAGE = np.array([[1.0, 5.0, 2.0], [5.0, 4.0, 0.0], [-3.0, -1.0, -2.0]])[None, :, :, None]


@pytest.mark.parametrize("cls", [MaxPooling2D, AveragePooling2D])
@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_windowed_gradients_match_central_difference(cls, options, rng, each_engine):
    assert_gradients(cls(**options), (7, 5, 2), rng, samples=20)


@pytest.mark.parametrize("cls", [GlobalMaxPooling2D, GlobalAveragePooling2D])
@pytest.mark.parametrize("keepdims", [False, True])
def test_global_gradients_match_central_difference(cls, keepdims, rng, each_engine):
    assert_gradients(cls(keepdims=keepdims), (4, 5, 3), rng)


def test_first_maximum_of_a_window_gets_all_the_gradient(each_engine):
    layer = MaxPooling2D(2, strides=1)
    assert layer(IMAGE, training=True)[0, :, :, 0].tolist() == [[5, 5], [5, 4]]
    dx = layer.backward(np.array([[1.0, 2.0], [4.0, 8.0]], np.float32)[None, :, :, None])
    # of the two fives in the first window the upper one, which comes first row by row
    assert dx[0, :, :, 0].tolist() == [[0, 3, 0], [4, 8, 0], [0, 0, 0]]


def test_all_zeros_tie_goes_to_the_first_pixel(each_engine):
    layer = MaxPooling2D(2)
    layer(np.zeros((2, 4, 4, 3)), training=True)
    dx = layer.backward(np.full((2, 2, 2, 3), 3.0, np.float32))
    assert (dx[:, ::2, ::2] == 3).all()
    assert dx.sum() == 3 * 2 * 2 * 2 * 3


def test_padding_never_is_the_maximum(each_engine):
    layer = MaxPooling2D(2, padding="same")
    assert layer(-np.ones((1, 3, 3, 1)))[0, :, :, 0].tolist() == [[-1, -1], [-1, -1]]


def test_padding_is_left_out_of_the_mean(each_engine):
    layer = AveragePooling2D(2, padding="same", dtype="float64")
    y = layer(IMAGE, training=True)
    assert y[0, :, :, 0].tolist() == [[3.75, 1.0], [-2.0, -2.0]]
    dx = layer.backward(np.array([[4.0, 2.0], [6.0, 5.0]])[None, :, :, None])
    assert dx[0, :, :, 0].tolist() == [[1, 1, 1], [1, 1, 1], [3, 3, 5]]


def test_mean_of_ones_is_one_under_any_padding(each_engine):
    for options in ({"strides": 1}, {"strides": 2}, {"strides": (1, 2)}):
        y = AveragePooling2D((3, 4), padding="same", **options)(np.ones((1, 5, 6, 1)))
        assert (y == 1).all()


def test_equal_maxima_of_a_channel_share_the_gradient(each_engine):
    layer = GlobalMaxPooling2D()
    assert layer(IMAGE, training=True).tolist() == [[5.0]]
    dx = layer.backward(np.array([[6.0]], np.float32))
    assert dx[0, :, :, 0].tolist() == [[0, 3, 0], [3, 0, 0], [0, 0, 0]]


def test_global_average_spreads_the_gradient(each_engine):
    layer = GlobalAveragePooling2D(keepdims=True, dtype="float64")
    assert layer(IMAGE, training=True).shape == (1, 1, 1, 1)
    assert layer(IMAGE, training=True).ravel()[0] == pytest.approx(11 / 9, rel=1e-15)
    np.testing.assert_allclose(
        layer.backward(np.full((1, 1, 1, 1), 18.0)), np.full(IMAGE.shape, 2.0)
    )


@pytest.mark.parametrize(
    "name", ["MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D", "GlobalAveragePooling2D"]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_in_is_dtype_out_and_backward_needs_a_forward(name, dtype, rng, each_engine):
    layer = getattr(layers, name)(
        **{"dtype": dtype} | ({"pool_size": 2} if "Global" not in name else {})
    )
    with pytest.raises(RuntimeError, match="a forward pass with training=True before backward"):
        layer.backward(np.zeros((2, 2, 2, 3), dtype))
    y = layer(rng.normal(size=(2, 5, 4, 3)), training=True)
    assert y.shape == layer.compute_output_shape((2, 5, 4, 3))
    assert layer.backward(np.ones_like(y)).dtype == y.dtype == dtype
    layer(rng.normal(size=(2, 5, 4, 3)))
    with pytest.raises(RuntimeError, match="a forward pass with training=True before backward"):
        layer.backward(np.ones_like(y))


def test_config_makes_the_layer_again():
    for layer in (
        MaxPooling2D((3, 2), 1, "same"),
        AveragePooling2D(3, (2, 1)),
        GlobalMaxPooling2D(keepdims=True),
    ):
        assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    assert MaxPooling2D((3, 2)).strides == (3, 2)
    assert layers.MaxPool2D is MaxPooling2D
    assert layers.GlobalAvgPool2D is GlobalAveragePooling2D
