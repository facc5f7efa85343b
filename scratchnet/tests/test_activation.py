"""Activation, ReLU, LeakyReLU, Softmax as layers."""

import numpy as np
import pytest

from scratchnet import activations
from scratchnet.layers import Activation, LeakyReLU, ReLU, Softmax
from scratchnet.tests.gradients import assert_gradients

CASES = [
    *(Activation(name) for name in sorted(activations.ACTIVATIONS)),
    ReLU(max_value=1.5, negative_slope=0.25, threshold=0.5),
    ReLU(),
    LeakyReLU(0.125),
    Softmax(axis=1),
    Softmax(axis=[-1]),
]


@pytest.mark.parametrize("layer", CASES, ids=lambda layer: layer.name)
def test_gradients_match_central_difference(layer, rng, each_engine):
    assert_gradients(layer, (4, 3), rng)


@pytest.mark.parametrize("layer", CASES, ids=lambda layer: layer.name)
def test_config_makes_the_layer_again(layer):
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()


def test_layers_hold_the_options_they_were_given():
    x = np.array([[-2.0, 0.25, 1.0, 9.0]])
    assert ReLU(3.0, 0.5, 0.5)(x).tolist() == [[-1.25, -0.125, 1.0, 3.0]]
    assert LeakyReLU(0.5)(x).tolist() == [[-1.0, 0.25, 1.0, 9.0]]
    np.testing.assert_allclose(Softmax(axis=0)(np.ones((4, 2)))[:, 0], 0.25)


def test_linear_lets_the_loss_look_through():
    assert Activation("linear").passes_logits(True)
    assert not Activation("relu").passes_logits(True)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ReLU(max_value=-1), "max_value of a ReLU layer cannot be a negative value"),
        (
            lambda: ReLU(negative_slope=None),
            "negative_slope of a ReLU layer cannot be None or a negative",
        ),
        (
            lambda: ReLU(threshold=-1),
            "threshold of a ReLU layer cannot be None or a negative value",
        ),
        (lambda: LeakyReLU(None), "negative_slope value of a Leaky ReLU layer cannot be None"),
        (
            lambda: LeakyReLU(-1),
            "negative_slope value of a Leaky ReLU layer cannot be a negative value",
        ),
    ],
)
def test_wrong_options_are_refused_in_the_words_of_keras(make, words):
    with pytest.raises(ValueError, match=words):
        make()
