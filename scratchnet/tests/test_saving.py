"""Models in files: what is written comes back whole, and what does not fit is refused."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import scratchnet as sn
from scratchnet.models import load_model


def trained(optimizer: Any = "adam", steps: int = 3, **options: Any) -> Any:
    """A small model of many kinds of layers after some steps."""
    model = sn.Sequential(
        [
            sn.Input((6, 6, 2)),
            sn.layers.Rescaling(0.5),
            sn.layers.Conv2D(3, 3, activation="relu", kernel_regularizer=sn.regularizers.L2(0.01)),
            sn.layers.BatchNormalization(),
            sn.layers.MaxPooling2D(),
            sn.layers.Flatten(),
            sn.layers.Dense(5, activation="elu", name="hidden"),
            sn.layers.Dropout(0.25),
            sn.layers.Dense(4, activation="softmax", bias_initializer="he_normal"),
        ]
    )
    options = {"loss": "categorical_crossentropy", "metrics": ["accuracy"]} | options
    model.compile(optimizer, **options)
    for _ in range(steps):
        model.train_on_batch(*batch())
    return model


def batch() -> tuple[Any, Any]:
    random = np.random.RandomState(3)
    return random.random_sample((9, 6, 6, 2)), np.eye(4)[random.randint(0, 4, 9)]


def losses(model: Any, steps: int = 3) -> list[Any]:
    for layer in model.layers:
        if isinstance(layer, sn.layers.Dropout):
            layer.mask = np.arange(5) % 4 != 0
    return [model.train_on_batch(*batch()) for _ in range(steps)]


@pytest.mark.parametrize(
    "optimizer",
    [
        "sgd",
        "rmsprop",
        "adagrad",
        lambda: sn.optimizers.Adam(0.01, amsgrad=True),
        lambda: sn.optimizers.AdamW(sn.optimizers.schedules.CosineDecay(0.01, 5), clipnorm=1.0),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loaded_model_goes_on_to_the_same_bits(
    tmp_path: Path, optimizer: Any, dtype: str
) -> None:
    before = sn.config.floatx()
    sn.config.set_floatx(dtype)
    try:
        model = trained(optimizer() if callable(optimizer) else optimizer)
        model.save(tmp_path / "m.keras")
        loaded = load_model(tmp_path / "m.keras")
        assert loaded.dtype == dtype
        assert losses(loaded) == losses(model)
        assert loaded.optimizer.iterations == 6
    finally:
        sn.config.set_floatx(before)


def test_the_archive_has_the_members_of_keras(tmp_path: Path) -> None:
    trained().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        config = json.loads(archive.read("config.json"))
        assert config["compile_config"]["optimizer"]["module"] == "keras.optimizers"
        kernel = config["config"]["layers"][2]["config"]["kernel_regularizer"]
        assert kernel["module"] == "keras.regularizers"
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
            assert file["layers/dense_1/vars/0"].shape == (5, 4)
            assert file["layers/dense/vars"].attrs["name"] == "hidden"
            assert file["optimizer/vars/0"][()] == 3


def test_metrics_and_losses_come_back_as_objects(tmp_path: Path) -> None:
    model = trained(
        loss=sn.losses.CategoricalCrossentropy(label_smoothing=0.125),
        metrics=["acc", sn.metrics.Precision(thresholds=0.25), sn.metrics.categorical_accuracy],
        weighted_metrics=[["mse"]],
    )
    model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    assert loaded.loss.get_config()["label_smoothing"] == 0.125
    loaded.test_on_batch(*batch())
    assert loaded.metrics_names == model.metrics_names


def test_without_compile_the_model_only_predicts(tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras", compile=False)
    assert not loaded.compiled
    x, _ = batch()
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_frozen_layers_stay_frozen(tmp_path: Path) -> None:
    model = trained(steps=0)
    model.layers[1].trainable = False
    losses(model)
    model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    assert [layer.trainable for layer in loaded.layers] == [
        layer.trainable for layer in model.layers
    ]
    assert losses(loaded) == losses(model)


@pytest.mark.parametrize("name", ["m.weights.h5", "m.keras"])
def test_weights_go_into_another_model_of_the_same_form(tmp_path: Path, name: str) -> None:
    model, other = trained(), trained(steps=1)
    (model.save_weights if name.endswith("h5") else model.save)(tmp_path / name)
    other.load_weights(tmp_path / name)
    assert losses(other) == losses(model)


def test_an_optimizer_that_does_not_fit_starts_anew_with_a_warning(tmp_path: Path) -> None:
    trained().save_weights(tmp_path / "m.weights.h5")
    other = trained("sgd")
    with pytest.warns(UserWarning, match="The optimizer starts anew") as caught:
        other.load_weights(tmp_path / "m.weights.h5")
    assert caught[0].filename == __file__
    assert other.optimizer.iterations == 3


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    trained().save(path)
    before = path.read_bytes()
    model = trained(metrics=[lambda y, p: 0.0], steps=0)
    with pytest.raises(TypeError, match="Saving: expected things that have a name in Keras"):
        model.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_weights_of_another_form_change_nothing(tmp_path: Path) -> None:
    trained().save_weights(tmp_path / "m.weights.h5")
    other = sn.Sequential([sn.Input((3,)), sn.layers.Dense(4)])
    before = other.get_weights()
    with pytest.raises(ValueError, match=r"m.weights.h5': expected the layers dense, got also"):
        other.load_weights(tmp_path / "m.weights.h5")
    wide = sn.Sequential([sn.Input((3,)), sn.layers.Dense(5)])
    other.save_weights(tmp_path / "n.weights.h5")
    with pytest.raises(ValueError, match=r"array 0 of numbers, of shape \(3, 5\), got float32"):
        wide.load_weights(tmp_path / "n.weights.h5")
    np.testing.assert_array_equal(before[0], other.get_weights()[0])
    more = sn.Sequential([sn.Input((3,)), sn.layers.Dense(4), sn.layers.Dense(4)])
    with pytest.raises(ValueError, match=r"expected 2 arrays for Dense 'dense_\d+', got 0"):
        more.load_weights(tmp_path / "n.weights.h5")


def changed(path: Path, change: Any) -> Path:
    """A copy of an archive whose config went through `change`."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
        change(config)
        new = path.with_name("changed.keras")
        with zipfile.ZipFile(new, "w") as out:
            out.writestr("config.json", json.dumps(config))
            out.writestr("model.weights.h5", archive.read("model.weights.h5"))
    return new


