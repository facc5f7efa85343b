"""BatchNormalization: the batch's statistics, the moving ones, and gradients through both."""

import numpy as np
import pytest

from scratchnet import Input, Sequential
from scratchnet.layers import BatchNormalization
from scratchnet.tests.gradients import assert_gradients


def filled(layer, shape, rng):
    layer.build((None, *shape))
    layer.set_weights([rng.uniform(0.5, 2, size=w.shape) for w in layer.weights])
    return layer


@pytest.mark.parametrize(
    "options",
    [{}, {"scale": False}, {"center": False}, {"axis": 1}, {"axis": -2}, {"trainable": False}],
    ids=str,
)
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)], ids=str)
def test_gradients_match_central_difference(options, shape, rng, each_engine):
    layer = filled(BatchNormalization(dtype="float64", **options), shape, rng)
    assert_gradients(layer, shape, rng, n=4)


def test_training_gives_each_channel_mean_0_and_variance_1(rng, each_engine):
    layer = BatchNormalization(epsilon=1e-9, dtype="float64")
    y = layer(3 + 5 * rng.normal(size=(6, 4, 3)), training=True)
    np.testing.assert_allclose(y.mean(axis=(0, 1)), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=(0, 1)), 1, rtol=1e-8)


def test_moving_averages_take_a_share_of_the_batch(rng, each_engine):
    layer = BatchNormalization(momentum=0.75, dtype="float64")
    x = rng.normal(size=(7, 3))
    layer(x, training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.25 * x.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(layer.moving_variance, 0.75 + 0.25 * x.var(axis=0), rtol=1e-13)


def test_prediction_uses_the_moving_averages_and_leaves_them(rng, each_engine):
    layer = filled(BatchNormalization(dtype="float64"), (3,), rng)
    before = layer.get_weights()
    gamma, beta, mean, variance = before
    x = rng.normal(size=(5, 3))
    np.testing.assert_allclose(
        layer(x), gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta, rtol=1e-12
    )
    layer.trainable = False  # then training predicts, too
    np.testing.assert_array_equal(layer(x, training=True), layer(x))
    for now, then in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_constant_channel_is_finite(each_engine):
    layer = BatchNormalization(name="b")
    y = layer(np.full((4, 2), 3.0), training=True)
    assert (y == 0).all()
    assert (layer.backward(np.ones((4, 2), np.float32)) == 0).all()


def test_other_channels_than_built_for_raise(rng):
    layer = filled(BatchNormalization(name="b"), (3,), rng)
    with pytest.raises(
        ValueError, match=r"'b': expected x with 3 channels on axis -1, got \(N, 4\)"
    ):
        layer(np.zeros((2, 4)))


def test_weights_stand_in_the_order_of_keras(rng):
    model = Sequential([Input((3,)), BatchNormalization(name="b")])
    layer = model.layers[0]
    assert list(layer.params) == ["gamma", "beta"]
    assert list(layer.state) == ["moving_mean", "moving_variance"]
    assert len(layer.trainable_weights) == len(layer.non_trainable_weights) == 2
    layer.trainable = False
    assert [len(layer.trainable_weights), len(layer.non_trainable_weights)] == [0, 4]
    assert model.count_params() == 12


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_in_is_dtype_out_without_writing_to_x(dtype, rng, each_engine):
    layer = BatchNormalization(dtype=dtype)
    x = rng.normal(size=(4, 3)).astype(dtype)
    kept = x.copy()
    y = layer(x, training=True)
    dx = layer.backward(np.ones_like(y))
    assert {a.dtype.name for a in (y, dx, *layer.weights, *layer.grads.values())} == {dtype}
    np.testing.assert_array_equal(x, kept)


def test_config_makes_the_layer_again():
    layer = BatchNormalization(1, 0.5, 0.01, center=False, gamma_regularizer="l2")
    assert BatchNormalization.from_config(layer.get_config()).get_config() == layer.get_config()
