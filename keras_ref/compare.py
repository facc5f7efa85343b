"""A network and its Keras twin, trained side by side from the same weights.

Both are given the same seed, so that weights, dropout masks and the order of samples are the same
numbers, and take turns: one epoch of Keras, one of ours. The first epoch of each compiles and is
left out of the timing.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import scratchnet
from keras_ref import require
from keras_ref.weights import copy_weights
from scratchnet.datasets.folder import LoadedData
from scratchnet.networks import Network

__all__ = ["SIDES", "Epoch", "Race", "race", "train"]

SIDES = ("Keras", "ScratchNet")


@dataclass
class Epoch:
    """What one side did in one epoch."""

    loss: float
    accuracy: float
    seconds: float


@dataclass
class Race:
    """Both sides, epoch by epoch, and what each one's model makes of the test data."""

    network: str
    epochs: dict[str, list[Epoch]] = field(default_factory=lambda: {side: [] for side in SIDES})
    test: dict[str, tuple[float, float]] = field(default_factory=dict)

    def seconds(self, side: str) -> float | None:
        """The median seconds an epoch without the first, None where there is no other."""
        later = [epoch.seconds for epoch in self.epochs[side][1:]]
        return median(later) if later else None


def race(
    network: Network, data: LoadedData, epochs: int, batch_size: int | None, seed: int
) -> Iterator[Race]:
    """Train both for some epochs; yields the Race after every epoch, and last with the test."""
    keras = require()
    (x, y), test = network.prepare(*data[0]), network.prepare(*data[1])
    models: dict[str, Any] = {}
    for side, library in zip(SIDES, (keras, scratchnet), strict=True):
        library.utils.set_random_seed(seed)
        models[side] = network.compiled(library)
    copy_weights(models["Keras"], models["ScratchNet"])
    result = Race(network.name)
    for _ in range(epochs):
        for side, model in models.items():
            start = time.perf_counter()
            history = model.fit(
                x, y, batch_size=batch_size or network.batch_size, epochs=1, verbose=0
            ).history
            seconds = time.perf_counter() - start
            result.epochs[side].append(Epoch(history["loss"][0], history["accuracy"][0], seconds))
        yield result
    for side, model in models.items():
        loss, accuracy = model.evaluate(*test, verbose=0)
        result.test[side] = (float(loss), float(accuracy))
    yield result


def train(network: Network, library: Any, data: LoadedData, seed: int) -> dict[str, float]:
    """The figures of the tutorial, of a model trained with the tutorial's own settings."""
    (x, y), test = network.prepare(*data[0]), network.prepare(*data[1])
    library.utils.set_random_seed(seed)
    model = network.compiled(library)
    start = time.perf_counter()
    history = model.fit(
        x,
        y,
        batch_size=network.batch_size,
        epochs=network.epochs,
        validation_split=network.validation_split,
        verbose=0,
    ).history
    seconds = (time.perf_counter() - start) / network.epochs
    loss, accuracy = model.evaluate(*test, verbose=0)
    figures = {"test loss": float(loss), "test accuracy": float(accuracy)}
    figures |= {name: float(history[name][-1]) for name in network.other_figures}
    return figures | {"seconds an epoch": seconds}