def set_in(*keys: Any) -> Any:
    """A change: the value at this path of keys, the last one given, is set."""

    def change(config: Any) -> None:
        *path, last, value = keys
        for key in path:
            config = config[key]
        config[last] = value

    return change


LAYER = ("config", "layers", 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_in(*LAYER, "class_name", "LSTM"), "Layer 'LSTM': expected one of the known names"),
        (set_in(*LAYER, "class_name", "Lambda"), "Layer 'Lambda': expected one of the known"),
        (set_in(*LAYER, "config", "lora_rank", 4), r"arguments that this layer has, got lora_rank"),
        (set_in(*LAYER, "module", "os"), "expected classes that Keras itself has, got 'Dense' of"),
        (set_in(*LAYER, "registered_name", "mine>Dense"), "got 'mine>Dense' of keras.layers"),
        (set_in(*LAYER, None), "expected a layer as"),
        (set_in("class_name", "Functional"), "Model: expected a Sequential, got 'Functional'"),
        (set_in("compile_config", "optimizer", "class_name", "Lion"), "Optimizer 'lion'"),
        (set_in("compile_config", "metrics", ["auc"]), "metric 'auc': expected one of the known"),
        (set_in("compile_config", "loss", "poisson"), "Loss 'poisson': expected one of the known"),
        (set_in("compile_config", "loss_weights", [1]), "ScratchNet has no loss_weights"),
        (set_in("config", 5), "expected a model in config.json, got"),
        (set_in("config", {"name": "m"}), "Model: expected layers in its config, got name"),
        (set_in("compile_config", "x"), "compile_config as a dict with an optimizer, got 'x'"),
        (
            set_in("compile_config", {"loss": "mse"}),
            "compile_config as a dict with an optimizer, got",
        ),
    ],
)
def test_what_we_do_not_have_is_refused_by_name(tmp_path: Path, change: Any, message: str) -> None:
    trained().save(tmp_path / "m.keras")
    path = changed(tmp_path / "m.keras", change)
    with pytest.raises((ValueError, TypeError, NotImplementedError), match=message) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"Model file '{path}': ")


