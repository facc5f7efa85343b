"""Models in .h5 files of Keras 2 and 3: what is read, and what is refused before anything changes.

The files are made here with h5py; parity_tests/test_interchange.py reads those that Keras made.
"""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import scratchnet as sn
from scratchnet.models import load_model
from scratchnet.saving import legacy_file

RANDOM = np.random.RandomState(1)
WEIGHTS = {
    "first": {"first/kernel": (4, 3), "first/bias": (3,)},
    "second": {
        f"second/{name}": (3,) for name in ("gamma", "beta", "moving_mean", "moving_variance")
    },
    "third": {},
    "fourth": {"fourth/kernel": (3, 2), "fourth/bias": (2,)},
}
LAYERS: list[dict[str, Any]] = [
    {"class_name": "InputLayer", "config": {"batch_shape": [None, 4], "dtype": "float32"}},
    {"class_name": "Dense", "config": {"name": "first", "units": 3, "activation": "relu"}},
    {"class_name": "BatchNormalization", "config": {"name": "second", "axis": -1}},
    {"class_name": "Dropout", "config": {"name": "third", "rate": 0.5}},
    {"class_name": "Dense", "config": {"name": "fourth", "units": 2, "activation": "softmax"}},
]
MODEL = {"class_name": "Sequential", "config": {"name": "m", "layers": LAYERS}}
TRAINING = {
    "loss": "categorical_crossentropy",
    "metrics": ["accuracy"],
    "weighted_metrics": None,
    "loss_weights": None,
    "optimizer_config": {
        "class_name": "RMSprop",
        "config": {"name": "rmsprop", "learning_rate": 0.25, "rho": 0.5},
    },
}


def attribute(node: Any, name: str, values: list[str]) -> None:
    node.attrs[name] = np.array(values, "S") if values else np.zeros(0)


def put_weights(node: Any, weights: Any = WEIGHTS) -> dict[str, Any]:
    """Layers with random arrays; what was written, by name."""
    attribute(node, "layer_names", list(weights))
    written = {}
    for layer, shapes in weights.items():
        inside = node.create_group(layer)
        attribute(inside, "weight_names", list(shapes))
        for name, shape in shapes.items():
            inside[name] = written[name] = RANDOM.random_sample(shape).astype(np.float32)
    return written


def put_optimizer(node: Any, version: str = "3.15.1") -> dict[str, Any]:
    """RMSprop's state after 7 updates."""
    node.attrs["keras_version"] = version
    inside = node.create_group("optimizer_weights")
    state: dict[str, Any] = {"rmsprop/iteration": np.int64(7), "rmsprop/rate": np.float32(0.125)}
    for name, shape in (pair for shapes in WEIGHTS.values() for pair in shapes.items()):
        if "moving" not in name:
            state[f"rmsprop/{name}_velocity"] = RANDOM.random_sample(shape).astype(np.float32)
    attribute(inside, "weight_names", list(state))
    for name, value in state.items():
        inside[name] = value
    return state


def write(path: Path, model: Any = MODEL, training: Any = TRAINING, version: str = "3") -> Any:
    """A whole file: its weights and the optimizer's state."""
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(model)
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
        return put_weights(file.create_group("model_weights")), put_optimizer(file, version)


def with_layer(index: int, **changes: Any) -> Any:
    """MODEL with other options, or another class_name, of one layer."""
    layers = json.loads(json.dumps(LAYERS))
    layers[index]["class_name"] = changes.pop("class_name", layers[index]["class_name"])
    layers[index]["config"] |= changes
    return {"class_name": "Sequential", "config": {"name": "m", "layers": layers}}


def assert_weights(model: Any, written: Any) -> None:
    for mine, value in zip(model.get_weights(), written.values(), strict=True):
        np.testing.assert_array_equal(mine, value)


