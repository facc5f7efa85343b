"""gradcheck: finds what is wrong, names what it cannot judge, changes nothing."""

import numpy as np
import pytest

from scratchnet import Input, Sequential, gradcheck
from scratchnet.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPooling2D,
    ReLU,
)


def network(dtype=None):
    model = Sequential(
        [
            Input((5, 4, 1)),
            Conv2D(2, 2, activation="relu", kernel_regularizer="l2"),
            BatchNormalization(),
            MaxPooling2D(2),
            Flatten(),
            Dropout(0.25, seed=1),
            Dense(3, activation="softmax", activity_regularizer="l2"),
        ],
        dtype=dtype,
    )
    model.compile("sgd", "categorical_crossentropy")
    return model


def batch(rng, n=4):
    return rng.normal(size=(n, 5, 4, 1)), np.eye(3)[rng.integers(0, 3, n)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_right_network_passes_with_every_engine(dtype, rng, each_engine):
    model = network(dtype)
    x, y = batch(rng)
    result = gradcheck(model, x, y, sample_weight=[1.0, 2.0, 0.0, 0.5], samples=12)
    assert result.ok, str(result)
    assert bool(result)
    assert list(result.errors)[-1] == "input"
    assert len(result.errors) == 7


class WrongDense(Dense):
    """Makes one gradient wrong."""

    broken = "kernel"

    def backward_z(self, dz):
        dx = super().backward_z(dz)
        if self.broken == "input":
            return dx * 1.001
        self.grads[self.broken].flat[1] += 1e-4
        return dx


@pytest.mark.parametrize("broken", ["kernel", "bias", "input"])
def test_a_wrong_gradient_is_found_and_named(broken, rng, monkeypatch):
    monkeypatch.setattr(WrongDense, "broken", broken)
    model = Sequential([Input((4,)), WrongDense(3, name="wrong"), Dense(2)])
    model.compile("sgd", "mse")
    result = gradcheck(model, rng.normal(size=(5, 4)), rng.normal(size=(5, 2)))
    assert not result
    name = "input" if broken == "input" else f"wrong/{broken}"
    assert [n for n, e in result.errors.items() if e > result.tolerance] == [name]
    assert result.worst[0] == name
    assert f"worst: {name}[" in str(result)


class Scaled(Layer):
    """A user's layer: y = x * factor, with an argument that get_config does not know."""

    def __init__(self, start, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.add_weight("factor", input_shape[1:], "ones")
        self.params["factor"] *= self.start
        super().build(input_shape)

    def forward(self, x, training=False):
        self.saved = x if training else None
        return x * self.params["factor"]

    def backward(self, dy):
        self.grads["factor"][...] = (dy * self.take_saved()).sum(axis=0)
        return dy * self.params["factor"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_layer_of_ones_own_is_checked_like_any_other(dtype, rng):
    model = Sequential([Input((4,)), Scaled(0.5, name="scaled"), Dense(2)], dtype=dtype)
    model.compile("sgd", "mse")
    result = gradcheck(model, rng.normal(size=(5, 4)), rng.normal(size=(5, 2)))
    assert result.ok, str(result)
    assert "scaled/factor" in result.errors


def test_masks_of_ones_own_stay_in_place(rng):
    calls = []

    def mask(call):
        calls.append(call)
        return np.array([1, 0, 1, 1])

    model = Sequential([Input((4,)), Dropout(0.5, mask=mask, seed=3), Dense(2)])
    model.compile("sgd", "mse")
    model.train_on_batch(np.ones((2, 4)), np.ones((2, 2)))
    result = gradcheck(model, rng.normal(size=(5, 4)), rng.normal(size=(5, 2)), samples=4)
    assert result.ok, str(result)
    assert set(calls) == {0, 1}  # the training step's, then always the next one
    assert model.layers[0].seed_generator.state[1] == 1


def test_numbers_on_a_kink_are_skipped_and_named():
    model = Sequential([Input((3,)), ReLU()])
    model.compile("sgd", "mse")
    result = gradcheck(model, [[1.0, 0.0, -1.0]], [[0.5, 0.5, 0.5]])
    assert result.skipped == ["input[0, 1]"]
    assert result.checked == 2
    assert result.ok
    assert "skipped at a kink: input[0, 1]" in str(result)


def test_a_tie_of_two_maxima_is_skipped():
    model = Sequential([Input((1, 2, 1)), MaxPooling2D((1, 2))])
    model.compile("sgd", "mse")
    result = gradcheck(model, np.ones((1, 1, 2, 1)), np.zeros((1, 1, 1, 1)))
    assert result.skipped == ["input[0, 0, 0, 0]", "input[0, 0, 1, 0]"]
    assert not result.ok  # nothing was checked


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_model_is_left_unchanged(dtype, rng):
    model = network(dtype)
    x, y = batch(rng)
    model.train_on_batch(x, y)
    weights, counter = model.get_weights(), model.layers[4].seed_generator.state
    left = [(layer.y, layer.y.copy(), layer.saved) for layer in model.layers]
    gradcheck(model, x, y, samples=3)
    for layer, (output, values, saved) in zip(model.layers, left, strict=True):
        assert layer.y is output
        np.testing.assert_array_equal(output, values)
        assert layer.saved is saved
    for now, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)
    assert model.layers[4].seed_generator.state == counter
    assert model.layers[0].dtype == dtype


def test_frozen_layers_are_left_out(rng):
    model = network()
    model.layers[0].trainable = False
    result = gradcheck(model, *batch(rng), samples=3)
    assert result.ok, str(result)
    assert not any(name.startswith(model.layers[0].name) for name in result.errors)


def test_samples_none_tries_every_number(rng):
    model = Sequential([Input((4,)), Dense(3, activation="tanh")])
    model.compile("sgd", "mse")
    result = gradcheck(model, rng.normal(size=(5, 4)), rng.normal(size=(5, 3)), samples=None)
    assert result.checked == 4 * 3 + 3 + 5 * 4
