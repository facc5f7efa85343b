"""What a thing is, written down as Keras writes it, and made again from that."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import initializers, layers, losses, metrics, optimizers, regularizers
from scratchnet.models import load_model
from scratchnet.optimizers import schedules
from scratchnet.registry import read_array, write_array
from scratchnet.saving.configs import from_keras, layer_from_keras, one_output, to_keras

L, I, R, S = layers, initializers, regularizers, schedules

LAYERS = [
    L.Activation("gelu", name="a"),
    L.AveragePooling2D((2, 3), strides=1, padding="same"),
    L.BatchNormalization(
        axis=1, momentum=0.5, epsilon=0.25, center=False, gamma_regularizer="l2", trainable=False
    ),
    L.Conv2D(4, (3, 2), strides=(2, 1), padding="same", activation="elu", use_bias=False),
    L.Conv2D(4, 3, dilation_rate=2, kernel_initializer=I.HeNormal(seed=3), dtype="float64"),
    L.Dense(
        *(3, "softmax"),
        kernel_initializer=I.VarianceScaling(2.0, "fan_avg", "uniform", seed=4),
        bias_initializer=I.Constant(np.array([0.1, 0.2, 0.3])),
        kernel_regularizer=R.L1L2(0.5, 0.25),
        bias_regularizer=R.L1(0.125),
        activity_regularizer=R.L2(0.5),
    ),
    L.Dropout(0.25, noise_shape=(None, 1), seed=3),
    L.Flatten(),
    L.GlobalAveragePooling2D(keepdims=True),
    L.GlobalMaxPooling2D(),
    L.Input((None, 3), batch_size=4, dtype="float64"),
    L.LeakyReLU(0.25),
    L.MaxPooling2D(3, padding="same"),
    L.ReLU(max_value=6, negative_slope=0.5, threshold=0.25),
    L.Rescaling([0.5, 0.25], offset=np.array([0.1, 0.2])),
    L.Reshape((2, -1)),
    L.Softmax(axis=1),
    L.ZeroPadding2D(((1, 2), (3, 0))),
]
OTHERS = [
    *(I.Orthogonal(0.5, seed=1), I.RandomUniform(-1, 1), I.TruncatedNormal(0.5, 2.0, seed=3)),
    *(I.Identity(2.0), I.GlorotUniform(seed=1), I.Constant(0.5)),
    losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.25, reduction="sum"),
    losses.BinaryCrossentropy(label_smoothing=0.5, name="mine"),
    losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2),
    losses.Huber(delta=0.5),
    metrics.Precision(thresholds=[0.25, 0.5], class_id=1, name="p"),
    metrics.TopKCategoricalAccuracy(3, name="top", dtype="float64"),
    metrics.BinaryCrossentropy(from_logits=True, label_smoothing=0.25),
    metrics.MeanMetricWrapper(metrics.categorical_accuracy, name="w"),
    metrics.MeanMetricWrapper(losses.huber, name="h", delta=0.5),
    optimizers.SGD(0.5, momentum=0.5, nesterov=True, clipnorm=1.0, weight_decay=0.25),
    optimizers.RMSprop(0.5, rho=0.5, momentum=0.25, centered=True, clipvalue=1.0),
    optimizers.Adagrad(0.5, initial_accumulator_value=0.5, epsilon=0.25),
    optimizers.Adam(S.ExponentialDecay(0.5, 3, 0.5, staircase=True), amsgrad=True),
    optimizers.AdamW(S.CosineDecay(0.5, 7, alpha=0.5, warmup_target=1.0, warmup_steps=2), 0.125),
    optimizers.SGD(S.PiecewiseConstantDecay([2, 5], [0.5, 0.25, 0.125])),
    optimizers.SGD(S.PolynomialDecay(0.5, 3, 0.25, power=2.0, cycle=True)),
    optimizers.SGD(S.InverseTimeDecay(0.5, 3, 0.25)),
    optimizers.SGD(S.CosineDecayRestarts(0.5, 3)),
]


def plain(value: Any) -> Any:
    """As it comes out of a JSON file."""
    return json.loads(json.dumps(value))


def test_every_layer_is_here() -> None:
    assert {type(layer).__name__ for layer in LAYERS} == set(layers.LAYERS)


@pytest.mark.parametrize("thing", [*LAYERS, *OTHERS], ids=lambda t: type(t).__name__)
def test_a_config_makes_the_thing_again(thing: Any) -> None:
    config = plain(thing.get_config()) if not hasattr(thing, "_fn") else thing.get_config()
    assert plain(to_keras(type(thing).from_config(config))) == plain(to_keras(thing))


@pytest.mark.parametrize("layer", LAYERS, ids=lambda t: type(t).__name__)
def test_a_layer_as_keras_writes_it_makes_the_layer_again(layer: Any) -> None:
    written = plain(to_keras(layer))
    assert written["module"] == "keras.layers"
    read = layer_from_keras(written)
    made = layers.LAYERS[read["class_name"]].from_config(read["config"])
    assert plain(to_keras(made)) == written


def round_trip(path: Path, **options: Any) -> Any:
    """A model compiled so, after a file."""
    model = sn.Sequential(
        [sn.Input((4,)), L.Dense(3, activation="softmax", name="out")], name="mine"
    )
    model.compile(**options)
    model.build_optimizer()
    model.save(path / "m.keras")
    loaded = load_model(path / "m.keras")
    x, y = np.random.RandomState(0).random_sample((5, 4)), np.eye(3)[[0, 1, 2, 0, 1]]
    weights = np.arange(5.0)
    logs = [m.train_on_batch(x, y, weights, return_dict=True) for m in (model, loaded)]
    assert logs[0] == logs[1]
    return loaded, logs[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("options", "names"),
    [
        (
            lambda: {"metrics": ["acc", "MSE", metrics.categorical_accuracy]},
            "MSE acc categorical_accuracy",
        ),
        (lambda: {"metrics": {"out": ["acc", metrics.Recall(name="r")]}}, "acc r"),
        (lambda: {"metrics": [["acc"], [metrics.MeanSquaredError(name="m")]]}, "acc m"),
        (lambda: {"weighted_metrics": {"out": "mae"}, "metrics": ["mae"]}, "mae weighted_mae"),
        (
            lambda: {
                "loss": losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.25)
            },
            "",
        ),
        (lambda: {"loss": losses.Huber(delta=0.125, reduction="sum")}, ""),
        (lambda: {"loss": losses.mean_absolute_error}, ""),
        (lambda: {"optimizer": optimizers.Adam(S.CosineDecay(0.5, 4), clipnorm=0.5)}, ""),
    ],
)
def test_a_model_is_compiled_as_it_was(
    tmp_path: Path, dtype: str, options: Any, names: str
) -> None:
    sn.config.set_floatx(dtype)
    defaults = {"optimizer": "sgd", "loss": "categorical_crossentropy"}
    loaded, logs = round_trip(tmp_path, **(defaults | options()))
    assert (loaded.name, loaded.dtype) == ("mine", dtype)
    assert set(logs) == {"loss", *names.split()}


def test_a_model_without_weights_is_read(tmp_path: Path) -> None:
    import io
    import zipfile

    import h5py

    model = sn.Sequential([sn.Input((4,)), L.Dense(3)])
    model.compile("adam", "mse")
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        config = json.loads(archive.read("config.json"))
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_group("layers/dense/vars")
    config["config"]["layers"].pop(0)
    config["config"]["build_input_shape"] = config["build_config"] = None
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", content.getvalue())
    loaded = load_model(tmp_path / "m.keras")
    assert (loaded.built, loaded.compiled) == (False, True)
    loaded.fit(np.ones((5, 7)), np.ones((5, 3)), verbose=0)
    assert loaded.input_shape == (None, 7)


def test_what_was_given_for_one_output_stands_alone() -> None:
    assert one_output({"out": ["mse"]}) == "mse"
    assert one_output(["mse", "mae"]) == ["mse", "mae"]
    assert one_output({"class_name": "Huber"}) == {"class_name": "Huber"}
    assert one_output(None) is None


def test_arrays_are_written_with_their_dtype() -> None:
    for array in (np.array([[1.5, 2.0]], np.float32), np.array([3], np.int64)):
        made = read_array(plain(write_array(array)))
        assert made.dtype == array.dtype
        np.testing.assert_array_equal(made, array)
        assert from_keras(to_keras(write_array(array))).dtype == array.dtype
    assert write_array(0.5) == 0.5
    for config, message in (
        ({"dtype": "object", "value": [1]}, "expected an array of float32, .* got 'object'"),
        ({"dtype": "float32", "value": [[1], [2, 3]]}, "expected an array of float32, got {'dtype"),
        ({"dtype": "uint8", "value": [300]}, "expected an array of uint8, got"),
        ({"dtype": "float32"}, "expected an array of float32, got"),
        (None, "expected an array of float32, .* got None"),
    ):
        with pytest.raises(ValueError, match=message):
            from_keras({"class_name": "__numpy__", "config": config})


def test_functions_that_a_metric_wraps_are_known_by_name() -> None:
    config = {"class_name": "MeanMetricWrapper", "config": {"fn": "top_k_categorical_accuracy"}}
    assert metrics.deserialize(config)._fn is metrics.top_k_categorical_accuracy
    for fn in ("system", None, {"class_name": "os"}):
        with pytest.raises(ValueError, match=r"metric .*: expected one of the known names"):
            metrics.deserialize(config | {"config": {"fn": fn}})