def test_a_model_comes_back_compiled_with_its_optimizers_state(tmp_path: Path) -> None:
    for name in ("m.h5", "m.hdf5"):
        weights, state = write(tmp_path / name)
        model = load_model(tmp_path / name)
        assert_weights(model, weights)
        assert type(model.optimizer).__name__ == "RMSprop"
        for mine, value in zip(model.optimizer.variables, state.values(), strict=True):
            np.testing.assert_array_equal(mine, value)
        assert (model.optimizer.iterations, model.optimizer.learning_rate) == (7, 0.125)
        x, y = RANDOM.random_sample((5, 4)), np.eye(2)[[0, 1, 1, 0, 1]]
        model.fit(x, y, verbose=0)
        assert model.metrics_names == ["loss", "accuracy"]


def test_without_compile_settings_the_model_only_predicts(tmp_path: Path) -> None:
    write(tmp_path / "m.h5", training=None)
    assert not load_model(tmp_path / "m.h5").compiled
    write(tmp_path / "m.h5")
    assert not load_model(tmp_path / "m.h5", compile=False).compiled


def test_weights_come_from_files_of_weights_and_of_models(tmp_path: Path) -> None:
    weights, _ = write(tmp_path / "m.h5")
    model = load_model(tmp_path / "m.h5", compile=False)
    for layer in model.layers:
        layer.name += "_of_another_name"  # the order counts, not the names
    for array in model.weights:
        array[...] = 0
    model.load_weights(tmp_path / "m.h5")
    assert_weights(model, weights)
    with h5py.File(tmp_path / "w.h5", "w") as file:
        weights = put_weights(file)
    model.load_weights(tmp_path / "w.h5")
    assert_weights(model, weights)


