"""Dropout: what is dropped is dropped both ways, and the masks are those of the seed."""

import re

import numpy as np
import pytest

from scratchnet import Input, Sequential
from scratchnet.layers import Dense, Dropout
from scratchnet.tests.gradients import assert_gradients


def test_kept_numbers_are_scaled_up_and_the_rest_is_zero(rng, each_engine):
    layer = Dropout(0.25, seed=4, dtype="float64")
    x = rng.normal(size=(40, 50))
    y = layer(x, training=True)
    kept = y != 0
    assert 0.7 < kept.mean() < 0.8
    np.testing.assert_allclose(y[kept], x[kept] / 0.75, rtol=1e-15)
    dy = rng.normal(size=x.shape)
    np.testing.assert_array_equal(layer.backward(dy), np.where(kept, dy * (1 / 0.75), 0))


def test_prediction_changes_nothing(rng):
    x = rng.normal(size=(5, 7)).astype(np.float32)
    np.testing.assert_array_equal(Dropout(0.9)(x), x)


def test_rate_0_and_rate_1_are_the_two_ends(rng):
    x = rng.normal(size=(5, 7)).astype(np.float32)
    layer = Dropout(0)
    np.testing.assert_array_equal(layer(x, training=True), x)
    np.testing.assert_array_equal(layer.backward(x), x)
    layer = Dropout(1.0)
    assert not layer(x, training=True).any()
    assert not layer.backward(x).any()


def test_masks_come_from_seed_and_call(each_engine):
    one, two, x = Dropout(0.5, seed=4), Dropout(0.5, seed=4), np.ones((6, 5))
    first = one(x, training=True)
    np.testing.assert_array_equal(first, two(x, training=True))
    second = one(x, training=True)
    assert (first != second).any()
    assert one.seed_generator.state == (4, 2)
    one(x)
    assert one.seed_generator.state == (4, 2)  # prediction draws nothing


def test_no_seed_is_drawn_where_nothing_is_dropped():
    assert Dropout(0).seed_generator is None


@pytest.mark.parametrize("noise_shape", [None, (None, 1), (1, 6), (3, 1)])
def test_gradients_match_central_difference(noise_shape, rng, each_engine):
    assert_gradients(Dropout(0.5, seed=3, noise_shape=noise_shape), (6,), rng)


def test_noise_shape_drops_whole_features():
    y = Dropout(0.5, noise_shape=(1, None), seed=1)(np.ones((9, 20)), training=True)
    assert (y == y[0]).all()
    assert len(set(y[0].tolist())) == 2


def test_given_masks_are_used_instead(rng):
    x = np.ones((3, 4))
    keep = np.array([1, 0, 1, 1])
    assert Dropout(0.5, mask=keep)(x, training=True).tolist() == [[2, 0, 2, 2]] * 3
    layer = Dropout(0.5, mask=lambda call: keep if call == 0 else 1 - keep)
    assert layer(x, training=True).tolist() == [[2, 0, 2, 2]] * 3
    assert layer(x, training=True).tolist() == [[0, 2, 0, 0]] * 3


@pytest.mark.parametrize(
    "options", [{"mask": lambda call: np.ones(3)}, {"noise_shape": (2, 1), "mask": None}]
)
def test_a_mask_that_does_not_fit_the_batch_raises(options):
    layer = Dropout(0.5, name="d", **options)
    with pytest.raises(
        ValueError,
        match=r"Dropout 'd': expected a mask that fits x of shape \(3, 4\), got \((3,|2, 1)\)",
    ):
        layer(np.ones((3, 4)), training=True)


def test_backward_after_predict_raises():
    model = Sequential([Input((4,)), Dense(3), Dropout(0.5)])
    model(np.ones((2, 4)))
    with pytest.raises(RuntimeError, match=r"Dropout 'dropout.*a forward pass with training=True"):
        model.backward(np.ones((2, 3)))


def test_config_makes_the_layer_again():
    layer = Dropout(0.3, noise_shape=[None, 1], seed=5)
    assert Dropout.from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": -0.5}, "`rate`. Expected a float value between 0 and 1."),
        ({"rate": 0.5, "noise_shape": "x"}, "`noise_shape`. Expected a tuple or list of integers."),
        (
            {"rate": 0.5, "noise_shape": (1.5,)},
            "`noise_shape`. Expected all elements to be integers or None.",
        ),
        (
            {"rate": 0.5, "noise_shape": (2, 0)},
            "`noise_shape`. Expected all dimensions to be positive integers or None.",
        ),
    ],
)
def test_wrong_options_are_refused_in_the_words_of_keras(options, words):
    with pytest.raises(ValueError, match=re.escape(f"Invalid value received for argument {words}")):
        Dropout(**options)
