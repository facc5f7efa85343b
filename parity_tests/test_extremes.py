"""Softmax, log-sum-exp and the cross-entropies at logits of +-1e4: no overflow, Keras's numbers."""

import itertools
import platform

import numpy as np
import pytest

import keras_ref
import scratchnet
from scratchnet import activations, engines, losses

SIZES = (-1e4, -9999.0, -700.0, -80.0, -1.0, 0.0, 1.0, 80.0, 700.0, 9999.0, 1e4)
LOGITS = np.array(list(itertools.product(SIZES, repeat=3)))  # (1331, 3)
LABELS = np.arange(len(LOGITS)) % 3
# of the largest number of an array: a few roundings of the type
BARS = {"float32": 4 * np.finfo("float32").eps, "float64": 1e-12}


FAST = engines.RUNNABLE[1:]  # `loops` takes half a minute, and is what `numba` runs
DTYPES = ("float32", "float64")


def gradient_of(function, z):
    """What TensorFlow gives for `function` of z, and the gradient of its sum."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        z = tf.convert_to_tensor(z)
        tape.watch(z)
        value = function(z)
        total = tf.reduce_sum(value)
    return value.numpy(), tape.gradient(total, z).numpy()


def assert_close(mine, theirs, dtype, what):
    assert np.isfinite(mine).all(), what
    assert mine.dtype == theirs.dtype == dtype, what
    np.testing.assert_allclose(
        mine, theirs, rtol=BARS[dtype], atol=BARS[dtype] * np.abs(theirs).max(), err_msg=what
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sigmoid", "softplus", "silu", "tanh"])
def test_activations(keras, dtype, name):
    z = LOGITS.astype(dtype)
    # a weight for each output, for the gradient of a plain sum of softmax is 0
    weights = np.array([0.5, -1.25, 2.0], dtype)
    dy = np.broadcast_to(weights, z.shape).copy()
    with keras_ref.floatx(keras, dtype), np.errstate(under="ignore"):
        theirs = gradient_of(lambda t: getattr(keras.activations, name)(t) * weights, z)
    function = activations.get(name)
    for engine in FAST:
        with engines.engine(engine), np.errstate(under="ignore"):
            y = function.forward(z)
            assert_close(y * weights, theirs[0], dtype, f"{engine}, value")
            assert_close(function.backward(dy, z, y), theirs[1], dtype, f"{engine}, gradient")


LOSSES = {
    "categorical": ("CategoricalCrossentropy", np.eye(3)[LABELS]),
    "sparse": ("SparseCategoricalCrossentropy", LABELS),
    "binary": ("BinaryCrossentropy", np.eye(3)[LABELS]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", LOSSES)
def test_losses_from_logits(keras, dtype, kind):
    name, y = LOSSES[kind]
    z = LOGITS.astype(dtype)
    y = y.astype(dtype) if kind != "sparse" else y
    options = {"from_logits": True, "reduction": "sum", "dtype": dtype}
    with keras_ref.floatx(keras, dtype):
        theirs = getattr(keras.losses, name)(**options)
        value, gradient = gradient_of(lambda t: theirs(y, t), z)
    with keras_ref.floatx(scratchnet, dtype):
        mine = getattr(losses, name)(**options)
        assert_close(np.asarray(mine(y, z)), value, dtype, "value")
        assert_close(mine.gradient(y, z), gradient, dtype, "gradient")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kind", "activation"), [
    ("categorical", "softmax"), ("sparse", "softmax"), ("binary", "sigmoid"),
    ("categorical", None), ("sparse", None), ("binary", None),
])  # fmt: skip
def test_a_layer_whose_logits_are_that_large(keras, dtype, kind, activation):
    """The merged softmax and cross-entropy too: output, loss, and weights after a step."""
    with keras_ref.floatx(keras, dtype):
        theirs = one_step(keras, kind, activation, dtype)
    with keras_ref.floatx(keras, "float64"):
        exact = one_step(keras, kind, activation, "float64")
    for engine in FAST:
        with (
            engines.engine(engine), keras_ref.floatx(scratchnet, dtype),
            np.errstate(under="ignore"),
        ):  # fmt: skip
            mine = one_step(scratchnet, kind, activation, dtype)
        for what, ours, other in zip(("output", "loss"), mine[:2], theirs[:2], strict=True):
            assert_close(ours, other, dtype, f"{engine}, {what}")
        # A weight is the sum of 1331 large gradients, and float32 of Keras's own is off by more
        # than the bar on a processor with AVX-512: so the exact answer is what both are held to.
        ours, other, answer = mine[2], theirs[2], exact[2]
        allowed = BARS[dtype] * np.abs(answer).max()
        assert ours.dtype == other.dtype == dtype
        assert np.abs(ours - answer).max() <= max(2 * np.abs(other - answer).max(), allowed), engine


def one_step(k, kind, activation, dtype):
    """The output of a layer, the loss, and what a step makes of the weights."""
    (name, y), x, one = LOSSES[kind], LOGITS.astype(dtype), np.eye(3, dtype=dtype)
    model = k.Sequential([k.Input((3,)), k.layers.Dense(3, activation, use_bias=False)])
    model.set_weights([one])  # the logits are x itself
    loss = getattr(k.losses, name)(from_logits=activation is None)
    model.compile(k.optimizers.SGD(2.0**-10), loss)
    output = model.predict_on_batch(x)
    value = np.asarray(model.train_on_batch(x, y), dtype)
    return output, value, model.get_weights()[0] - one


# ------------------------------------------------------------------ the smallest numbers


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="see threads.flush")
def test_a_momentum_that_nothing_feeds_ends_where_keras_ends(keras):
    """TensorFlow takes what is smaller than a normal number for 0, and so does engine `fused`: a
    momentum of which a tenth is such a number stays what it is. The other engines go on."""
    x, y = np.ones((1300, 2), "float32"), np.ones((1300, 1), "float32")
    x[1:, 1] = 0  # this weight has a gradient in the first step alone

    def trained(library):
        layer = library.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        model = library.Sequential([library.Input((2,)), layer])
        model.compile(library.optimizers.Adam(2**-10), "mse")
        model.fit(x, y, batch_size=1, shuffle=False, verbose=0)
        return [np.asarray(variable).ravel() for variable in model.optimizer.variables]

    theirs = trained(keras)[2]
    ends = {}
    for engine in engines.RUNNABLE:
        with engines.engine(engine):
            ends[engine] = trained(scratchnet)[2]
    smallest = np.finfo("float32").smallest_normal
    assert smallest < -theirs[1] < 11 * smallest
    for engine, mine in ends.items():
        if engine == "fused":
            assert mine[1] == theirs[1]
        else:
            assert 0 < -mine[1] < smallest, engine