def test_files_that_are_not_models_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with pytest.raises(FileNotFoundError, match=r"expected a .keras file, got no such file"):
        load_model(path)
    (tmp_path / "d.keras").mkdir()
    with pytest.raises(FileNotFoundError, match=r"expected a .keras file, got a folder"):
        load_model(tmp_path / "d.keras")
    path.write_bytes(b"not a zip file")
    with pytest.raises(ValueError, match=r"expected a whole .keras archive, got File is not a zip"):
        load_model(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{")
    with pytest.raises(ValueError, match=r"config.json: expected JSON, got Expecting property"):
        load_model(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match=r"expected model.weights.h5 in the archive, got 'config"):
        load_model(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", " " * 5_000_000 + "{}")
    with pytest.raises(ValueError, match=r"expected config.json of at most \d+ bytes, got 5000002"):
        load_model(path)
    trained().save(path)
    cut = tmp_path / "cut.weights.h5"
    trained().save_weights(cut)
    cut.write_bytes(cut.read_bytes()[:3000])
    with pytest.raises(ValueError, match=r"expected a whole HDF5 file, got"):
        trained().load_weights(cut)
    with h5py.File(tmp_path / "old.weights.h5", "w") as file:
        file.create_group("model_weights")
    with pytest.raises(ValueError, match="a weights file of Keras 3, with 'layers', got model_w"):
        trained().load_weights(tmp_path / "old.weights.h5")


def test_wrong_uses_are_refused(tmp_path: Path) -> None:
    model = trained()
    with pytest.raises(ValueError, match=r"save: expected a file name that ends in .keras"):
        model.save(tmp_path / "m.h5")
    with pytest.raises(FileNotFoundError, match=r"a folder that exists, got no folder '.*no'"):
        model.save(tmp_path / "no" / "m.keras")
    with pytest.raises(TypeError, match=r"save: expected a path as a str or Path, got 3"):
        model.save(3)
    for path in (3, None):
        with pytest.raises(TypeError, match=rf"load_model: expected a path as .*, got {path}\."):
            load_model(path)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"name that ends in .weights.h5 or .safetensors, got"):
        model.save_weights(tmp_path / "m.h5")
    with pytest.raises(ValueError, match=r"ends in .weights.h5, .keras, .safetensors or .h5, got"):
        model.load_weights(tmp_path / "m.npz")
    with pytest.raises(ValueError, match=r"load_model: expected a file that ends in .keras or .h5"):
        load_model(tmp_path / "m.npz")
    with pytest.raises(NotImplementedError, match="ScratchNet has no custom_objects"):
        load_model(tmp_path / "m.keras", custom_objects={"a": 1})
    with pytest.raises(NotImplementedError, match="ScratchNet has no skip_mismatch"):
        model.load_weights(tmp_path / "m.keras", skip_mismatch=True)
    with pytest.raises(NotImplementedError, match="ScratchNet has no max_shard_size"):
        model.save_weights(tmp_path / "m.weights.h5", max_shard_size=1)
    with pytest.raises(NotImplementedError, match="ScratchNet has no zipped"):
        model.save(tmp_path / "m.keras", zipped=False)
    model.save(tmp_path / "m.keras")
    with pytest.raises(FileExistsError, match="expected a new file, for overwrite=False, got"):
        model.save(tmp_path / "m.keras", overwrite=False)
    unbuilt = sn.Sequential([sn.layers.Dense(3)])
    model.save_weights(tmp_path / "m.weights.h5")
    for method in (unbuilt.save_weights, unbuilt.load_weights):
        with pytest.raises(ValueError, match="expected a built model, got one without weights"):
            method(tmp_path / "m.weights.h5")