def test_a_long_list_of_names_comes_in_parts(tmp_path: Path) -> None:
    weights, _ = write(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        node = file["model_weights"]
        layer_names = list(node.attrs["layer_names"])
        del node.attrs["layer_names"]
        node.attrs["layer_names0"], node.attrs["layer_names1"] = layer_names[:3], layer_names[3:]
    assert_weights(load_model(tmp_path / "m.h5"), weights)


def test_what_keras_2_wrote_is_read(tmp_path: Path) -> None:
    old = {
        "class_name": "VarianceScaling",
        "config": {"distribution": "normal", "dtype": "float32"},
    }
    layers = [
        {
            "class_name": "Dense",
            "config": {
                **{"name": "first", "units": 3, "batch_input_shape": [None, 4]},
                "kernel_initializer": old,
            },
        },
        {"class_name": "BatchNormalization", "config": {"name": "second", "axis": [1]}},
        {"class_name": "LeakyReLU", "config": {"name": "third", "alpha": 0.25}},
        {
            "class_name": "Dense",
            "config": {
                **{"name": "fourth", "units": 2, "activation": "softmax"},
                "dtype": {"class_name": "Policy", "config": {"name": "float32"}},
            },
        },
    ]
    loss = {"class_name": "Huber", "config": {"reduction": "auto", "fn": "huber", "delta": 0.5}}
    mean = {"class_name": "MeanMetricWrapper", "config": {"name": "a", "fn": "binary_accuracy"}}
    optimizer = {"lr": 0.25, "rho": 0.5, "decay": 0.0, "ema_overwrite_frequency": 100}
    newer = optimizer | {"is_legacy_optimizer": False, "jit_compile": True, "use_ema": False}
    for name, config in (("RMSprop", optimizer), ("Custom>RMSprop", newer)):
        training = {
            "loss": loss,
            "metrics": [[mean]],
            "optimizer_config": {"class_name": name, "config": config},
        }
        model = {"class_name": "Sequential", "config": layers}
        weights, _ = write(tmp_path / "m.h5", model, training, "2.2.4")
        read = load_model(tmp_path / "m.h5")
        assert_weights(read, weights)
        assert (read.optimizer.learning_rate, read.optimizer.iterations) == (0.125, 7)
        assert read.loss.get_config() | {"name": ""} == {
            **{"name": "", "reduction": "sum_over_batch_size", "delta": 0.5}
        }
        assert read.layers[0].kernel_initializer.distribution == "truncated_normal"
        assert (read.layers[1].axis, read.layers[2].negative_slope) == (1, 0.25)
        assert read.input_shape == (None, 4)
    model = with_layer(0, batch_input_shape=[None, 4])
    del model["config"]["layers"][0]["config"]["batch_shape"]
    write(tmp_path / "m.h5", model)
    assert load_model(tmp_path / "m.h5").input_shape == (None, 4)


def test_a_decay_is_left_out_with_a_warning_as_in_keras(tmp_path: Path) -> None:
    training = json.loads(json.dumps(TRAINING))
    training["optimizer_config"]["config"]["decay"] = 0.01
    write(tmp_path / "m.h5", training=training)
    with pytest.warns(UserWarning, match="`decay` is no longer supported"):
        load_model(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("version", "optimizer", "message"),
    [
        ("2.9.0", "Adam", "rmsprop: expected 14 arrays of Keras 3, got 8 of Keras 2.9.0. The"),
        ("3.0.1", "Adam", "rmsprop: expected 14 arrays of Keras 3, got 8 of Keras 3.0.1. The"),
    ],
)
def test_state_that_does_not_fit_is_left_with_a_warning(
    tmp_path: Path, version: str, optimizer: str, message: str
) -> None:
    config = {"name": "rmsprop", "learning_rate": 0.25}
    training = TRAINING | {"optimizer_config": {"class_name": optimizer, "config": config}}
    write(tmp_path / "m.h5", training=training, version=version)
    with pytest.warns(UserWarning, match=f"{message} optimizer starts anew"):
        model = load_model(tmp_path / "m.h5")
    assert (model.optimizer.iterations, model.optimizer.learning_rate) == (0, 0.25)


def test_two_slots_of_keras_2_are_left_for_their_order(tmp_path: Path) -> None:
    schedule = {"class_name": "ExponentialDecay", "config": {}}
    schedule["config"] = {"initial_learning_rate": 0.5, "decay_steps": 2, "decay_rate": 0.5}
    config = {"name": "adam", "learning_rate": schedule}
    training = TRAINING | {"optimizer_config": {"class_name": "Adam", "config": config}}
    write(tmp_path / "m.h5", training=training, version="2.9.0")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        inside = file["optimizer_weights"]
        names = [f"s{n}" for n in range(13)]
        attribute(inside, "weight_names", names)
        for name in names:
            inside[name] = 1
    with pytest.warns(UserWarning, match="expected 13 arrays of Keras 3, got 13 of Keras 2.9.0"):
        load_model(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("model", "training", "message"),
    [
        (with_layer(1, class_name="LSTM"), TRAINING, "Layer 'LSTM': expected one of the known"),
        (with_layer(1, class_name="Lambda"), TRAINING, "Layer 'Lambda': expected one of the"),
        (with_layer(1, class_name="Custom>Dense"), TRAINING, "Layer 'Custom>Dense': expected one"),
        (with_layer(1, lora_rank=4), TRAINING, "arguments that this layer has, got lora_rank"),
        (with_layer(1, dtype="mixed_float16"), TRAINING, "dtype 'mixed_float16': expected one"),
        (MODEL | {"class_name": "Functional"}, TRAINING, "expected a Sequential, got 'Functional'"),
        (MODEL | {"config": {"name": "m"}}, TRAINING, "Model: expected layers in its config"),
        (MODEL | {"config": 3}, TRAINING, "expected a model in model_config, got"),
        (MODEL | {"config": {"layers": 3}}, TRAINING, "expected a model in model_config, got"),
        (MODEL | {"config": [3]}, TRAINING, "Config: expected a layer as"),
        ([3], TRAINING, r"expected a model in model_config, got \[3\]"),
        (MODEL, 3, "expected compile_config as a dict with an optimizer, got 3"),
        (MODEL, {"loss": "mse"}, "expected compile_config as a dict with an optimizer"),
        (MODEL, TRAINING | {"optimizer_config": 3}, "Optimizer: expected a name, a config"),
        (MODEL, TRAINING | {"loss": "poisson"}, "Loss 'poisson': expected one of the known"),
        (MODEL, TRAINING | {"metrics": ["auc"]}, "metric 'auc': expected one of the known"),
        (MODEL, TRAINING | {"loss_weights": [1]}, "ScratchNet has no loss_weights"),
        (
            MODEL,
            TRAINING | {"optimizer_config": {"class_name": "Nadam", "config": {}}},
            "Optimizer 'nadam': expected one of the known names",
        ),
        (
            MODEL,
            TRAINING | {"metrics": [{"class_name": "MeanMetricWrapper", "config": {"fn": "os"}}]},
            "metric 'os': expected one of the known names",
        ),
    ],
)
def test_what_we_do_not_have_is_refused_by_name(
    tmp_path: Path, model: Any, training: Any, message: str
) -> None:
    write(tmp_path / "m.h5", model, training)
    with pytest.raises((ValueError, TypeError, NotImplementedError), match=message) as caught:
        load_model(tmp_path / "m.h5")
    assert str(caught.value).startswith(f"Model file '{tmp_path / 'm.h5'}': ")


def change_weight(file: Any, value: Any = None, **options: Any) -> None:
    """The kernel of the first layer as another dataset, or as another thing."""
    inside = file["model_weights/first/first"]
    del inside["kernel"]
    if value is not None:
        inside["kernel"] = value
    elif options:
        inside.create_dataset("kernel", **options)


def external(file: Any) -> None:
    change_weight(file, shape=(4, 3), dtype="f4", external=[("/etc/hostname", 0, 48)])


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[...] = h5py.VirtualSource("other.h5", "x", (4, 3))
    inside = file["model_weights/first/first"]
    del inside["kernel"]
    inside.create_virtual_dataset("kernel", layout)


def name_weight(file: Any, name: str) -> None:
    attribute(file["model_weights/first"], "weight_names", [name, "first/bias"])


def add_top_level(file: Any) -> None:
    attribute(file["model_weights"].create_group("top_level_model_weights"), "weight_names", ["a"])


WRONG_FILES: list[tuple[Any, str]] = [
    (lambda f: change_weight(f), r"array first/kernel of numbers, of shape \(4, 3\), got none"),
    (lambda f: change_weight(f, np.ones((3, 4))), r"got float64 of shape \(3, 4\)"),
    (lambda f: change_weight(f, np.full((4, 3), b"text")), r"got \w.* of shape \(4, 3\)"),
    (
        lambda f: change_weight(f, shape=(2**40, 2**20), dtype="f4", chunks=(1, 1)),
        "expected a shape that fits in memory, got .10995116",
    ),
    (lambda f: change_weight(f, h5py.SoftLink("/x")), "in the file itself, got a soft link"),
    (lambda f: change_weight(f, h5py.ExternalLink("a.h5", "/x")), "got a link to another file"),
    (external, "that are in the file itself, got 'model_weights/first/first/kernel' in another"),
    (virtual, "got a virtual dataset"),
    (
        lambda f: name_weight(f, "../fourth/fourth/kernel"),
        "array ../fourth/fourth/kernel .*, got none",
    ),
    (lambda f: name_weight(f, "./first/kernel"), "array ./first/kernel .*, got none"),
    (lambda f: name_weight(f, "/model_weights/first"), "array /model_weights/first .*, got none"),
    (lambda f: name_weight(f, "first"), "array first .*, got a group"),
    (lambda f: name_weight(f, "first/bias/deeper"), "array first/bias/deeper .*, got none"),
    (add_top_level, "expected weights in layers only, got top_level_model_weights"),
    (
        lambda f: f["model_weights"].attrs.__setitem__("layer_names", 3.0),
        r"expected layer_names as a list of texts, got an attribute of shape \(\)",
    ),
    (
        lambda f: f["model_weights"].attrs.__setitem__("layer_names", np.ones(3)),
        "expected layer_names as text, got numbers",
    ),
    (
        lambda f: attribute(f["model_weights"], "layer_names", ["first", "nosuch"]),
        "expected a group 'nosuch', got none",
    ),
    (
        lambda f: attribute(f["model_weights"], "layer_names", ["first", "second"]),
        "expected 3 layers with weights, got 2. Another model's",
    ),
    (
        lambda f: attribute(f["model_weights/first"], "weight_names", ["first/kernel"]),
        "expected 2 arrays for Dense 'first', got 1. Another model's",
    ),
]


@pytest.mark.parametrize(("change", "message"), WRONG_FILES)
def test_files_that_do_not_fit_change_nothing(tmp_path: Path, change: Any, message: str) -> None:
    path = tmp_path / "m.h5"
    write(path)
    model = load_model(path)
    with h5py.File(path, "a") as file:
        change(file)
    before = model.get_weights()
    with pytest.raises(ValueError, match=message) as caught:
        model.load_weights(path)
    assert str(caught.value).startswith(f"Weights file '{path}'")
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=message) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"Model file '{path}'")


