"""Wrong uses: the fitting error, in one form, before anything has changed.

The form is `Class 'name': expected ..., got .... What to do.`; each row below is one wrong
use, with the error's type and the part of its text that must be there.
"""

# ruff: noqa: E501 (each text is one line, so that it can be searched for)

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import (
    activations,
    callbacks,
    config,
    data,
    engines,
    initializers,
    layers,
    losses,
    networks,
    optimizers,
    registry,
    regularizers,
)

FORM = re.compile(r"^[^:]+: expected .+, got .*\.(\s|$)", re.DOTALL)
NAN = float("nan")


class Wrong(NamedTuple):
    """A wrong use, and what it must raise."""

    what: str
    use: Callable[..., Any]
    error: type[Exception]
    text: str


@pytest.fixture(autouse=True)
def quick_engine():
    """No message depends on the engine; this one needs no compiling."""
    with engines.engine("numpy"):
        yield


def check(wrong: Wrong, *args: Any) -> None:
    with pytest.raises(wrong.error, match=wrong.text) as caught:
        wrong.use(*args)
    assert type(caught.value) is wrong.error
    assert FORM.match(str(caught.value)), str(caught.value)


def ids(table: list[Wrong]) -> list[str]:
    return [row.what for row in table]


# ---------------------------------------------------------------------- making a layer

Dense, Conv2D, Dropout = layers.Dense, layers.Conv2D, layers.Dropout
MaxPooling2D, BatchNormalization = layers.MaxPooling2D, layers.BatchNormalization


class Bare(layers.Layer):
    """A layer whose author wrote no pass."""


class BareActivated(layers.ActivatedLayer):
    """A layer whose author wrote no backward_z."""


class BareLoss(losses.Loss):
    """A loss whose author wrote no formula."""


