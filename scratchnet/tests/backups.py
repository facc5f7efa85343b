"""A training with everything that remembers, for the tests that cut it.

    python -m scratchnet.tests.backups FOLDER SAVE_FREQ ENGINE KILL_AT

trains with a backup in FOLDER, kills itself at that moment (a batch, a write, an fsync, a rename or
a file taken away are moments; 0 is never) and prints what it ended with, or how many moments there
were.
"""

import hashlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scratchnet import Input, Sequential, callbacks, engine, initializers, layers, optimizers, utils
from scratchnet.callbacks import BackupAndRestore, Callback, EarlyStopping, backup_and_restore
from scratchnet.saving import weights
from scratchnet.utils import files

SAMPLES, BATCH_SIZE, EPOCHS = 50, 8, 5
BATCHES = 5  # of 40 rows, which the validation leaves


def data() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(SAMPLES, 6)).astype("float32"), rng.integers(0, 3, SAMPLES)


def model(seed: int | None = 7) -> Sequential:
    """A compiled model; from the same seed the same one."""
    if seed is not None:
        utils.set_random_seed(seed)

    def weights(number: int) -> Any:
        return initializers.GlorotUniform(seed=number)

    made = Sequential(
        [
            Input((6,)),
            layers.Dense(9, activation="relu", kernel_initializer=weights(1)),
            layers.Dropout(0.3),
            layers.BatchNormalization(),
            layers.Dense(3, activation="softmax", kernel_initializer=weights(2)),
        ]
    )
    made.compile(optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def rememberers(folder: Path) -> list[Callback]:
    """Callbacks whose state decides how a training goes on."""
    return [
        EarlyStopping("loss", patience=40, restore_best_weights=True),
        callbacks.ReduceLROnPlateau("loss", patience=2, factor=0.5, mode="max"),
        callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.97),
        callbacks.CSVLogger(folder / "log.csv"),
        callbacks.ModelCheckpoint(folder / "best.weights.h5", "val_loss", 0, True, True),
    ]


def train(
    folder: Path, *more: Callback, made: Sequential | None = None, save_freq: Any = "epoch",
    shuffle: Any = True, **options: Any,
) -> Sequential:  # fmt: skip
    """Train, or go on; `more` callbacks come first."""
    made, (x, y) = made or model(), data()
    backup = BackupAndRestore(folder / "backup", save_freq, **options)
    made.fit(
        x, y, BATCH_SIZE, EPOCHS, verbose=0, validation_split=0.2, shuffle=shuffle,
        callbacks=[*more, backup, *rememberers(folder)],
    )  # fmt: skip
    return made


def everything(made: Sequential, folder: Path) -> str:
    """All that a training leaves, bit by bit."""
    arrays = [*made.get_weights(), *made.optimizer.variables]
    history, dropout = made.history, made.layers[1]
    parts = [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()[:8] for a in arrays]
    log = (folder / "log.csv").read_text()
    return repr([parts, history.history, history.epoch, dropout.seed_generator.state, log])


class Moments(Callback):
    """Counts the moments at which this process could die; dies at one of them."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last, self.count = last, 0
        for module, name in ((os, "fsync"), (os, "replace"), (os, "unlink")):
            setattr(module, name, self._counting(getattr(module, name)))
        for module in (backup_and_restore, weights):
            module.atomic_write = self._atomic_write  # type: ignore[assignment]

    def _counting(self, function: Any) -> Any:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.pass_one()
            result = function(*arguments, **options)
            self.pass_one()
            return result

        return counted

    @contextmanager
    def _atomic_write(self, path: Any, owner: str = "") -> Iterator[Any]:
        """The real one, through a file that may end in the middle."""
        with files.atomic_write(path, owner) as file:
            yield _Halves(file, self)

    def pass_one(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.pass_one()


class _Halves:
    """A file that is written half by half."""

    def __init__(self, file: Any, moments: Moments) -> None:
        self.file, self.moments = file, moments

    def write(self, content: bytes) -> None:
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        self.moments.pass_one()
        self.file.write(content[len(content) // 2 :])


if __name__ == "__main__":
    place, freq, name, kill_at = sys.argv[1:]
    moments = Moments(int(kill_at))
    with engine(name):
        done = train(Path(place), moments, save_freq=freq if freq == "epoch" else int(freq))
    print(everything(done, Path(place)))
    print(moments.count)
