"""ModelCheckpoint through the same made-up epochs here and in Keras: the same files."""

import itertools
import os

import numpy as np
import pytest

from scratchnet import callbacks


class Model:
    """Notes where it is saved, and when."""

    def __init__(self):
        self.saved, self.now, self.metrics = [], None, []

    def save(self, path, overwrite=True):
        self.saved.append((self.now, os.path.basename(path)))

    save_weights = save


def saves(library, arguments, tmp_path, losses, batches=4):
    """(moment, file) of every save in a training whose batches have these losses."""
    suffix = ".weights.h5" if arguments.get("save_weights_only") else ".keras"
    name = "{epoch}-{batch}" if arguments.get("save_freq", "epoch") != "epoch" else "{epoch}"
    checkpoint = library.ModelCheckpoint(f"{tmp_path}/{name}{suffix}", **arguments)
    model = Model()
    checkpoint.set_model(model)
    checkpoint.on_train_begin()
    for epoch, row in enumerate(np.reshape(losses, (-1, batches))):
        checkpoint.on_epoch_begin(epoch)
        for batch, loss in enumerate(row):
            model.now = epoch, batch
            checkpoint.on_train_batch_end(batch, {"loss": float(loss)})
        model.now = epoch, None
        checkpoint.on_epoch_end(epoch, {"loss": float(row[-1]), "val_loss": float(row[0])})
    return model.saved, checkpoint.best


OPTIONS = [
    {"monitor": monitor, "mode": mode, "save_best_only": best, "save_weights_only": weights,
     "save_freq": freq, "initial_value_threshold": threshold}
    for monitor, mode, best, weights, freq, threshold in itertools.product(
        ["loss", "val_loss"], ["auto", "min", "max"], [True, False], [True, False],
        ["epoch", 1, 3, 5], [None, 0.5],
    )
    # at a batch there is no val_loss; and Keras knows no direction before an epoch has ended
    if freq == "epoch" or not best
]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_the_same_models_are_saved(keras, tmp_path, seed):
    losses = np.random.default_rng(seed).integers(0, 8, 24) / 8  # with ties
    for options in OPTIONS:
        mine = saves(callbacks, options, tmp_path, losses)
        theirs = saves(keras.callbacks, options, tmp_path, losses)
        assert mine == theirs, options
        assert mine[0] or options["save_best_only"], options
