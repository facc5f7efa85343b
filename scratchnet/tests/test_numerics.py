"""check_numerics: the first NaN or infinity is found, named, and undone."""

import numpy as np
import pytest

from scratchnet import Input, Sequential, engines, layers, losses, optimizers
from scratchnet.numerics import all_finite


def network(*more, optimizer="sgd", loss="mse", dtype="float32", units=3):
    model = Sequential(
        [
            Input((4,)),
            layers.Dense(5, activation="relu", name="low"),
            layers.BatchNormalization(name="norm"),
            *more,
            layers.Dense(units, name="top"),
        ],
        dtype=dtype,
    )
    model.compile(optimizer, loss, check_numerics=True)
    return model


def data(rows=6, units=3, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 4)), rng.normal(size=(rows, units))


def all_weights(model):
    return [*model.get_weights(), *(np.array(v) for v in model.optimizer.variables)]


def fails(model, x, y, message, **options):
    """Training ends with this message, and nothing has changed."""
    before = model.get_weights()
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=message):
        model.train_on_batch(x, y, **options)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.fixture(params=["float32", "float64"])
def huge(request):
    """A dtype, and a number whose square it cannot hold."""
    return request.param, float(np.finfo(request.param).max) ** 0.5 * 4


def test_the_forward_pass_of_a_layer(each_engine, huge):
    dtype, large = huge
    x, y = data()
    model = network(dtype=dtype)
    model.train_on_batch(x, y)
    model.layers[0].params["kernel"][...] = large
    fails(
        model, x * large, y,
        r"Dense 'low': expected finite numbers, got (inf|nan) at \(\d, \d\) in its output after "
        r"the forward pass of step 2. Lower the learning rate",
    )  # fmt: skip


def test_the_forward_pass_of_the_last_layer(each_engine, huge):
    dtype, large = huge
    x, y = data()
    model = network(dtype=dtype)
    model.train_on_batch(x, y)
    model.layers[1].params["gamma"][...] = large
    model.layers[-1].params["kernel"][...] = large
    fails(model, x, y, r"Dense 'top': .* in its output after the forward pass of step 2")


@pytest.mark.parametrize("activation", ["relu", "linear"])
def test_a_layer_below_another_one(each_engine, activation):
    """Engine fused looks at what goes into a Dense layer only where a gradient or the loss says."""
    low = layers.Dense(5, activation=activation, name="low")
    model = Sequential([Input((4,)), low, layers.Dense(3, "softmax", name="top")])
    model.compile("sgd", "sparse_categorical_crossentropy", check_numerics=True)
    x, y = abs(data()[0]), np.arange(6) % 3
    model.train_on_batch(x, y)
    low.params["kernel"][...] = 3e38
    fails(model, x * 9, y, r"Dense 'low': .* in its output after the forward pass of step 2")


def test_an_infinity_that_the_loss_does_not_show(each_engine):
    low, top = layers.Dense(5, name="low"), layers.Dense(3, "sigmoid", name="top")
    model = Sequential([Input((4,)), low, top])
    model.compile("sgd", "mse", check_numerics=True)
    x, y = abs(data()[0]), np.ones((6, 3))
    model.train_on_batch(x, y)
    low.params["kernel"][...] = 3e38
    top.params["kernel"][...] = 1  # sigmoid of infinity is 1, and so is the label
    fails(model, x * 9, y, r"Dense 'low': .* in its output after the forward pass of step 2")


def test_weights_that_an_update_made_infinite(each_engine):
    x, y = data()
    model = network(optimizer=optimizers.SGD(3e38))
    with np.errstate(all="ignore"):
        model.train_on_batch(x, y * 100)
    fails(
        model, x, y, r"Dense 'low': .* got (-?inf|nan) at .* in its \w+ after the update of step 1"
    )


def test_the_loss(each_engine, huge):
    dtype, large = huge
    x, y = data()
    fails(
        network(dtype=dtype),
        x,
        y * large,
        r"MeanSquaredError '.*': .* got (inf|nan) after the forward pa",
    )


def test_the_backward_pass(each_engine, huge):
    dtype, large = huge
    x, y = data()
    model = network(dtype=dtype, loss=losses.MeanAbsoluteError())
    model.train_on_batch(x, y)
    # the outputs of `norm` times the weights of `top` stay finite, what comes back does not
    model.layers[1].params["gamma"][...] = large
    model.layers[1].params["beta"][...] = 0
    model.layers[-1].params["kernel"][...] = 1
    model.layers[1].state["moving_variance"][...] = 1
    model.layers[0].params["kernel"][...] *= 1 / large
    fails(
        model, x * large, y * 0,
        r"'(low|norm)': .* in (the gradient of its \w+|its dx) after the backward pass of step 2",
    )  # fmt: skip


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_logits_under_a_cross_entropy(each_engine, loss):
    model = Sequential([Input((4,)), layers.Dense(3, activation="softmax", name="top")])
    model.compile("sgd", loss, check_numerics=True)
    x, _ = data()
    y = np.eye(3)[[0, 1, 2, 0, 1, 2]] if loss.startswith("cat") else np.arange(6) % 3
    model.train_on_batch(x, y)
    model.layers[0].params["kernel"][...] = 3e38
    fails(model, x * 100, y, r"Dense 'top': .* after the forward pass of step 2")


def test_a_penalty(each_engine):
    model = Sequential(
        [Input((4,)), layers.Dense(3, kernel_regularizer="l2", activation="tanh")], dtype="float64"
    )
    model.compile("sgd", "mse", check_numerics=True)
    x, y = data()
    model.train_on_batch(x, y)
    model.layers[0].params["kernel"][...] = 1e200
    fails(model, x, y, r"MeanSquaredError 'mean_squared_error': expected finite numbers, got inf")


def test_a_healthy_training_is_the_same_with_and_without(each_engine):
    results = []
    for check in (False, True):
        model = network(layers.Dropout(0.5, seed=3), layers.Activation("tanh"))
        for layer, seed in zip(model.layers, range(9), strict=False):
            for weights in layer.params.values():
                weights[...] = np.random.default_rng(seed).normal(size=weights.shape)
        model.compile("adam", "mse", check_numerics=check)
        x, y = data(50)
        model.fit(x, y, 8, 2, verbose=0, shuffle=False)
        results.append(all_weights(model))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_is_not_trained_may_have_any_gradient(each_engine):
    model = network()
    model.layers[0].trainable = False
    model.compile("sgd", "mse", check_numerics=True)
    x, y = data()
    model.layers[0].grads["kernel"][...] = np.nan  # left by whoever
    model.train_on_batch(x, y)


def test_it_is_a_bool():
    with pytest.raises(TypeError, match="expected check_numerics as a bool, got 1"):
        network().compile("sgd", "mse", check_numerics=1)


@pytest.mark.parametrize("array", [np.ones(3), np.ones((2, 3), "float32")[:, ::2], np.arange(4)])
def test_finite_arrays(each_engine, array):
    assert all_finite(array)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_arrays_that_are_not_finite(each_engine, bad):
    for array in (np.ones(3), np.ones((2, 3), "float32")[:, ::2], np.ones(5, "float16")):
        array[-1] = bad
        assert not all_finite(array)


def test_a_sum_too_large_is_no_infinity(each_engine):
    assert all_finite(np.full(9, 3e38, "float32"))
    assert all_finite(np.full((9, 2), 3e38, "float32")[:, 0])


def test_the_default_engine_is_one_of_those_tried():
    assert engines.DEFAULT in engines.RUNNABLE
