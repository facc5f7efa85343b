"""What somebody may hand to a model: no samples, weights that lie otherwise, another float type."""

import numpy as np
import pytest

import scratchnet as keras
from scratchnet.engines import DEFAULT, RUNNABLE, engine
from scratchnet.layers import Conv2D, Dense, Flatten, Layer, MaxPooling2D
from scratchnet.utils import set_random_seed

NETS = {
    "dense": lambda: [
        keras.Input((9, 8, 1)),
        Flatten(),
        Dense(20, activation="relu"),
        Dense(33, activation="tanh"),
        Dense(200),
        Dense(3),
    ],
    "convolutions": lambda: [
        keras.Input((9, 8, 1)),
        Conv2D(5, 3, activation="relu"),
        MaxPooling2D(2),
        Conv2D(17, 2, activation="tanh"),
        Conv2D(4, 1),
        Flatten(),
        Dense(3),
    ],
}


def model_of(name):
    set_random_seed(0)
    model = keras.Sequential(NETS[name]())
    model.compile("sgd", "mse")
    return model


def data(n):
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, 9, 8, 1)).astype("float32"), rng.normal(size=(n, 3))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("which", RUNNABLE)
def test_of_no_samples_there_are_no_outputs(which, name):
    model = model_of(name)
    with engine(which):
        assert model(data(0)[0]).shape == (0, 3)
        for layer in model.layers:
            shape = tuple(d or 0 for d in layer.input_shape)
            assert layer(np.zeros(shape, "float32")).shape[0] == 0


def gaps(w):
    """The same numbers in Fortran's order and with gaps between them."""
    return np.repeat(np.asfortranarray(w), 2, axis=-1)[..., ::2]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.parametrize("change", [gaps, np.float64], ids=["gaps", "float64"])
def test_weights_may_lie_in_any_order_and_be_of_any_float_type(change, n, name):
    x, y = data(n)
    model, other = model_of(name), model_of(name)
    for layer in model.layers:
        for key, w in layer.params.items():
            layer.params[key] = change(w)
    # one row is not predicted by the same code where weights have gaps
    wanted = other.predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(x, verbose=0), wanted, rtol=1e-5, atol=1e-6)
    assert model.test_on_batch(x, y) == pytest.approx(other.test_on_batch(x, y), 1e-5)
    for one in (model, other):
        one.forward(x, training=True)
        one.backward(np.ones((n, 3), np.float32))
    for mine, wanted in zip(model.layers, other.layers, strict=True):
        for key in mine.grads:
            np.testing.assert_allclose(mine.grads[key], wanted.grads[key], rtol=1e-4, atol=1e-4)


class Wider(Layer):
    """Gives back float64, whatever it is given, as x * np.sqrt(0.5) does."""

    def forward(self, x, training=False):
        return x * np.float64(0.7)

    def backward(self, dy):
        return dy * np.float64(0.7)

    def compute_output_shape(self, input_shape):
        return input_shape


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("regularizer", [None, "l2"], ids=["merged", "layer by layer"])
def test_a_layer_that_changes_the_float_type_is_no_danger(regularizer, name):
    x, y = data(40)
    results = []
    for which in (DEFAULT, "numpy"):
        set_random_seed(0)
        layers = [part for layer in NETS[name]()[1:] for part in (layer, Wider())]
        first = Wider(activity_regularizer=regularizer)
        model = keras.Sequential([keras.Input((9, 8, 1)), first, *layers])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        with engine(which):
            model.fit(x, y, batch_size=16, epochs=2, verbose=0)
            results.append([*model.get_weights(), model.predict(x, verbose=0)])
            results[-1].append(model.forward(x, training=True))
            model.backward(np.ones((40, 3), np.float32))
            results[-1] += [g.copy() for layer in model.layers for g in layer.grads.values()]
    for mine, wanted in zip(*results, strict=True):
        assert mine.dtype == wanted.dtype
        np.testing.assert_allclose(mine, wanted, rtol=1e-3, atol=1e-4)


class Best(Layer):
    """Numbers that are no floats, at the end of a model."""

    def forward(self, x, training=False):
        return np.argmax(x, axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape[:-1]


@pytest.mark.parametrize("n", [1, 40])
def test_what_the_last_layer_gives_is_what_comes_out(n, each_engine):
    model = keras.Sequential([*NETS["dense"](), Best()])
    classes = model.predict(data(n)[0], verbose=0)
    assert classes.dtype.kind == "i"
    assert classes.shape == (n,)
