"""Sequential: putting layers together, the flat arrays, weights, dtypes, config, summary."""

import numpy as np
import pytest

from scratchnet import Input, Sequential, config
from scratchnet.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    InputLayer,
    MaxPooling2D,
)


def small(**options):
    return Sequential([Input((4,)), Dense(3, name="a"), Dense(2, name="b")], **options)


def test_a_model_is_built_as_soon_as_its_input_is_known():
    for model in (
        small(),
        Sequential([Dense(3, input_shape=(4,)), Dense(2)]),
        Sequential([Dense(3, input_dim=4), Dense(2)]),
        Sequential([Dense(3, batch_input_shape=(None, 4)), Dense(2)]),
    ):
        assert model.built
        assert model.input_shape == (None, 4)
        assert model.output_shape == (None, 2)
        assert model.count_params() == 23
    model = Sequential([Dense(3), Dense(2)])
    assert not model.built
    model.build((None, 4))
    assert model.built
    model = Sequential([Dense(3), Dense(2)])
    model.predict(np.zeros((5, 4)), verbose=0)
    assert model.input_shape == (None, 4)


def test_layers_are_added_and_taken_off_one_by_one(rng):
    model = Sequential()
    model.add(Input((4,)))
    model.add(Dense(3))
    top = Dense(2)
    model.add(top)
    assert model.output_shape == (None, 2)
    assert model.parameters.size == 23
    assert model.pop() is top
    assert model.output_shape == (None, 3)
    assert model.parameters.size == model.gradients.size == 15
    assert model.predict(rng.normal(size=(5, 4)), verbose=0).shape == (5, 3)


def test_parameters_and_gradients_lie_in_one_array_each(rng):
    model = small()
    flat, gradients = model.parameters, model.gradients
    for layer in model.layers:
        for key in layer.params:
            assert layer.params[key].base is flat.base
            assert layer.grads[key].base is gradients.base
    np.testing.assert_array_equal(flat, np.concatenate([w.ravel() for w in model.weights]))
    flat[...] = 0
    assert not any(w.any() for w in model.weights)
    model.forward(rng.normal(size=(5, 4)), training=True)
    model.backward(rng.normal(size=(5, 2)))
    np.testing.assert_array_equal(
        gradients,
        np.concatenate([g.ravel() for layer in model.layers for g in layer.grads.values()]),
    )
    assert model.parameters is flat


def test_frozen_parameters_lie_behind_the_trained_ones():
    model = small()
    values = [w.copy() for w in model.weights]
    model.layers[0].trainable = False
    flat = model.parameters
    assert model.trainable_size == 8
    np.testing.assert_array_equal(flat[:8], np.concatenate([w.ravel() for w in values[2:]]))
    for now, then in zip(model.weights, values, strict=True):
        np.testing.assert_array_equal(now, then)
    assert [w.shape for w in model.non_trainable_weights] == [(4, 3), (3,)]
    model.trainable = True
    assert model.trainable_size == 8  # until it packs anew
    assert model.parameters.size == 23
    assert model.trainable_size == 23


def test_a_layer_shared_by_two_models_stays_one_layer(rng):
    shared = Dense(3, name="shared")
    one = Sequential([Input((4,)), shared, Dense(2)])
    two = Sequential([Input((4,)), shared, Dense(1)])
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 2))
    for model, targets in ((one, y), (two, y[:, :1]), (one, y)):
        model.compile("sgd", "mse")
        before = shared.kernel.copy()
        model.train_on_batch(x, targets)
        assert (shared.kernel != before).any()
        assert shared.kernel.base is model.parameters.base
    np.testing.assert_array_equal(one.weights[0], two.weights[0])


def test_backward_leaves_everything_in_the_layers(rng, each_engine):
    model = small(dtype="float64")
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
    y = model.forward(x, training=True)
    dx = model.backward(dy)
    a, b = model.layers
    np.testing.assert_array_equal(a.x, x)
    assert a.y is b.x
    assert b.y is y
    np.testing.assert_array_equal(b.dy, dy)
    assert b.dx is a.dy
    assert a.dx is dx
    np.testing.assert_allclose(dx, dy @ b.kernel.T @ a.kernel.T, rtol=1e-12)
    np.testing.assert_allclose(a.grads["kernel"], x.T @ (dy @ b.kernel.T), rtol=1e-12)


def test_weights_are_set_and_got_in_order(rng):
    model = Sequential([Input((4,)), Dense(3), BatchNormalization(), Dense(2)])
    new = [rng.normal(size=w.shape) for w in model.weights]
    model.set_weights(new)
    for mine, given in zip(model.get_weights(), new, strict=True):
        np.testing.assert_array_equal(mine, given.astype(np.float32))
    assert [w.shape for w in new] == [(4, 3), (3,), (3,), (3,), (3,), (3,), (3, 2), (2,)]
    model.get_weights()[0][...] = 9
    assert not (model.weights[0] == 9).any()


def test_dtype_is_the_models_the_layers_or_the_default():
    assert small().dtype == "float32"
    model = small(dtype="float64")
    assert {w.dtype.name for w in model.weights} == {"float64"}
    assert Sequential([Dense(2, dtype="float64")]).dtype == "float64"
    config.set_floatx("float64")
    assert small().predict(np.zeros((1, 4), np.float32), verbose=0).dtype == np.float64
    model = Sequential([Dense(2, dtype=np.float32)])
    assert model.predict(np.zeros((1, 4), np.uint8), verbose=0).dtype == np.float32