LAYERS = [
    Wrong(
        "no units", lambda: Dense(0), ValueError, r"Dense 'dense.*': expected units above 0, got 0"
    ),
    Wrong("negative units", lambda: Dense(-3), ValueError, r"units above 0, got -3"),
    Wrong("units as a float", lambda: Dense(2.5), ValueError, r"units as an int, got 2\.5"),
    Wrong("units as a bool", lambda: Dense(True), ValueError, r"units as an int, got True"),
    Wrong("units as a string", lambda: Dense("10"), ValueError, r"units as an int, got '10'"),
    Wrong(
        "activation misspelt",
        lambda: Dense(3, activation="rleu"),
        ValueError,
        r"Activation 'rleu': expected .*Did you mean 'relu'\? Known: elu, exponential",
    ),
    Wrong(
        "activation as a NumPy function",
        lambda: Dense(3, activation=np.tanh),
        TypeError,
        r"activations\.get: expected a name, .* got <ufunc 'tanh'>\. Known: elu",
    ),
    Wrong(
        "argument misspelt",
        lambda: Dense(3, activaton="relu"),
        TypeError,
        r"Dense 'dense.*': expected arguments that this layer has, got activaton\. "
        r"Did you mean 'activation'\?",
    ),
    Wrong(
        "argument of another library",
        lambda: Dense(3, in_features=5),
        TypeError,
        r"got in_features\.",
    ),
    Wrong(
        "initializer misspelt",
        lambda: Dense(3, kernel_initializer="glorot_unifrom"),
        ValueError,
        r"Initializer 'glorot_unifrom': .*Did you mean 'glorot_uniform'\?",
    ),
    Wrong(
        "regularizer misspelt",
        lambda: Dense(3, kernel_regularizer="l_2"),
        ValueError,
        r"Regularizer 'l_2': .*Did you mean 'l2'\?",
    ),
    Wrong(
        "constraint on a dense kernel",
        lambda: Dense(3, kernel_constraint="non_neg"),
        NotImplementedError,
        r"kernel_constraint=None, got 'non_neg'\. ScratchNet has no kernel_constraint",
    ),
    Wrong(
        "half precision",
        lambda: Dense(3, dtype="float16"),
        ValueError,
        r"dtype 'float16': .*Known: float32, float64",
    ),
    Wrong("ints as dtype", lambda: Dense(3, dtype=int), ValueError, r"dtype 'int': expected"),
    Wrong(
        "name that is no string",
        lambda: Dense(3, name=7),
        TypeError,
        r"name as a str or None, got 7",
    ),
    Wrong(
        "trainable that is no bool",
        lambda: Dense(3, trainable="no"),
        ValueError,
        r"trainable as a bool, got 'no'",
    ),
    Wrong(
        "input_shape below 0",
        lambda: Dense(3, input_shape=(-5,)),
        ValueError,
        r"input_shape of ints, 0 or more, or None, got \(-5,\)",
    ),
    Wrong(
        "input_shape as a float",
        lambda: Dense(3, input_shape=5.5),
        ValueError,
        r"input_shape of ints, .*got 5\.5",
    ),
    Wrong(
        "input_shape as a string",
        lambda: Dense(3, input_shape="784"),
        ValueError,
        r"input_shape of ints, .*got '784'",
    ),
    Wrong(
        "input_dim as a float",
        lambda: Dense(3, input_dim=5.5),
        ValueError,
        r"input_dim of ints, .*got 5\.5",
    ),
    Wrong(
        "batch_input_shape as an int",
        lambda: Dense(3, batch_input_shape=5),
        ValueError,
        r"batch_input_shape of ints, .*got 5\.",
    ),
    Wrong("no filters", lambda: Conv2D(0, 3), ValueError, r"filters above 0, got 0"),
    Wrong(
        "kernel of size 0",
        lambda: Conv2D(3, 0),
        ValueError,
        r"kernel_size as one or two ints, 1 or more, got 0",
    ),
    Wrong(
        "kernel of three sizes",
        lambda: Conv2D(3, (3, 3, 3)),
        ValueError,
        r"kernel_size as one or two ints.*got \(3, 3, 3\)",
    ),
    Wrong(
        "kernel size as a float",
        lambda: Conv2D(3, 2.5),
        ValueError,
        r"kernel_size as one or two ints.*got 2\.5",
    ),
    Wrong(
        "kernel size as a bool",
        lambda: Conv2D(3, True),
        ValueError,
        r"kernel_size as one or two ints.*got True",
    ),
    Wrong(
        "kernel size as a string",
        lambda: Conv2D(3, "33"),
        ValueError,
        r"kernel_size as one or two ints.*got '33'",
    ),
    Wrong(
        "stride 0",
        lambda: Conv2D(3, 3, strides=0),
        ValueError,
        r"strides as one or two ints, 1 or more, got 0",
    ),
    Wrong(
        "dilation 0",
        lambda: Conv2D(3, 3, dilation_rate=0),
        ValueError,
        r"dilation_rate as one or two ints, 1 or more",
    ),
    Wrong(
        "dilation with stride",
        lambda: Conv2D(3, 3, strides=2, dilation_rate=2),
        ValueError,
        r"only one of the two above 1, got strides=\(2, 2\) and dilation_rate=\(2, 2\)",
    ),
    Wrong(
        "padding misspelt",
        lambda: Conv2D(3, 3, padding="smae"),
        ValueError,
        r"padding 'valid' or 'same', got 'smae'",
    ),
    Wrong(
        "padding as a number",
        lambda: Conv2D(3, 3, padding=1),
        ValueError,
        r"padding 'valid' or 'same', got 1",
    ),
    Wrong(
        "groups",
        lambda: Conv2D(4, 3, groups=2),
        NotImplementedError,
        r"groups=1, got 2\. ScratchNet has no groups",
    ),
    Wrong(
        "constraint on a filter",
        lambda: Conv2D(4, 3, kernel_constraint="max_norm"),
        NotImplementedError,
        r"kernel_constraint=None",
    ),
    Wrong(
        "channels first",
        lambda: Conv2D(4, 3, data_format="channels_first"),
        ValueError,
        r'data_format "channels_last" .*got \'channels_first\'\. Move the channel axis last',
    ),
    Wrong(
        "no filters argument", lambda: Conv2D(None, 3), ValueError, r"filters as an int, got None"
    ),
    Wrong(
        "pool of size 0",
        lambda: MaxPooling2D(0),
        ValueError,
        r"pool_size as one or two ints, 1 or more, got 0",
    ),
    Wrong(
        "pool padding misspelt",
        lambda: MaxPooling2D(2, padding="full"),
        ValueError,
        r"padding 'valid' or 'same', got 'full'",
    ),
    Wrong(
        "pool argument misspelt",
        lambda: MaxPooling2D(2, stride=2),
        TypeError,
        r"got stride\. Did you mean 'strides'\?",
    ),
    Wrong("negative rate", lambda: Dropout(-0.1), ValueError, r"rate from 0 to 1, got -0\.1"),
    Wrong("rate in percent", lambda: Dropout(20), ValueError, r"rate from 0 to 1, got 20"),
    Wrong("rate as a string", lambda: Dropout("half"), TypeError, r"rate as a number, got 'half'"),
    Wrong("rate NaN", lambda: Dropout(NAN), ValueError, r"rate from 0 to 1, got nan"),
    Wrong(
        "noise shape of zeros",
        lambda: Dropout(0.5, noise_shape=(0,)),
        ValueError,
        r"noise_shape as a tuple of ints above 0 or None, got \(0,\)",
    ),
    Wrong(
        "noise shape as a string",
        lambda: Dropout(0.5, noise_shape="x"),
        ValueError,
        r"noise_shape as a tuple",
    ),
    Wrong(
        "mask of words",
        lambda: Dropout(0.5, mask=["keep", "drop"]),
        TypeError,
        r"mask as an array of numbers or a function, got dtype <U4",
    ),
    Wrong(
        "seed as a float",
        lambda: Dropout(0.5, seed=1.5),
        ValueError,
        r"seed to be a Python int, got 1\.5",
    ),
    Wrong(
        "normalized axis as a word",
        lambda: BatchNormalization(axis="last"),
        TypeError,
        r"axis as an int, got 'last'",
    ),
    Wrong(
        "normalized axis as a float",
        lambda: BatchNormalization(axis=1.5),
        TypeError,
        r"axis as an int, got 1\.5",
    ),
    Wrong(
        "momentum above 1",
        lambda: BatchNormalization(momentum=2),
        ValueError,
        r"momentum from 0 to 1, got 2",
    ),
    Wrong(
        "momentum as a word",
        lambda: BatchNormalization(momentum="slow"),
        TypeError,
        r"momentum as a number, got 'slow'",
    ),
    Wrong(
        "epsilon 0", lambda: BatchNormalization(epsilon=0), ValueError, r"epsilon above 0, got 0"
    ),
    Wrong(
        "renorm",
        lambda: BatchNormalization(renorm=True),
        NotImplementedError,
        r"renorm=False, got True\. ScratchNet has no renorm",
    ),
    Wrong(
        "synchronized",
        lambda: BatchNormalization(synchronized=True),
        NotImplementedError,
        r"synchronized=False",
    ),
    Wrong(
        "activation layer misspelt",
        lambda: layers.Activation("sofmax"),
        ValueError,
        r"Did you mean 'softmax'\?",
    ),
    Wrong(
        "ReLU capped below 0",
        lambda: layers.ReLU(max_value=-1),
        ValueError,
        r"max_value of 0 or more, got -1",
    ),
    Wrong(
        "ReLU with a falling slope",
        lambda: layers.ReLU(negative_slope=-0.1),
        ValueError,
        r"negative_slope of 0 or more, got -0\.1",
    ),
    Wrong(
        "ReLU with a word as threshold",
        lambda: layers.ReLU(threshold="x"),
        ValueError,
        r"threshold of 0 or more, got 'x'",
    ),
    Wrong(
        "LeakyReLU without a slope",
        lambda: layers.LeakyReLU(negative_slope=None),
        ValueError,
        r"negative_slope of 0 or more, got None",
    ),
    Wrong(
        "softmax over two axes",
        lambda: layers.Softmax(axis=(1, 2)),
        NotImplementedError,
        r"one axis as an int, got \(1, 2\)",
    ),
    Wrong(
        "scale as a word",
        lambda: layers.Rescaling("1/255"),
        TypeError,
        r"scale as a number or an array of numbers, got '1/255'",
    ),
    Wrong(
        "offset NaN", lambda: layers.Rescaling(1.0, NAN), ValueError, r"a finite offset, got nan"
    ),
    Wrong(
        "target shape as an int",
        lambda: layers.Reshape(5),
        TypeError,
        r"target_shape as a tuple of ints, got 5",
    ),
    Wrong(
        "target shape with 0",
        lambda: layers.Reshape((3, 0)),
        ValueError,
        r"target_shape of ints above 0 or -1, got \(3, 0\)",
    ),
    Wrong(
        "two unknown axes",
        lambda: layers.Reshape((-1, -1)),
        ValueError,
        r"at most one -1 in target_shape, got \(-1, -1\)",
    ),
    Wrong(
        "negative frame",
        lambda: layers.ZeroPadding2D(-1),
        ValueError,
        r"padding\[0\] as one or two ints, 0 or more, got -1",
    ),
    Wrong(
        "frame of three sides",
        lambda: layers.ZeroPadding2D((1, 2, 3)),
        ValueError,
        r"padding as an int, \(rows, columns\) or",
    ),
    Wrong(
        "a layer into a layer",
        lambda: Dense(3)(sn.Input((5,))),
        TypeError,
        r"x as an array of numbers, got InputLayer 'input.*'\. ScratchNet has no functional models",
    ),
    Wrong(
        "a mask into a layer",
        lambda: Dense(3)(np.zeros((2, 5)), mask=[1, 0]),
        NotImplementedError,
        r"no mask, got .*ScratchNet has no masking",
    ),
    Wrong(
        "input with two batch sizes",
        lambda: sn.Input(batch_shape=(2, 5), batch_size=2),
        ValueError,
        r"either batch_size or batch_shape, got both",
    ),
    Wrong(
        "input without a shape",
        lambda: sn.Input(),
        ValueError,
        r"InputLayer 'input.*': expected either shape or batch_shape, got neither",
    ),
    Wrong(
        "input with two shapes",
        lambda: sn.Input((5,), batch_shape=(None, 5)),
        ValueError,
        r"either shape or batch_shape, got both",
    ),
    Wrong(
        "input shape below 0",
        lambda: sn.Input((-5,)),
        ValueError,
        r"shape of ints, 0 or more, or None, got \(-5,\)",
    ),
    Wrong(
        "input shape of floats",
        lambda: sn.Input((2.5,)),
        ValueError,
        r"shape of ints, 0 or more, or None, got \(2\.5,\)",
    ),
    Wrong(
        "input shape as a float",
        lambda: sn.Input(28.0),
        ValueError,
        r"shape of ints, 0 or more, or None, got 28\.0",
    ),
    Wrong(
        "sparse input",
        lambda: sn.Input((5,), sparse=True),
        NotImplementedError,
        r"sparse=None, got True",
    ),
    Wrong(
        "layer without passes",
        lambda: Bare(name="b")(np.zeros((2, 3))),
        NotImplementedError,
        r"Bare 'b': expected a forward method, got none\. Write one",
    ),
    Wrong(
        "layer without a way back",
        lambda: Bare(name="b").backward(np.zeros((2, 3))),
        NotImplementedError,
        r"Bare 'b': expected a backward method, got none",
    ),
    Wrong(
        "layer without backward_z",
        lambda: BareActivated(name="b").backward_z(np.zeros((2, 3))),
        NotImplementedError,
        r"'b': expected a backward_z method, got none",
    ),
    Wrong(
        "count of an unbuilt layer",
        lambda: Dense(3).count_params(),
        ValueError,
        r"a built layer, got one without a shape\. Call build",
    ),
    Wrong(
        "output shape of an unbuilt layer",
        lambda: Dense(3).output_shape,
        AttributeError,
        r"a built layer, got one without a shape",
    ),
    Wrong(
        "words into a layer",
        lambda: Dense(3)([["a", "b"]]),
        TypeError,
        r"x as an array of numbers, got dtype <U1",
    ),
    Wrong(
        "ragged rows into a layer",
        lambda: Dense(3)([[1, 2], [3]]),
        ValueError,
        r"x as an array of one shape, got rows of different lengths",
    ),
    Wrong(
        "one number into a layer",
        lambda: Dense(3)(1.0),
        ValueError,
        r"x with a batch axis, got one number",
    ),
    Wrong(
        "unknown last axis",
        lambda: Dense(3).build((None, None)),
        ValueError,
        r"a known size of the last axis of x, got \(N, None\)",
    ),
    Wrong(
        "unknown channels",
        lambda: Conv2D(3, 2).build((None, 5, 5, None)),
        ValueError,
        r"a known number of channels, got \(N, 5, 5, None\)",
    ),
    Wrong(
        "unknown normalized axis",
        lambda: BatchNormalization().build((None, None)),
        ValueError,
        r"a known size of axis -1 of x, got \(N, None\)",
    ),
    Wrong(
        "vector into Dense",
        lambda: Dense(3)(np.zeros(5)),
        ValueError,
        r"Dense .*x of 2 or more dimensions, got \(N,\)",
    ),
    Wrong(
        "weights of another layer",
        lambda: built(Dense(3)).set_weights([np.zeros((5, 3))]),
        ValueError,
        r"Dense .*expected 2 weight arrays, got 1",
    ),
    Wrong(
        "weights as a number",
        lambda: built(Dense(3)).set_weights(5),
        TypeError,
        r"a list of 2 weight arrays, got 5",
    ),
    Wrong(
        "backward of a layer that saw nothing",
        lambda: built(Dense(3)).backward(np.zeros((2, 3), np.float32)),
        RuntimeError,
        r"a forward pass with training=True before backward, got none\. Call forward\(x, training=True\) first",
    ),
]


