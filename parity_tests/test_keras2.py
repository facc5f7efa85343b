"""Models that Keras 2 wrote (keras_ref/keras2.py) are read, without any Keras."""

import warnings
from typing import Any

import numpy as np
import pytest

from keras_ref.golden import FOLDER
from scratchnet.models import load_model

BAR = 1e-6  # float32, with sums of at most 18 numbers


def read(name: str) -> tuple[Any, Any, list[str]]:
    """The model, what Keras 2 said of it, and the warnings."""
    with warnings.catch_warnings(record=True) as noted, np.load(FOLDER / f"{name}.npz") as known:
        warnings.simplefilter("always")
        return load_model(FOLDER / f"{name}.h5"), dict(known), [str(n.message) for n in noted]


def test_a_model_of_the_older_optimizers_goes_on() -> None:
    model, known, noted = read("keras2-old")
    assert noted == []
    np.testing.assert_allclose(model.predict(known["x"], verbose=0), known["predicted"], atol=BAR)
    assert model.optimizer.iterations == 3
    losses = [model.train_on_batch(known["x"], known["y"])[0] for _ in range(3)]
    np.testing.assert_allclose(losses, known["losses"], rtol=1e-5)


def test_a_model_of_the_newer_optimizers_starts_its_optimizer_anew() -> None:
    model, known, noted = read("keras2-new")
    assert len(noted) == 1
    assert "Adam: expected 14 arrays of Keras 3, got 13 of Keras 2." in noted[0]
    assert noted[0].endswith("The optimizer starts anew.")
    np.testing.assert_allclose(model.predict(known["x"], verbose=0), known["predicted"], atol=BAR)
    assert (model.optimizer.iterations, model.optimizer.learning_rate) == (0, 2**-7)
    assert model.loss.get_config()["label_smoothing"] == 0.25
    assert model.train_on_batch(known["x"], known["y"])[0] == pytest.approx(
        known["losses"][0], rel=1e-5
    )
    for array in model.weights:
        array[...] = 0
    model.load_weights(FOLDER / "keras2-new.h5")
    np.testing.assert_allclose(model.predict(known["x"], verbose=0), known["predicted"], atol=BAR)
