"""Weights and optimizer state copied in the middle of a training, in either direction."""

from typing import Any

import numpy as np
import pytest

import keras_ref
import scratchnet
from keras_ref.weights import copy_optimizer, copy_weights

# NumPy's, about Keras's variables
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def compiled(k: Any) -> Any:
    """A small network of either library, in its default float type."""
    model = k.Sequential([k.Input((5,)), k.layers.Dense(4, activation="tanh"), k.layers.Dense(2)])
    model.compile(k.optimizers.Adam(0.01), "mse")
    return model


def losses(model: Any, steps: int) -> list[float]:
    random = np.random.default_rng(3)
    x, y = random.normal(size=(6, 5)), random.normal(size=(6, 2))
    return [float(model.train_on_batch(x, y)) for _ in range(steps)]


@pytest.mark.parametrize("from_keras", [True, False])
def test_a_copy_trains_on_as_its_source(keras: Any, from_keras: bool) -> None:
    before = scratchnet.config.floatx()
    scratchnet.config.set_floatx("float64")
    try:
        with keras_ref.floatx(keras, "float64"):
            source, target = compiled(scratchnet), compiled(keras)
            if from_keras:
                source, target = target, source
            losses(source, 3)
            copy_weights(source, target)
            copy_optimizer(source, target)
            assert int(target.optimizer.iterations) == 3
            np.testing.assert_allclose(losses(target, 3), losses(source, 3), rtol=1e-12, atol=0)
    finally:
        scratchnet.config.set_floatx(before)
