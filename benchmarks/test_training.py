"""One training step of each network on 128 digits: our engines, and Keras where it is installed."""

import numpy as np
import pytest

import keras_ref
import scratchnet
from scratchnet.networks import NETWORKS


def batch(network):
    (images, labels), _ = scratchnet.datasets.digits.load_data()
    return network.prepare(images[:128], labels[:128])


def seeded(k, network):
    k.utils.set_random_seed(0)
    return network.compiled(k)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("contestant", ["numpy", "numba", "keras"])
def test_training_step(record, name, contestant):
    record.group = f"training step of {name}, 128 samples"
    network = NETWORKS[name]
    x, y = batch(network)
    with scratchnet.engine("numpy"):
        expected = seeded(scratchnet, network).train_on_batch(x, y)
    if contestant == "keras":
        if not keras_ref.available():
            pytest.skip(keras_ref.HINT)
        model = seeded(keras_ref.require(), network)
        np.testing.assert_allclose(model.train_on_batch(x, y), expected, atol=1e-4)
        record(model.train_on_batch, x, y)
        return
    with scratchnet.engine(contestant):
        model = seeded(scratchnet, network)
        np.testing.assert_allclose(model.train_on_batch(x, y), expected, atol=1e-4)
        record(model.train_on_batch, x, y)
