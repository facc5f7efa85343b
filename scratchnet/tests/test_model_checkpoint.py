"""ModelCheckpoint: which files come, and what is in them."""

import os

import numpy as np
import pytest

from scratchnet import Input, Sequential, layers, models
from scratchnet.callbacks import Callback, CallbackList, LambdaCallback, ModelCheckpoint


class Model:
    """Notes where it is saved."""

    def __init__(self):
        self.saved, self.metrics = [], []

    def save(self, path):
        self.saved.append(path)

    save_weights = save


def epochs(checkpoint, values, name="val_loss"):
    """One epoch for each value; the paths that were saved."""
    model = Model()
    calls = CallbackList([checkpoint], model=model, verbose=0, epochs=9, steps=1)
    calls.on_train_begin()
    for epoch, value in enumerate(values):
        calls.on_epoch_begin(epoch)
        calls.on_epoch_end(epoch, {name: value})
    return [os.path.basename(path) for path in model.saved]


def test_every_epoch_is_saved_under_its_name(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "{epoch:02d}-{val_loss:.2f}.keras")
    assert epochs(checkpoint, [0.5, 0.25]) == ["01-0.50.keras", "02-0.25.keras"]


@pytest.mark.parametrize(
    ("options", "values", "saved"),
    [
        ({}, [3, 2, 2, 2.5, 1], [1, 2, 5]),
        ({"mode": "max"}, [3, 2, 4, 4], [1, 3]),
        ({"monitor": "val_loss", "initial_value_threshold": 2.0}, [3, 2, 1], [3]),
    ],
)
def test_only_the_best_is_saved(tmp_path, options, values, saved):
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}.keras", save_best_only=True, **options)
    assert epochs(checkpoint, values) == [f"{epoch}.keras" for epoch in saved]


@pytest.mark.parametrize("logs", [{"loss": 1.0}, {"val_loss": np.ones(2)}])
def test_without_a_number_to_watch_it_saves_and_says_so(tmp_path, logs):
    checkpoint = ModelCheckpoint(tmp_path / "m.keras", save_best_only=True)
    ((name, value),) = logs.items()
    with pytest.warns(UserWarning, match=r"ModelCheckpoint: expected 'val_loss' as a number"):
        assert epochs(checkpoint, [value], name) == ["m.keras"]


def fit(checkpoint, *more, epochs=2):
    model = Sequential([Input((3,)), layers.Dense(2)])
    model.compile("adam", "mse")
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(10, 3)), rng.normal(size=(10, 2))
    model.fit(x, y, 2, epochs, verbose=0, callbacks=[checkpoint, *more])
    return model


def test_the_files_hold_the_model_of_that_moment(tmp_path):
    weights = []
    keep = LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model_of.get_weights()))

    class Find(Callback):
        def on_train_begin(self, logs=None):
            nonlocal model_of
            model_of = self.model

    model_of = None
    model = fit(ModelCheckpoint(tmp_path / "new" / "folder" / "{epoch}.keras"), Find(), keep)
    for epoch in (1, 2):
        loaded = models.load_model(tmp_path / "new" / "folder" / f"{epoch}.keras")
        for mine, kept in zip(loaded.get_weights(), weights[epoch - 1], strict=True):
            np.testing.assert_array_equal(mine, kept)
        assert loaded.optimizer.iterations == 5 * epoch
    assert model.optimizer.iterations == 10


@pytest.mark.parametrize(
    ("save_freq", "names"), [(3, ["1-3", "2-1", "2-4"]), (5, ["1-5", "2-5"]), (7, ["2-2"])]
)
def test_after_so_many_batches_the_weights_are_saved(tmp_path, save_freq, names):
    path = tmp_path / "{epoch}-{batch}.weights.h5"
    fit(ModelCheckpoint(path, save_weights_only=True, save_freq=save_freq))
    assert sorted(p.name.removesuffix(".weights.h5") for p in tmp_path.iterdir()) == names


def test_the_best_batch_of_the_first_epoch_is_known(tmp_path):
    path = tmp_path / "m.weights.h5"
    checkpoint = ModelCheckpoint(path, "loss", 0, True, True, save_freq=1)
    fit(checkpoint, epochs=1)
    assert path.is_file()
    assert checkpoint.best is not None


def test_it_says_what_it_does(tmp_path, capsys):
    path = tmp_path / "m.keras"
    epochs(ModelCheckpoint(path, verbose=1, save_best_only=True), [2.0, 3.0])
    epochs(ModelCheckpoint(path, verbose=1), [2.0])
    assert capsys.readouterr().out.split("\n") == [
        "",
        f"Epoch 1: val_loss improved from None to 2.00000, saving model to {path}",
        "",
        f"Epoch 1: finished saving model to {path}",
        "",
        "Epoch 2: val_loss did not improve from 2.00000",
        "",
        f"Epoch 1: saving model to {path}",
        "",
        f"Epoch 1: finished saving model to {path}",
        "",
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("m.h5",), ValueError, r"expected a filepath that ends in .keras, got 'm.h5'"),
        (("m.weights.h5",), ValueError, r"ends in .keras.* Pass save_weights_only=True"),
        (("m.keras", "loss", 0, False, True), ValueError, r"ends in .weights.h5, got 'm.keras'"),
        ((3,), TypeError, r"expected filepath as a str or Path, got 3"),
        (("m.keras", "loss", 0, False, False, "auto", 0), ValueError, r'"epoch" or an int: of 1'),
        (("m.keras", "loss", 0, False, False, "auto", "x"), TypeError, r'"epoch" or an int: as'),
    ],
)
def test_wrong_options_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        ModelCheckpoint(*arguments)


@pytest.mark.parametrize(
    ("name", "error"), [("{val_acc}.keras", KeyError), ("{epoch:x.keras", ValueError)]
)
def test_a_name_that_cannot_be_filled_in_is_refused(tmp_path, name, error):
    with pytest.raises(error, match=r"expected names from epoch, val_loss in filepath, got "):
        epochs(ModelCheckpoint(f"{tmp_path}/{name}"), [1.0])


def test_a_folder_in_the_file_s_place_is_refused(tmp_path):
    (tmp_path / "m.keras").mkdir()
    with pytest.raises(IsADirectoryError, match=r"m\.keras"):
        fit(ModelCheckpoint(tmp_path / "m.keras"))
    assert list((tmp_path / "m.keras").iterdir()) == []