def built(layer: Any) -> Any:
    layer.build((None, 5))
    return layer


@pytest.mark.parametrize("wrong", LAYERS, ids=ids(LAYERS))
def test_wrong_use_of_a_layer_raises(wrong):
    check(wrong)


# ---------------------------------------------------------------------- losses, names, settings

CCE, SCCE = losses.CategoricalCrossentropy, losses.SparseCategoricalCrossentropy
BCE, MSE = losses.BinaryCrossentropy, losses.MeanSquaredError
THIRDS = np.full((4, 3), 1 / 3)


def in_environment(name: str, value: str, use: Callable[[], Any]) -> Any:
    scoped = engines._scoped.set(None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(name, value)
        patch.setattr(engines, "_default", [None])
        try:
            return use()
        finally:
            engines._scoped.reset(scoped)


OTHERS = [
    Wrong(
        "loss misspelt",
        lambda: losses.get("mze"),
        ValueError,
        r"Loss 'mze': .*Did you mean '(mae|mse)'\?",
    ),
    Wrong(
        "loss as a number",
        lambda: losses.get(5),
        TypeError,
        r"Loss: expected a name, a config, a Loss or None, got 5",
    ),
    Wrong(
        "loss as a function of one's own",
        lambda: losses.get(np.mean),
        ValueError,
        r"Loss 'mean': expected one of the known names",
    ),
    Wrong(
        "loss of an unknown class",
        lambda: losses.get({"class_name": "Hinge", "config": {}}),
        ValueError,
        r"Loss 'Hinge': expected",
    ),
    Wrong(
        "loss from half a config",
        lambda: losses.get({"config": {}}),
        ValueError,
        r"Loss: expected a config \{\"class_name\": str, \"config\": dict\}",
    ),
    Wrong(
        "config that is no dict",
        lambda: losses.deserialize("mse"),
        TypeError,
        r"Loss: expected a config .*got 'mse'",
    ),
    Wrong(
        "loss name that is no string",
        lambda: MSE(name=7),
        TypeError,
        r"name as a str or None, got 7",
    ),
    Wrong(
        "reduction misspelt",
        lambda: MSE(reduction="avg"),
        ValueError,
        r"Reduction 'avg': expected .*Known: None, mean",
    ),
    Wrong("loss in half precision", lambda: MSE(dtype="float16"), ValueError, r"dtype 'float16'"),
    Wrong(
        "smoothing above 1",
        lambda: CCE(label_smoothing=2),
        ValueError,
        r"label_smoothing from 0 to 1, got 2",
    ),
    Wrong(
        "smoothing as a bool",
        lambda: CCE(label_smoothing=True),
        ValueError,
        r"label_smoothing from 0 to 1, got True",
    ),
    Wrong(
        "class axis as a word", lambda: CCE(axis="last"), ValueError, r"axis as an int, got 'last'"
    ),
    Wrong("class axis as a bool", lambda: CCE(axis=True), ValueError, r"axis as an int, got True"),
    Wrong("class axis of sparse labels", lambda: SCCE(axis=1), ValueError, r"axis -1, got 1"),
    Wrong(
        "axis of a binary loss", lambda: BCE(axis="last"), ValueError, r"axis as an int, got 'last'"
    ),
    Wrong(
        "class to ignore as a word",
        lambda: SCCE(ignore_class="void"),
        ValueError,
        r"ignore_class as an int or None, got 'void'",
    ),
    Wrong(
        "class to ignore as a bool",
        lambda: SCCE(ignore_class=True),
        ValueError,
        r"ignore_class as an int or None, got True",
    ),
    Wrong(
        "delta 0",
        lambda: losses.Huber(delta=0),
        ValueError,
        r"Huber 'huber_loss': expected delta above 0, got 0",
    ),
    Wrong(
        "class numbers for one-hot",
        lambda: CCE()([0, 1, 2, 0], THIRDS),
        ValueError,
        r"y_true of the shape of y_pred \(4, 3\), got \(4,\)\. Use to_categorical",
    ),
    Wrong(
        "one-hot for class numbers",
        lambda: SCCE()(THIRDS, THIRDS),
        ValueError,
        r"y_true of shape \(4,\) for y_pred \(4, 3\), got \(4, 3\)\. Use categorical_crossentropy",
    ),
    Wrong(
        "class number too large",
        lambda: SCCE()([0, 1, 2, 3], THIRDS),
        ValueError,
        r"labels from 0 to 2, got 3",
    ),
    Wrong(
        "class number below 0",
        lambda: SCCE()([0, 1, 2, -1], THIRDS),
        ValueError,
        r"labels from 0 to 2, got -1",
    ),
    Wrong(
        "binary labels of another shape",
        lambda: BCE()(np.zeros((4, 2)), THIRDS),
        ValueError,
        r"y_true of the shape of y_pred \(4, 3\), got \(4, 2\)",
    ),
    Wrong(
        "targets of another shape",
        lambda: MSE()(np.zeros((4, 2)), THIRDS),
        ValueError,
        r"MeanSquaredError .*y_true that fits y_pred of shape \(4, 3\), got \(4, 2\)",
    ),
    Wrong(
        "weights of another length",
        lambda: MSE()(THIRDS, THIRDS, [1, 2]),
        ValueError,
        r"sample_weight that fits values of shape \(4,\), got \(2,\)",
    ),
    Wrong(
        "loss without a formula",
        lambda: BareLoss(name="b")(THIRDS, THIRDS),
        NotImplementedError,
        r"BareLoss 'b': expected a call method, got none",
    ),
    Wrong(
        "loss without a gradient",
        lambda: BareLoss(name="b").values_gradient(THIRDS, THIRDS, np.ones(4)),
        NotImplementedError,
        r"a values_gradient method, which training needs, got none",
    ),
    Wrong(
        "optimizer misspelt",
        lambda: optimizers.get("adm"),
        ValueError,
        r"Optimizer 'adm': .*Did you mean 'adam'\?",
    ),
    Wrong(
        "optimizer as a number",
        lambda: optimizers.get(5),
        TypeError,
        r"Optimizer: expected a name.*got 5",
    ),
    Wrong(
        "learning rate as a word",
        lambda: optimizers.Adam("fast"),
        ValueError,
        r"learning_rate as a finite float",
    ),
    Wrong(
        "learning rate NaN",
        lambda: optimizers.SGD(NAN),
        ValueError,
        r"learning_rate as a finite float",
    ),
    Wrong(
        "old name of the rate",
        lambda: optimizers.Adam(lr=0.1),
        ValueError,
        r"Adam 'adam.*': .*the rate is `learning_rate`, not `lr`",
    ),
    Wrong(
        "beta of 1",
        lambda: optimizers.Adam(beta_1=1.0),
        ValueError,
        r"Adam 'adam.*': expected beta_1",
    ),
    Wrong("beta below 0", lambda: optimizers.Adam(beta_2=-0.5), ValueError, r"expected beta_2"),
    Wrong(
        "momentum above 1 in SGD",
        lambda: optimizers.SGD(momentum=1.5),
        ValueError,
        r"SGD 'sgd.*': expected momentum",
    ),
    Wrong(
        "two ways of clipping",
        lambda: optimizers.SGD(clipnorm=1.0, clipvalue=1.0),
        ValueError,
        r"one way of clipping, got clipnorm and clipvalue",
    ),
    Wrong(
        "negative clipping",
        lambda: optimizers.SGD(clipnorm=-1.0),
        ValueError,
        r"clipnorm as a finite number of 0 or more",
    ),
    Wrong(
        "moving average of weights",
        lambda: optimizers.SGD(use_ema=True),
        ValueError,
        r"use_ema left off, got use_ema=True",
    ),
    Wrong(
        "metric misspelt",
        lambda: sn.metrics.get("acuracy"),
        ValueError,
        r"[Mm]etric 'acuracy': .*Did you mean '.*accuracy'\?",
    ),
    Wrong(
        "initializer unknown",
        lambda: initializers.get("xavier"),
        ValueError,
        r"Initializer 'xavier': expected one of the known names",
    ),
    Wrong(
        "initializer that gives another shape",
        lambda: Dense(3, kernel_initializer=lambda shape, dtype: np.zeros(3)).build((None, 4)),
        ValueError,
        r"Dense '.*': expected an initializer of kernel that gives shape \(4, 3\), got \(3,\)",
    ),
    Wrong(
        "initializer as a number",
        lambda: initializers.get(5),
        TypeError,
        r"Initializer: expected a name",
    ),
    Wrong(
        "negative penalty",
        lambda: regularizers.L1(-0.1),
        ValueError,
        r"a non-negative float, got -0\.1",
    ),
    Wrong(
        "engine misspelt",
        lambda: sn.set_engine("numbs"),
        ValueError,
        r"Engine 'numbs': .*Did you mean 'numba'\? Known: fused, loops, numba, numpy",
    ),
    Wrong(
        "engine unknown",
        lambda: sn.engine("gpu").__enter__(),
        ValueError,
        r"Engine 'gpu': expected one of the known names, got 'gpu'\. Known: fused",
    ),
    Wrong(
        "engine of the environment unknown",
        lambda: in_environment("SCRATCHNET_ENGINE", "cuda", sn.get_engine),
        ValueError,
        r"Engine 'cuda': expected .*Known: fused",
    ),
    Wrong(
        "engine as a list",
        lambda: sn.set_engine(["numpy"]),
        ValueError,
        r"Engine \['numpy'\]: expected",
    ),
    Wrong(
        "data set unknown",
        lambda: sn.datasets.mnits,
        AttributeError,
        r"scratchnet\.datasets 'mnits': .*Did you mean 'mnist'\?",
    ),
    Wrong(
        "data nowhere",
        lambda: sn.datasets.load("no/such/folder"),
        FileNotFoundError,
        r"a folder that exists, got 'no/such/folder'",
    ),
    Wrong(
        "network misspelt",
        lambda: networks.get("mlp_adm"),
        ValueError,
        r"Network 'mlp_adm': .*Did you mean 'mlp_adam'\?",
    ),
    Wrong(
        "float type unknown",
        lambda: config.set_floatx("float16"),
        ValueError,
        r"dtype 'float16': expected .*Known: float32, float64",
    ),
    Wrong(
        "epsilon of 0",
        lambda: config.set_epsilon(0),
        ValueError,
        r"config\.set_epsilon: expected a number between 0 and 0\.5, got 0",
    ),
    Wrong(
        "epsilon as a word",
        lambda: config.set_epsilon("small"),
        ValueError,
        r"config\.set_epsilon: expected a number between 0 and 0\.5, got 'small'",
    ),
    Wrong(
        "images channels first",
        lambda: config.set_image_data_format("channels_first"),
        ValueError,
        r"config\.set_image_data_format: expected data_format",
    ),
    Wrong(
        "activation with a foreign option",
        lambda: activations.relu(np.zeros(3), alpha=1),
        TypeError,
        r"activations\.relu: expected options \['max_value', 'negative_slope', 'threshold'\], got alpha",
    ),
    Wrong(
        "activation with too many options",
        lambda: activations.elu(np.zeros(3), 1.0, 2.0),
        TypeError,
        r"activations\.elu: expected options \['alpha'\], got 2 of them",
    ),
    Wrong(
        "softmax along no axis",
        lambda: activations.softmax(np.zeros(3), axis=2),
        ValueError,
        r"activations\.softmax: expected an axis of z \(3,\), got 2",
    ),
    Wrong(
        "softmax along a bool",
        lambda: activations.softmax(np.zeros((3, 2)), axis=True),
        ValueError,
        r"activations\.softmax: expected an axis of z \(3, 2\), got True",
    ),
    Wrong(
        "seed below 0",
        lambda: sn.utils.set_random_seed(-1),
        ValueError,
        r"set_random_seed: expected seed between 0 and",
    ),
    Wrong(
        "seed as a word",
        lambda: sn.utils.set_random_seed("x"),
        ValueError,
        r"seed to be a Python int, got 'x'",
    ),
    Wrong(
        "one-hot of fractions",
        lambda: sn.utils.to_categorical([0.5]),
        ValueError,
        r"to_categorical: expected labels that are whole numbers, got 0\.5",
    ),
    Wrong(
        "one-hot of too large a class",
        lambda: sn.utils.to_categorical([0, 3], 3),
        ValueError,
        r"labels below num_classes=3, got 3",
    ),
    Wrong(
        "table asked for a class of another kind",
        lambda: registry.lookup("Loss", Dense, losses.LOSSES, losses.Loss),
        TypeError,
        r"Loss: expected a name, a config, a Loss or None",
    ),
    Wrong(
        "model of an unknown layer",
        lambda: sn.Sequential.from_config({"layers": [{"class_name": "Dens", "config": {}}]}),
        ValueError,
        r"Layer 'Dens': .*Did you mean 'Dense'\?",
    ),
    Wrong(
        "model from half a config",
        lambda: sn.Sequential.from_config({}),
        ValueError,
        r"Sequential: expected a config with a list of layers, got \{\}",
    ),
    Wrong(
        "batch size of a loader",
        lambda: data.batch_size("x", 0),
        ValueError,
        r"x: expected batch_size of 1 or more, got 0",
    ),
]


@pytest.mark.parametrize("wrong", OTHERS, ids=ids(OTHERS))
def test_wrong_use_of_names_losses_and_settings_raises(wrong):
    kept = config.floatx(), config.epsilon(), engines._default[0]
    check(wrong)
    assert (config.floatx(), config.epsilon(), engines._default[0]) == kept


# ---------------------------------------------------------------------- putting layers together


def stack(*parts: Any) -> sn.Sequential:
    return sn.Sequential(list(parts))


def same_twice() -> Any:
    layer = Dense(3)
    return stack(layer, layer)


IMAGE = sn.Input((8, 7, 1))

STACKS = [
    Wrong(
        "a class",
        lambda: stack(Dense),
        ValueError,
        r"Sequential 'seq.*': expected a layer, got the class Dense\. Write Dense\(\.\.\.\)",
    ),
    Wrong(
        "a number", lambda: stack(3), ValueError, r"expected a layer of scratchnet\.layers, got 3"
    ),
    Wrong("a string", lambda: sn.Sequential("Dense"), TypeError, r"a list of layers, got 'Dense'"),
    Wrong(
        "a layer without a list",
        lambda: sn.Sequential(Dense(3)),
        TypeError,
        r"a list of layers, got <Dense .*Write Sequential\(\[layer\]\)",
    ),
    Wrong(
        "a model",
        lambda: stack(stack(Dense(3))),
        ValueError,
        r"a layer of scratchnet\.layers, got <Sequential .*Add its layers one by one",
    ),
    Wrong(
        "the same layer twice",
        same_twice,
        ValueError,
        r"layers with names of their own, got a second 'dense",
    ),
    Wrong(
        "two layers of one name",
        lambda: stack(Dense(3, name="a"), Dense(2, name="a")),
        ValueError,
        r"names of their own, got a second 'a'",
    ),
    Wrong(
        "two inputs",
        lambda: stack(sn.Input((5,)), sn.Input((5,))),
        ValueError,
        r"one Input, before all other layers, got another",
    ),
    Wrong(
        "an input on top",
        lambda: stack(Dense(3), sn.Input((5,))),
        ValueError,
        r"one Input, before all other layers",
    ),
    Wrong(
        "two float types",
        lambda: stack(Dense(3, dtype="float32"), Dense(3, dtype="float64")),
        ValueError,
        r"layers of dtype float32, got Dense 'dense.*' of float64\. Give all layers",
    ),
    Wrong(
        "a model in half precision",
        lambda: sn.Sequential(dtype="float16"),
        ValueError,
        r"dtype 'float16'",
    ),
    Wrong(
        "a model's name that is no string",
        lambda: sn.Sequential(name=3),
        TypeError,
        r"Sequential: expected name as a str or None, got 3",
    ),
    Wrong(
        "a kernel larger than the image",
        lambda: stack(IMAGE, Conv2D(2, 9)),
        ValueError,
        r"Conv2D 'conv.*': expected images of at least 9x9 pixels, got 8x7\. Use padding='same'",
    ),
    Wrong(
        "a dilated kernel larger than the image",
        lambda: stack(IMAGE, Conv2D(2, 4, dilation_rate=3)),
        ValueError,
        r"images of at least 10x10 pixels, got 8x7",
    ),
    Wrong(
        "a kernel larger than what poolings left",
        lambda: stack(IMAGE, MaxPooling2D(), MaxPooling2D(), Conv2D(2, 3)),
        ValueError,
        r"images of at least 3x3 pixels, got 2x1",
    ),
    Wrong(
        "a pool larger than the image",
        lambda: stack(IMAGE, MaxPooling2D(9)),
        ValueError,
        r"MaxPooling2D 'max.*': expected images of at least 9x9 pixels, got 8x7",
    ),
    Wrong(
        "an empty image",
        lambda: stack(sn.Input((0, 7, 1)), layers.GlobalMaxPooling2D()),
        ValueError,
        r"images of at least 1x1 pixels, got 0x7",
    ),
    Wrong(
        "a convolution of vectors",
        lambda: stack(sn.Input((784,)), Conv2D(2, 3)),
        ValueError,
        r"x of shape \(N, H, W, C\), got \(N, 784\)",
    ),
    Wrong(
        "images without a channel axis",
        lambda: stack(sn.Input((8, 7)), Conv2D(2, 3)),
        ValueError,
        r"x of shape \(N, H, W, C\), got \(N, 8, 7\)\. Images need their channel axis: x\[\.\.\., None\]",
    ),
    Wrong(
        "a frame around vectors",
        lambda: stack(sn.Input((5,)), layers.ZeroPadding2D()),
        ValueError,
        r"ZeroPadding2D .*x of shape \(N, H, W, C\), got \(N, 5\)",
    ),
    Wrong(
        "a shape of another size",
        lambda: stack(sn.Input((8,)), layers.Reshape((3, 3))),
        ValueError,
        r"samples that fit target_shape \(3, 3\), got 8 numbers a sample, x \(N, 8\)",
    ),
    Wrong(
        "a shape that does not divide",
        lambda: stack(sn.Input((8,)), layers.Reshape((3, -1))),
        ValueError,
        r"samples that fit target_shape \(3, -1\)",
    ),
    Wrong(
        "normalization of the batch axis",
        lambda: stack(sn.Input((8,)), BatchNormalization(axis=0)),
        ValueError,
        r"an axis of x other than the batch's, got axis 0 of x \(N, 8\)",
    ),
    Wrong(
        "normalization of no axis",
        lambda: stack(sn.Input((8,)), BatchNormalization(axis=2)),
        ValueError,
        r"axis 2 of x \(N, 8\)",
    ),
    Wrong(
        "softmax of no axis",
        lambda: stack(sn.Input((8,)), layers.Softmax(axis=2)),
        ValueError,
        r"Softmax 'softmax.*': expected an axis of x \(N, 8\), got 2",
    ),
    Wrong(
        "a scale for other channels",
        lambda: stack(sn.Input((4, 3)), layers.Rescaling([1.0, 2.0])),
        ValueError,
        r"Rescaling .*scale and offset that fit x \(N, 4, 3\), got shapes \(2,\) and \(\)",
    ),
    Wrong(
        "noise of another rank",
        lambda: stack(sn.Input((8,)), Dropout(0.5, noise_shape=(None, 1, 1))),
        ValueError,
        r"noise_shape of 2 dimensions, as x, got \(None, 1, 1\)",
    ),
    Wrong(
        "noise of another size",
        lambda: stack(sn.Input((8,)), Dropout(0.5, noise_shape=(None, 3))),
        ValueError,
        r"noise_shape that fits x \(N, 8\), got \(None, 3\)",
    ),
    Wrong(
        "a mask of another size",
        lambda: stack(sn.Input((8,)), Dropout(0.5, mask=np.ones((4, 3)))),
        ValueError,
        r"a mask that fits x of shape \(N, 8\), got \(4, 3\)",
    ),
    Wrong(
        "a layer for other features",
        lambda: stack(sn.Input((8,)), built(Dense(3))),
        ValueError,
        r"Dense 'dense.*': expected x of shape \(N, 5\), got \(N, 8\)",
    ),
    Wrong(
        "layers assigned",
        lambda: setattr(stack(Dense(3)), "layers", []),
        AttributeError,
        r"layers put in one by one, got an assignment\. Use `add\(\)`",
    ),
    Wrong(
        "building for another shape",
        lambda: stack(sn.Input((5,)), Dense(3)).build((None, 4)),
        ValueError,
        r"the input shape \(N, 5\), got \(N, 4\)",
    ),
    Wrong(
        "top of nothing",
        lambda: sn.Sequential().pop(),
        ValueError,
        r"a layer to take off, got none",
    ),
    Wrong(
        "building nothing",
        lambda: sn.Sequential().build((None, 5)),
        ValueError,
        r"at least one layer, got none\..*add\(\) one",
    ),
    Wrong(
        "building for a number",
        lambda: stack(Dense(3)).build(5),
        ValueError,
        r"input_shape of ints, .*got 5\.",
    ),
    Wrong(
        "building for a negative size",
        lambda: stack(Dense(3)).build((None, -5)),
        ValueError,
        r"input_shape of ints, .*got \(None, -5\)",
    ),
    Wrong(
        "building without the batch axis",
        lambda: stack(Dense(3)).build((5,)),
        ValueError,
        r"x of 2 or more dimensions, got \(5,\)",
    ),
    Wrong(
        "predicting with nothing",
        lambda: sn.Sequential().predict(np.zeros((2, 5))),
        ValueError,
        r"at least one layer, got none",
    ),
    Wrong(
        "backward through nothing",
        lambda: sn.Sequential().backward(np.zeros((2, 5))),
        ValueError,
        r"at least one layer, got none",
    ),
    Wrong(
        "counting before there is a shape",
        lambda: stack(Dense(3)).count_params(),
        ValueError,
        r"a built model, got one without a shape\. Call build",
    ),
    Wrong(
        "input shape before there is one",
        lambda: stack(Dense(3)).input_shape,
        AttributeError,
        r"a known input shape, got none\. Put an Input first",
    ),
    Wrong(
        "output shape before there is one",
        lambda: stack(Dense(3)).output_shape,
        AttributeError,
        r"a known input shape, got none",
    ),
    Wrong(
        "weights before there are any",
        lambda: stack(Dense(3)).set_weights([np.zeros((5, 3)), np.zeros(3)]),
        ValueError,
        r"expected 0 weight arrays, got 2",
    ),
    Wrong(
        "fit before compile",
        lambda: stack(Dense(3)).fit(np.zeros((4, 5)), np.zeros((4, 3))),
        ValueError,
        r"Sequential '.*'\.fit: expected a compiled model, got one that is not\. Call compile",
    ),
    Wrong(
        "evaluate before compile",
        lambda: stack(Dense(3)).evaluate(np.zeros((4, 5)), np.zeros((4, 3))),
        ValueError,
        r"\.evaluate: expected a compiled model",
    ),
    Wrong(
        "train_on_batch before compile",
        lambda: stack(Dense(3)).train_on_batch(np.zeros((4, 5)), np.zeros((4, 3))),
        ValueError,
        r"\.train_on_batch: expected a compiled model",
    ),
    Wrong(
        "test_on_batch before compile",
        lambda: stack(Dense(3)).test_on_batch(np.zeros((4, 5)), np.zeros((4, 3))),
        ValueError,
        r"\.test_on_batch: expected a compiled model",
    ),
    Wrong(
        "gradients before compile",
        lambda: stack(Dense(3)).loss_and_gradients(np.zeros((4, 5)), np.zeros((4, 3))),
        ValueError,
        r"\.loss_and_gradients: expected a compiled model",
    ),
    Wrong(
        "gradient check before compile",
        lambda: sn.gradcheck(stack(Dense(3)), np.zeros((4, 5)), np.zeros((4, 3))),
        ValueError,
        r"gradcheck: expected a compiled model, got one without a loss",
    ),
]


@pytest.mark.parametrize("wrong", STACKS, ids=ids(STACKS))
def test_layers_that_do_not_fit_together_raise(wrong):
    check(wrong)


def test_a_refused_layer_leaves_the_stack_as_it_was():
    model = stack(IMAGE, Conv2D(2, 3))
    for wrong in (Conv2D(2, 9), MaxPooling2D(7), Dense, Conv2D(2, 3, dtype="float64")):
        with pytest.raises((ValueError, TypeError), match="expected"):
            model.add(wrong)
    assert [layer.name for layer in model.layers] == [model.layers[0].name]
    model.add(layers.Flatten())
    assert model.predict(np.zeros((1, 8, 7, 1)), verbose=0).shape == (1, 60)


def test_a_refused_first_layer_leaves_no_input_shape_behind():
    model = stack()
    with pytest.raises(ValueError, match=r"x of shape \(N, H, W, C\), got \(N, 5\)"):
        model.add(Conv2D(2, 3, input_shape=(5,)))
    model.add(Dense(2, input_shape=(4,)))
    assert model.input_shape == (None, 4)


def test_a_shape_that_does_not_fit_leaves_an_unbuilt_model_unbuilt():
    model = stack(Conv2D(2, 3), layers.Flatten(), Dense(2))
    with pytest.raises(ValueError, match=r"images of at least 3x3 pixels, got 2x2"):
        model.build((None, 2, 2, 1))
    with pytest.raises(ValueError, match=r"x of shape \(N, H, W, C\), got \(N, 5\)"):
        model.predict(np.zeros((2, 5)))
    assert not model.built
    assert not any(layer.built for layer in model.layers)
    assert model.predict(np.zeros((2, 5, 5, 1)), verbose=0).shape == (2, 2)


# ---------------------------------------------------------------------- using a model

N, D, K = 6, 5, 3


def trained() -> sn.Sequential:
    """A compiled model of everything that has state: averages, dropout, an optimizer with slots."""
    sn.utils.set_random_seed(3)
    model = stack(
        sn.Input((D,)),
        Dense(4, activation="relu"),
        BatchNormalization(),
        Dropout(0.5),
        Dense(K, activation="softmax"),
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    model.fit(X, Y, batch_size=4, verbose=0)
    return model


_rng = np.random.default_rng(2)
X = _rng.normal(size=(N, D)).astype(np.float32)
LABELS = np.array([0, 2, 1, 1, 0, 2])
Y = np.eye(K, dtype=np.float32)[LABELS]
PLAIN: dict[str, Any] = {"verbose": 0}


def altered(array: np.ndarray, value: float) -> np.ndarray:
    """The array with one bad number in it."""
    array = np.array(array, np.float64)
    array.flat[-1] = value
    return array


def fit(**options: Any) -> Callable[[Any], Any]:
    """A fit of good data with these options."""
    return lambda m: m.fit(options.pop("x", X), options.pop("y", Y), **PLAIN, **options)


def recompiled(loss: Any, y: Any, last: Any = None, **options: Any) -> Callable[[Any], Any]:
    """A fit of these labels under another loss, on a model that may end in another layer."""

    def use(m: Any) -> None:
        if last is not None:
            top = m.layers[-1].output_shape
            m = stack(sn.Input((D,)), Dense(4), last())
            assert top == (None, K)
        m.compile("sgd", loss)
        m.fit(X, y, **PLAIN, **options)

    return use


def one(activation: str) -> Callable[[], Any]:
    return lambda: Dense(1, activation=activation)


class Unfinished:
    """Not a callback: it extends nothing."""


def frozen_after_compile(m: Any) -> None:
    m.layers[0].trainable = False
    try:
        m.fit(X, Y, **PLAIN)
    finally:
        m.layers[0].trainable = True


MODELS = [
    # x
    Wrong(
        "images into Dense",
        lambda m: m.fit(np.zeros((N, 28, 28)), Y),
        ValueError,
        r"Dense 'dense.*': expected x of shape \(N, 5\), got \(N, 28, 28\)\. Put Flatten\(\) before it",
    ),
    Wrong(
        "other features",
        lambda m: m.fit(np.zeros((N, 4)), Y),
        ValueError,
        r"x of shape \(N, 5\), got \(N, 4\)",
    ),
    Wrong(
        "other features to predict",
        lambda m: m.predict(np.zeros((N, 4))),
        ValueError,
        r"x of shape \(N, 5\), got \(N, 4\)",
    ),
    Wrong(
        "one sample without a batch axis",
        lambda m: m.predict(X[0]),
        ValueError,
        r"x of 2 or more dimensions, got \(N,\)",
    ),
    Wrong(
        "no x",
        lambda m: m.fit(None, Y),
        ValueError,
        r"Sequential '.*': expected x as an array, got None",
    ),
    Wrong("no data", lambda m: m.fit(X[:0], Y[:0]), ValueError, r"at least one sample, got none"),
    Wrong(
        "nothing to predict",
        lambda m: m.predict(X[:0]),
        ValueError,
        r"at least one sample, got none",
    ),
    Wrong(
        "one number", lambda m: m.predict(3.0), ValueError, r"x with a batch axis, got one number"
    ),
    Wrong(
        "words",
        lambda m: m.fit([["a"] * D] * N, Y),
        TypeError,
        r"x as an array of numbers, got dtype <U1",
    ),
    Wrong(
        "objects",
        lambda m: m.fit(np.full((N, D), None), Y),
        TypeError,
        r"x as an array of numbers, got dtype object",
    ),
    Wrong(
        "complex numbers",
        lambda m: m.fit(X * 1j, Y),
        TypeError,
        r"x as an array of numbers, got dtype complex64",
    ),
    Wrong(
        "ragged rows",
        lambda m: m.fit([[1, 2], [3]], Y),
        ValueError,
        r"x as an array of one shape, got rows of different lengths",
    ),
    Wrong(
        "a generator",
        lambda m: m.fit((x for x in X), Y),
        TypeError,
        r"x as an array, got generator\. ScratchNet takes no generators",
    ),
    Wrong("a dict", lambda m: m.fit({"input": X}, Y), TypeError, r"x as an array, got dict"),
    Wrong(
        "NaN in x",
        lambda m: m.fit(altered(X, NAN), Y),
        ValueError,
        r"finite numbers in x, got nan at \(5, 4\)\. Clean the data",
    ),
    Wrong(
        "infinity in x",
        lambda m: m.evaluate(altered(X, np.inf), Y),
        ValueError,
        r"finite numbers in x, got inf at \(5, 4\)",
    ),
    Wrong(
        "x too large for float32",
        lambda m: m.fit(altered(X, 1e300), Y),
        ValueError,
        r"x that fits float32, got 1e\+300 at \(5, 4\)",
    ),
    Wrong(
        "other features forward",
        lambda m: m.forward(np.zeros((N, 4))),
        ValueError,
        r"x of shape \(N, 5\), got \(N, 4\)",
    ),
    Wrong(
        "words forward",
        lambda m: m.forward([["a"] * D]),
        TypeError,
        r"x as an array of numbers, got dtype <U1",
    ),
    Wrong(
        "ragged rows forward",
        lambda m: m.forward([[1, 2], [3]]),
        ValueError,
        r"x as an array of one shape, got rows of different lengths",
    ),
    Wrong(
        "one number forward",
        lambda m: m.forward(3.0),
        ValueError,
        r"x with a batch axis, got one number",
    ),
    # y
    Wrong("no y", lambda m: m.fit(X), ValueError, r"Sequential '.*': expected labels y, got None"),
    Wrong("no y to evaluate", lambda m: m.evaluate(X), ValueError, r"labels y, got None"),
    Wrong("fewer labels", lambda m: m.fit(X, Y[:4]), ValueError, r"6 labels, one a sample, got 4"),
    Wrong(
        "class numbers for one-hot",
        lambda m: m.fit(X, LABELS),
        ValueError,
        r"CategoricalCrossentropy .*labels of shape \(N, 3\), got \(N,?\)\. Use to_categorical\(labels\)",
    ),
    Wrong(
        "other classes",
        lambda m: m.fit(X, np.eye(4)[LABELS]),
        ValueError,
        r"labels of shape \(N, 3\), got \(N, 4\)",
    ),
    Wrong(
        "one-hot out of range", lambda m: m.fit(X, 2 * Y), ValueError, r"labels from 0 to 1, got 2"
    ),
    Wrong("one-hot below 0", lambda m: m.fit(X, Y - 1), ValueError, r"labels from 0 to 1, got -1"),
    Wrong(
        "NaN in y",
        lambda m: m.fit(X, altered(Y, NAN)),
        ValueError,
        r"finite numbers in y, got nan at \(5, 2\)",
    ),
    Wrong(
        "words as labels",
        lambda m: m.fit(X, ["cat"] * N),
        TypeError,
        r"y as an array of numbers, got dtype <U3",
    ),
    Wrong(
        "one-hot for class numbers",
        recompiled("sparse_categorical_crossentropy", Y),
        ValueError,
        r"SparseCategorical.*Use categorical_crossentropy for one-hot labels",
    ),
    Wrong(
        "class number too large",
        recompiled("sparse_categorical_crossentropy", LABELS + 1),
        ValueError,
        r"labels from 0 to 2, got 3",
    ),
    Wrong(
        "class number below 0",
        recompiled("sparse_categorical_crossentropy", LABELS - 1),
        ValueError,
        r"labels from 0 to 2, got -1",
    ),
    Wrong(
        "half a class",
        recompiled("sparse_categorical_crossentropy", LABELS + 0.5),
        ValueError,
        r"labels that are class numbers, got 0\.5",
    ),
    Wrong(
        "binary label of 2",
        recompiled("binary_crossentropy", LABELS, one("sigmoid")),
        ValueError,
        r"BinaryCrossentropy .*labels from 0 to 1, got 2",
    ),
    Wrong(
        "binary labels of -1 and 1",
        recompiled("binary_crossentropy", LABELS - 1.0, one("sigmoid")),
        ValueError,
        r"labels from 0 to 1, got -1",
    ),
    Wrong(
        "three targets for one output",
        recompiled("mse", Y, one("linear")),
        ValueError,
        r"MeanSquaredError .*labels of shape \(N, 1\), got \(N, 3\)",
    ),
    Wrong(
        "one target for three outputs",
        recompiled("mae", LABELS),
        ValueError,
        r"labels of shape \(N, 3\), got \(N,\)",
    ),
    # sample and class weights
    Wrong(
        "fewer weights",
        fit(sample_weight=np.ones(4)),
        ValueError,
        r"6 sample weights, one a sample, got 4",
    ),
    Wrong(
        "weights of another shape",
        fit(sample_weight=np.ones((N, 2))),
        ValueError,
        r"sample_weight that fits values of shape \(6,\), got \(6, 2\)",
    ),
    Wrong(
        "NaN in the weights",
        fit(sample_weight=altered(np.ones(N), NAN)),
        ValueError,
        r"finite numbers in sample_weight, got nan at \(5,\)",
    ),
    Wrong(
        "words as weights",
        fit(sample_weight=["x"] * N),
        TypeError,
        r"sample_weight as an array of numbers",
    ),
    Wrong(
        "weights without labels",
        lambda m: m.evaluate(X, None, sample_weight=np.ones(N)),
        ValueError,
        r"labels y, got None",
    ),
    Wrong(
        "class weights as a list",
        fit(class_weight=[1, 2, 3]),
        TypeError,
        r"class_weight as a dict, got list",
    ),
    Wrong(
        "class weights as words",
        fit(class_weight={0: "heavy"}),
        TypeError,
        r"class_weight of numbers, got 'heavy' for class 0",
    ),
    Wrong(
        "class weights NaN",
        fit(class_weight={0: NAN}),
        ValueError,
        r"class_weight of finite numbers, got nan for class 0",
    ),
    Wrong(
        "class weights by name",
        fit(class_weight={"cat": 1.0}),
        TypeError,
        r"class numbers as the keys of class_weight, got 'cat'",
    ),
    Wrong(
        "class and sample weights",
        fit(class_weight={0: 1.0}, sample_weight=np.ones(N)),
        ValueError,
        r"class_weight or sample_weight, got both of them",
    ),
    Wrong(
        "class weights of positions",
        recompiled(
            "mse", np.zeros((N, 2, 2)), lambda: layers.Reshape((2, 2)), class_weight={0: 2.0}
        ),
        ValueError,
        r"class_weight with one label a sample, got y of shape \(6, 2, 2\)",
    ),
    # validation
    Wrong(
        "all for validation",
        fit(validation_split=1),
        ValueError,
        r"validation_split of 0 or more and below 1, got 1",
    ),
    Wrong(
        "validation in percent",
        fit(validation_split=20),
        ValueError,
        r"validation_split of 0 or more and below 1, got 20",
    ),
    Wrong(
        "negative split",
        fit(validation_split=-0.1),
        ValueError,
        r"validation_split of 0 or more and below 1, got -0\.1",
    ),
    Wrong(
        "split as a word",
        fit(validation_split="0.1"),
        ValueError,
        r"validation_split of 0 or more and below 1, got '0\.1'",
    ),
    Wrong(
        "too little data to split",
        lambda m: m.fit(X[:1], Y[:1], validation_split=0.5),
        ValueError,
        r"rows on both sides of the validation split, got 1 rows split at 0\. Give more data",
    ),
    Wrong(
        "validation data without labels",
        fit(validation_data=X),
        ValueError,
        r"validation_data as \(x, y\) or \(x, y, sample_weight\), got ndarray",
    ),
    Wrong(
        "validation data of four",
        fit(validation_data=(X, Y, X, Y)),
        ValueError,
        r"validation_data as \(x, y\)",
    ),
    Wrong(
        "validation labels None", fit(validation_data=(X, None)), ValueError, r"labels y, got None"
    ),
    Wrong(
        "validation data of other features",
        fit(validation_data=(X[:, :4], Y)),
        ValueError,
        r"x of shape \(N, 5\), got \(N, 4\)",
    ),
    Wrong(
        "validation labels of other length",
        fit(validation_data=(X, Y[:2])),
        ValueError,
        r"6 labels, one a sample, got 2",
    ),
    Wrong(
        "validating every 0 epochs",
        fit(validation_split=0.5, validation_freq=0),
        ValueError,
        r"validation_freq of 1 or more, got 0",
    ),
    Wrong(
        "validating by word",
        fit(validation_split=0.5, validation_freq="often"),
        TypeError,
        r"validation_freq as an int or a list of epochs, got 'often'",
    ),
    Wrong(
        "validation batch of 0",
        fit(validation_split=0.5, validation_batch_size=0),
        ValueError,
        r"validation_batch_size of 1 or more, got 0",
    ),
    # the loop
    Wrong(
        "batch of 0",
        fit(batch_size=0),
        ValueError,
        r"\.fit: expected batch_size of 1 or more, got 0",
    ),
    Wrong("batch of -1", fit(batch_size=-1), ValueError, r"batch_size of 1 or more, got -1"),
    Wrong("batch of 2.5", fit(batch_size=2.5), TypeError, r"batch_size as an int, got 2\.5"),
    Wrong("batch as a bool", fit(batch_size=True), TypeError, r"batch_size as an int, got True"),
    Wrong(
        "predicting in batches of 0",
        lambda m: m.predict(X, batch_size=0),
        ValueError,
        r"\.predict: expected batch_size of 1 or more, got 0",
    ),
    Wrong(
        "evaluating in batches of 0",
        lambda m: m.evaluate(X, Y, batch_size=0),
        ValueError,
        r"\.evaluate: expected batch_size of 1 or more, got 0",
    ),
    Wrong(
        "epochs below 0", fit(epochs=-1), ValueError, r"\.fit: expected epochs of 0 or more, got -1"
    ),
    Wrong("half an epoch", fit(epochs=0.5), TypeError, r"epochs as an int, got 0\.5"),
    Wrong(
        "first epoch below 0",
        fit(initial_epoch=-1),
        ValueError,
        r"initial_epoch of 0 or more, got -1",
    ),
    Wrong("steps", fit(steps_per_epoch=3), NotImplementedError, r"steps_per_epoch=None, got 3"),
    Wrong(
        "validation steps",
        fit(validation_steps=3),
        NotImplementedError,
        r"validation_steps=None, got 3",
    ),
    Wrong(
        "steps to evaluate",
        lambda m: m.evaluate(X, Y, steps=1),
        NotImplementedError,
        r"\.evaluate: expected steps=None, got 1",
    ),
    Wrong(
        "steps to predict",
        lambda m: m.predict(X, steps=1),
        NotImplementedError,
        r"\.predict: expected steps=None, got 1",
    ),
    Wrong(
        "shuffle misspelt",
        fit(shuffle="random"),
        ValueError,
        r"shuffle as True, False, 'batch' or 'reshuffle', got 'random'",
    ),
    Wrong("shuffle as an array", fit(shuffle=np.arange(3)), ValueError, r"shuffle as True, False"),
    Wrong(
        "verbose as a word",
        lambda m: m.fit(X, Y, verbose="loud"),
        ValueError,
        r"verbose as 'auto', 0, 1 or 2, got 'loud'",
    ),
    Wrong(
        "callback that is none",
        fit(callbacks=[Unfinished()]),
        TypeError,
        r"callbacks: expected objects of classes that extend Callback",
    ),
    Wrong(
        "callback class",
        fit(callbacks=[callbacks.EarlyStopping]),
        TypeError,
        r"objects of classes that extend Callback",
    ),
    Wrong(
        "callback by name",
        lambda m: m.predict(X, callbacks="early"),
        TypeError,
        r"objects of classes that extend Callback, got 'early'",
    ),
    # compile
    Wrong(
        "optimizer misspelt",
        lambda m: m.compile("rmspop", "mse"),
        ValueError,
        r"Optimizer 'rmspop': .*Did you mean 'rmsprop'\?",
    ),
    Wrong(
        "no optimizer",
        lambda m: m.compile(None, "mse"),
        ValueError,
        r"Sequential '.*': expected an optimizer, got None",
    ),
    Wrong(
        "loss misspelt",
        lambda m: m.compile("sgd", "categorical_crosentropy"),
        ValueError,
        r"Loss 'categorical_crosentropy': .*Did you mean 'categorical_crossentropy'\?",
    ),
    Wrong(
        "several losses",
        lambda m: m.compile("sgd", ["mse", "mae"]),
        TypeError,
        r"Loss: expected a name, .*got \['mse', 'mae'\]",
    ),
    Wrong(
        "loss weights",
        lambda m: m.compile("sgd", "mse", loss_weights=[1.0]),
        NotImplementedError,
        r"loss_weights=None, got \[1\.0\]",
    ),
    Wrong(
        "loss that is not reduced",
        lambda m: m.compile("sgd", MSE(reduction="none")),
        ValueError,
        r"a loss that is reduced to one number, got reduction 'none'",
    ),
    Wrong(
        "metrics as a string",
        lambda m: m.compile("sgd", "mse", metrics="accuracy"),
        ValueError,
        r"compile: expected metrics as a list, tuple or dict, got 'accuracy'\. Write metrics=\['accuracy'\]",
    ),
    Wrong(
        "metric misspelt",
        lambda m: m.compile("sgd", "mse", metrics=["acurracy"]),
        ValueError,
        r"[Mm]etric 'acurracy': .*Did you mean '.*accuracy'",
    ),
    Wrong(
        "fit without a loss",
        lambda m: (m.compile("sgd"), m.fit(X, Y)),
        ValueError,
        r"\.fit: expected a loss, got none\. Call compile",
    ),
    Wrong(
        "freezing after compile",
        frozen_after_compile,
        RuntimeError,
        r"the weights it was compiled for, got other trainable ones\. Call compile\(\) again",
    ),
    # one batch, one pass
    Wrong(
        "other features on a batch",
        lambda m: m.train_on_batch(X[:, :4], Y),
        ValueError,
        r"x of shape \(N, 5\), got \(N, 4\)",
    ),
    Wrong("no labels on a batch", lambda m: m.train_on_batch(X), ValueError, r"labels y, got None"),
    Wrong(
        "no labels on a test batch", lambda m: m.test_on_batch(X), ValueError, r"labels y, got None"
    ),
    Wrong(
        "other features on a predicted batch",
        lambda m: m.predict_on_batch(X[:, :4]),
        ValueError,
        r"x of shape \(N, 5\), got \(N, 4\)",
    ),
    Wrong(
        "backward of nothing yet",
        lambda m: m.__class__([sn.Input((D,)), Dense(3)]).backward(Y),
        RuntimeError,
        r"a forward pass with training=True before backward",
    ),
    Wrong(
        "gradients of other labels",
        lambda m: m.loss_and_gradients(X, LABELS),
        ValueError,
        r"labels of shape \(N, 3\)",
    ),
    Wrong(
        "backward after predict",
        lambda m: (m.predict(X, verbose=0), m.backward(Y)),
        RuntimeError,
        r"a forward pass with training=True before backward, got none",
    ),
    Wrong(
        "backward of another shape",
        lambda m: (m(X), m.backward(Y[:, :2])),
        ValueError,
        r"dy of the output's shape \(6, 3\), got \(6, 2\)",
    ),
    Wrong(
        "backward of words",
        lambda m: (m(X), m.backward([["a"] * K] * N)),
        TypeError,
        r"dy as an array of numbers, got dtype <U1",
    ),
    # weights and layers
    Wrong(
        "too few weights",
        lambda m: m.set_weights(m.get_weights()[:3]),
        ValueError,
        r"expected 8 weight arrays, got 3",
    ),
    Wrong(
        "weights of another shape",
        lambda m: m.set_weights(m.get_weights()[::-1]),
        ValueError,
        r"weight 0 of shape \(5, 4\), got \(3,\)",
    ),
    Wrong(
        "weights of words",
        lambda m: m.set_weights([np.full(w.shape, "x") for w in m.weights]),
        TypeError,
        r"weight 0 as an array of numbers, got dtype <U1",
    ),
    Wrong(
        "weights as None",
        lambda m: m.set_weights(None),
        TypeError,
        r"a list of 8 weight arrays, got None",
    ),
    Wrong(
        "a layer's weights of another shape",
        lambda m: m.layers[0].set_weights([np.zeros((4, 5)), np.zeros(4)]),
        ValueError,
        r"Dense 'dense.*': expected weight 0 of shape \(5, 4\), got \(4, 5\)",
    ),
    Wrong(
        "unknown layer",
        lambda m: m.get_layer("dnse"),
        ValueError,
        r"Layer 'dnse': .*Did you mean 'dense",
    ),
    Wrong("no layer", lambda m: m.get_layer(), ValueError, r"a name or an index, got neither"),
    Wrong(
        "name and index",
        lambda m: m.get_layer("dense", 0),
        ValueError,
        r"a name or an index, got both",
    ),
    Wrong(
        "index too large", lambda m: m.get_layer(index=9), ValueError, r"an index below 4, got 9"
    ),
    Wrong(
        "index as a word",
        lambda m: m.get_layer(index="first"),
        TypeError,
        r"index as an int, got 'first'",
    ),
    Wrong(
        "layer added that does not fit",
        lambda m: m.add(Conv2D(2, 3)),
        ValueError,
        r"x of shape \(N, H, W, C\), got \(N, 3\)",
    ),
    Wrong(
        "layer added that is none",
        lambda m: m.add("softmax"),
        ValueError,
        r"a layer of scratchnet\.layers, got 'softmax'",
    ),
    Wrong(
        "gradient check with no step",
        lambda m: sn.gradcheck(m, X, Y, h=0),
        ValueError,
        r"gradcheck: expected h above 0, got 0",
    ),
    Wrong(
        "gradient check of nothing",
        lambda m: sn.gradcheck(m, X, Y, samples=0),
        ValueError,
        r"gradcheck: expected samples of 1 or more, got 0",
    ),
    Wrong(
        "gradient check of other labels",
        lambda m: sn.gradcheck(m, X, LABELS),
        ValueError,
        r"labels of shape \(N, 3\)",
    ),
]


def remembered(model: sn.Sequential) -> list[Any]:
    """All that a wrong use must not change: weights, dropout's counter, the slots, the layers."""
    counts = [layer.seed_generator.state for layer in model.layers if isinstance(layer, Dropout)]
    layers_now = [(layer.name, layer.built) for layer in model.layers]
    return [[w.tolist() for w in model.get_weights()], counts, layers_now]


@pytest.mark.parametrize("wrong", MODELS, ids=ids(MODELS))
def test_wrong_use_of_a_model_raises_and_changes_nothing(wrong):
    model = trained()
    optimizer, slots = model.optimizer, [np.array(v) for v in model.optimizer.variables]
    before = remembered(model)
    check(wrong, model)
    assert remembered(model) == before
    if model.optimizer is optimizer:  # else the wrong use has compiled it anew
        for now, then in zip(optimizer.variables, slots, strict=True):
            np.testing.assert_array_equal(now, then)
    model.compile("sgd", "categorical_crossentropy")
    assert np.isfinite(model.train_on_batch(X, Y))