def test_config_makes_a_model_of_the_same_layers():
    model = Sequential(
        [
            Input((8, 7, 1)),
            Conv2D(2, 3, activation="relu", kernel_regularizer="l2"),
            MaxPooling2D(),
            Flatten(),
            Dropout(0.5, seed=3),
            Dense(3, activation="softmax"),
        ],
        name="mine",
        dtype="float64",
    )
    again = Sequential.from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert again.name == "mine"
    assert again.dtype == "float64"
    assert again.output_shape == model.output_shape
    assert [type(layer) for layer in again.layers] == [type(layer) for layer in model.layers]
    frozen = Sequential([Dense(3)], trainable=False)
    assert not frozen.trainable


def test_summary_tells_layers_shapes_and_counts():
    lines = []
    model = Sequential(
        [Input((4,)), Dense(3, name="a"), BatchNormalization(name="norm")], name="mine"
    )
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    for part in ('Model: "mine"', "a (Dense)", "(None, 3)", "norm", "Total params: 27 (108.00 B)"):
        assert part in text
    assert "Trainable params: 21 (84.00 B)" in text
    assert "Non-trainable params: 6 (24.00 B)" in text
    lines.clear()
    Sequential([Dense(3)]).summary(line_length=60, print_fn=lines.append)
    assert "?" in lines[0]
    assert max(map(len, lines[0].splitlines())) <= 60


def test_summary_prints_where_nobody_else_does(capsys):
    small().summary()
    assert "Total params: 23" in capsys.readouterr().out


def test_layers_are_found_by_name_and_index():
    model = small()
    assert model.get_layer("b") is model.layers[1]
    assert model.get_layer(index=-1) is model.layers[1]
    model.layers.clear()  # a copy
    assert len(model.layers) == 2
    assert repr(model).startswith("<Sequential name=sequential")


def test_two_unnamed_layers_have_different_names():
    model = Sequential([Dense(2), Dense(2), Dense(2)])
    assert len({layer.name for layer in model.layers}) == 3


def test_calling_a_model_is_a_forward_pass(rng):
    model, x = small(), rng.normal(size=(5, 4))
    np.testing.assert_array_equal(model(x), model.forward(x))
    np.testing.assert_allclose(model(x), model.predict(x, verbose=0), rtol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100])
def test_prediction_does_not_depend_on_the_batch_size(batch_size, rng, each_engine):
    model = Sequential(
        [Input((5, 4, 1)), Conv2D(2, 2, activation="tanh"), Flatten(), Dense(3)], dtype="float64"
    )
    x = rng.normal(size=(7, 5, 4, 1))
    np.testing.assert_allclose(
        model.predict(x, batch_size=batch_size, verbose=0), model(x), rtol=1e-12
    )


def test_the_batch_size_of_an_input_binds_nobody():
    model = Sequential([Input((4,), batch_size=2), Dense(3)])
    model.compile("sgd", "mse")
    history = model.fit(np.zeros((5, 4)), np.zeros((5, 3)), batch_size=3, verbose=0)
    assert len(history.history["loss"]) == 1
    assert model.predict(np.zeros((7, 4)), verbose=0).shape == (7, 3)
    assert model(np.zeros((1, 4))).shape == (1, 3)
    with pytest.raises(ValueError, match=r"expected x of shape"):
        model.predict(np.zeros((2, 5)), verbose=0)


def test_a_model_that_has_its_shape_is_not_built_for_another():
    model = Sequential([Input((4,), batch_size=2), Dense(3)])
    for shape in ((2, 4), (None, 4)):
        model.build(shape)
    for shape in ((2, 5), (2, 4, 1), (3, 4)):
        with pytest.raises(ValueError, match="already been configured: make a new one"):
            model.build(shape)
    with pytest.raises(ValueError, match=r"got another, 'x'\. It has already been configured for"):
        model.add(Input((4,), name="x"))


def test_an_input_says_what_it_cannot_be_given_together():
    for options, words in (
        ({}, "You must pass a `shape` argument"),
        ({"shape": (4,), "batch_shape": (2, 4)}, "cannot pass both `shape` and `batch_shape`"),
        (
            {"batch_size": 2, "batch_shape": (2, 4)},
            "cannot pass both `batch_size` and `batch_shape`",
        ),
    ):
        with pytest.raises(ValueError, match=words):
            Input(**options)
    with pytest.warns(UserWarning, match="`input_shape` is deprecated. Use `shape` instead"):
        assert InputLayer(input_shape=(4,), batch_size=2).batch_shape == (2, 4)


def test_a_model_that_is_not_trained_keeps_its_layers_flags_and_trains_nothing():
    model = Sequential(trainable=False)
    model.add(Dense(2, input_shape=(3,)))
    assert model.layers[0].trainable
    assert model.trainable_weights == []
    assert len(model.non_trainable_weights) == 2


def test_freezing_one_layer_does_not_freeze_the_model():
    model = Sequential([Input((3,)), Dense(2), Dense(2)])
    model.layers[0].trainable = False
    assert model.trainable
    assert len(model.trainable_weights) == 2


def test_layers_that_the_walk_does_not_reach_hold_no_gradient_of_an_earlier_batch():
    model = Sequential([Input((3,)), Dense(4), Dense(2, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy")
    x, y = np.eye(3, dtype=np.float32), np.eye(2, dtype=np.float32)[[0, 1, 0]]
    model.loss_and_gradients(x, y)
    assert model.layers[1].dz.shape == (3, 2)  # the loss started from it
    assert model.layers[1].dy is None
    model.train_on_batch(x, y)
    assert model.layers[0].dx is None
    model.forward(x, training=True)
    assert model.backward(y).shape == x.shape
    assert model.layers[1].dy is not None
    assert model.layers[0].backward(model.layers[0].dy).shape == x.shape