def test_more_names_than_a_model_has_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "m.h5")
    monkeypatch.setattr(legacy_file, "MAX_NAMES", 3)
    with pytest.raises(ValueError, match=r"layer_names of at most 3 texts, got 4"):
        load_model(tmp_path / "m.h5")


def test_state_behind_a_link_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        del file["optimizer_weights/rmsprop/rate"]
        file["optimizer_weights/rmsprop/rate"] = h5py.SoftLink("/x")
    with pytest.raises(ValueError, match="in the file itself, got a soft link"):
        load_model(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, r"expected a model_config, got none. For weights alone there is model.load_weights"),
        ("{", "model_config: expected JSON, got Expecting"),
        ('{"a": NaN}', "model_config: expected finite numbers, got NaN"),
        ("[" * 1000, "model_config: expected at most 64 lists in each other"),
        (np.ones(3), r"expected model_config as a text, got an attribute of shape \(3"),
        (3.0, "expected model_config as text, got numbers"),
    ],
)
def test_configs_that_are_none_are_refused(tmp_path: Path, config: Any, message: str) -> None:
    path = tmp_path / "m.h5"
    with h5py.File(path, "w", track_order=True, libver="latest") as file:
        if config is not None:
            file.attrs["model_config"] = config
    with pytest.raises(ValueError, match=message) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"Model file '{path}'")


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.h5"
    with pytest.raises(FileNotFoundError, match="expected an HDF5 file, got no such file"):
        load_model(path)
    (tmp_path / "d.h5").mkdir()
    with pytest.raises(FileNotFoundError, match="expected an HDF5 file, got a folder"):
        load_model(tmp_path / "d.h5")
    path.write_bytes(b"not an HDF5 file")
    with pytest.raises(ValueError, match="expected a whole HDF5 file, got"):
        load_model(path)
    write(path)
    model = load_model(path)
    path.write_bytes(path.read_bytes()[:4000])
    for read in (load_model, model.load_weights):
        with pytest.raises(ValueError, match="expected a whole HDF5 file, got"):
            read(path)


def test_old_files_are_not_written(tmp_path: Path) -> None:
    write(tmp_path / "m.h5")
    model = load_model(tmp_path / "m.h5")
    with pytest.raises(ValueError, match=r"got .*n.h5'. Older .h5 models are read, not written"):
        model.save(tmp_path / "n.h5")
    with pytest.raises(ValueError, match=r"a file name that ends in .weights.h5 or .safetensors"):
        model.save_weights(tmp_path / "n.h5")
    unbuilt = sn.Sequential([sn.layers.Dense(3)])
    with pytest.raises(ValueError, match="expected a built model, got one without weights"):
        unbuilt.load_weights(tmp_path / "m.h5")
    with pytest.raises(NotImplementedError, match="ScratchNet has no by_name"):
        model.load_weights(tmp_path / "m.h5", by_name=True)
