"""Files change hands: what Keras wrote we read, what we wrote Keras reads, and training goes on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keras_ref
import scratchnet
from keras_ref.case import Case
from keras_ref.cases import all_cases

# NumPy's, about Keras's variables
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = [
    ("layers", "Conv2D-3-strides=2-padding=same"),
    ("layers", "Conv2D-3-dilation_rate=(2, 1)-padding=same"),
    ("layers", "BatchNormalization-images"),
    ("layers", "Flatten"),
    ("layers", "Reshape"),
    ("layers", "ReLU-options"),
    ("layers", "Dense-frozen"),
    ("losses", "mse"),
    ("losses", "mae"),
    ("optimizers", "SGD-nesterov"),
    ("optimizers", "RMSprop-centered-momentum"),
    ("optimizers", "Adagrad"),
    ("optimizers", "Adam"),
    ("optimizers", "Adam-amsgrad"),
    ("optimizers", "AdamW"),
    ("optimizers", "ExponentialDecay"),
    ("regularizers", "L1L2"),
    ("networks", "mlp_rmsprop one step"),
]
CASES = {group: {case.name: case for case in cases} for group, cases in all_cases().items()}


def losses(model: Any, case: Case, steps: int = 3) -> list[float]:
    (batch, *_) = case.batches(model)
    if hasattr(model, "run_eagerly"):
        model.run_eagerly = True  # of three steps, tracing would take the longest
    return [
        float(np.asarray(model.train_on_batch(batch.x, batch.y, batch.sample_weight)))
        for _ in range(steps)
    ]


@pytest.mark.parametrize(("group", "name"), NAMES)
def test_training_goes_on_on_the_other_side(
    group: str, name: str, keras: Any, tmp_path: Path
) -> None:
    case, path = CASES[group][name], tmp_path / "m.keras"
    with keras_ref.floatx(keras, "float64"), keras_ref.floatx(scratchnet, "float64"):
        theirs = case.model(keras)
        losses(theirs, case)
        theirs.save(path)
        ours = scratchnet.models.load_model(path)
        assert ours.optimizer.iterations == 3
        np.testing.assert_allclose(losses(ours, case), losses(theirs, case), rtol=1e-9)
        ours.save(path)
        back = keras.models.load_model(path)
        np.testing.assert_allclose(losses(back, case), losses(ours, case), rtol=1e-9)
        ours.save_weights(tmp_path / "m.weights.h5")
        back.load_weights(tmp_path / "m.weights.h5")
        for mine, other in zip(ours.get_weights(), back.get_weights(), strict=True):
            np.testing.assert_array_equal(mine, other)
        for mine, other in zip(ours.optimizer.variables, back.optimizer.variables, strict=True):
            np.testing.assert_array_equal(mine, np.asarray(other))


def test_losses_and_metrics_given_as_objects_are_read(keras: Any, tmp_path: Path) -> None:
    x, y = np.random.RandomState(0).random_sample((7, 4)), np.eye(3)[[0, 1, 2, 0, 1, 2, 0]]

    def made(k: Any) -> Any:
        model = k.Sequential([k.Input((4,)), k.layers.Dense(3, activation="softmax")])
        model.compile(
            k.optimizers.SGD(0.5),
            k.losses.CategoricalCrossentropy(label_smoothing=0.25),
            metrics=["acc", k.metrics.Precision(thresholds=0.25), k.metrics.categorical_accuracy],
            weighted_metrics=["mse"],
        )
        return model

    for library, other in ((keras, scratchnet), (scratchnet, keras)):
        model = made(library)
        model.save(tmp_path / "m.keras")
        read = other.models.load_model(tmp_path / "m.keras")
        pairs = [dict(m.train_on_batch(x, y, return_dict=True)) for m in (model, read)]
        assert pairs[0].keys() == pairs[1].keys()
        for name, value in pairs[0].items():
            assert pairs[1][name] == pytest.approx(float(np.asarray(value)), rel=1e-5), name


def test_a_layer_that_only_keras_has_is_refused(keras: Any, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.LSTM(2)])
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"m.keras': Layer 'LSTM': expected one of the known"):
        scratchnet.models.load_model(tmp_path / "m.keras")
