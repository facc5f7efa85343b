"""Keep the model, or the best one, while it is trained."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from scratchnet.callbacks.callback import Logs
from scratchnet.callbacks.monitor import MonitorCallback
from scratchnet.data import whole
from scratchnet.errors import expected
from scratchnet.utils.console import print_msg

__all__ = ["ModelCheckpoint"]


def batches_between(owner: str, save_freq: Any) -> int:
    """How many batches there are from one saving to the next, 0 for "epoch"; raises for what is
    neither."""
    return 0 if save_freq == "epoch" else whole(owner, 'save_freq "epoch" or an int:', save_freq, 1)


class ModelCheckpoint(MonitorCallback):
    """Saves the model after every epoch, or with an int `save_freq` after so many batches.

    filepath    ends in .keras, or with `save_weights_only` in .weights.h5; {epoch}, {batch} and the
                names in the logs are filled in: "{epoch:02d}-{val_loss:.2f}.keras". Folders are
                made. The file before stays until the new one is whole.
    save_best_only    saves only where `monitor` is better than ever; the first value to beat may be
                      given as `initial_value_threshold`

    source    keras/src/callbacks/model_checkpoint.py
    """

    writes = True
    backed_up = ("best", "_batches_seen_since_last_saving")

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        if not isinstance(filepath, str | os.PathLike):
            wanted = "filepath as a str or Path"
            raise TypeError(expected("ModelCheckpoint", wanted, repr(filepath)))
        self.filepath, self.verbose = os.fspath(filepath), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        suffix = ".weights.h5" if save_weights_only else ".keras"
        if not self.filepath.endswith(suffix):
            wanted = f"a filepath that ends in {suffix}"
            hint = "Pass save_weights_only=True." if self.filepath.endswith(".weights.h5") else ""
            raise ValueError(expected("ModelCheckpoint", wanted, f"'{self.filepath}'", hint))
        if batches_between("ModelCheckpoint", save_freq):
            # else `fit` would keep all running values ready, for nothing
            self.on_train_batch_end = self._count_batch  # type: ignore[method-assign]
        self.save_freq = save_freq
        self._batches_seen_since_last_saving = 0
        self._current_epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Know which epoch it is."""
        self._current_epoch = epoch

    def _count_batch(self, batch: int, logs: Logs = None) -> None:
        self._batches_seen_since_last_saving += 1
        if self._batches_seen_since_last_saving >= self.save_freq:
            self._batches_seen_since_last_saving = 0
            self._save(self._current_epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save, if it is time and the model is good enough."""
        if self.monitor_op is None and self.save_best_only:
            self._set_monitor_op()
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if not self._is_due(epoch, logs, path):
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        self._say(epoch, f"finished saving model to {path}")

    def _is_due(self, epoch: int, logs: dict[str, Any], path: str) -> bool:
        if not self.save_best_only:
            self._say(epoch, f"saving model to {path}")
            return True
        current = logs.get(self.monitor)
        if current is None or np.ndim(current) > 0:
            wanted, got = f"{self.monitor!r} as a number in the logs", ", ".join(logs) or "nothing"
            got = got if current is None else f"shape {np.shape(current)}"
            message = expected("ModelCheckpoint", wanted, got, "The model is saved anyway.")
            warnings.warn(message, stacklevel=2)
            return True
        if self.monitor_op is None:  # at a batch of the first epoch
            self._set_monitor_op()
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self._is_improvement(current, self.best):
            self._say(epoch, f"{self.monitor} did not improve from {best}")
            return False
        self._say(
            epoch, f"{self.monitor} improved from {best} to {current:.5f}, saving model to {path}"
        )
        self.best = current
        return True

    def _path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        """The path with its {names} filled in."""
        known = {"epoch": epoch + 1, **({} if batch is None else {"batch": batch + 1}), **logs}
        try:
            return self.filepath.format(**known)
        except (KeyError, IndexError, ValueError) as error:
            wanted = f"names from {', '.join(known)} in filepath"
            kind = KeyError if isinstance(error, KeyError) else ValueError  # KeyError: as Keras
            raise kind(
                expected("ModelCheckpoint", wanted, f"'{self.filepath}' ({error})")
            ) from error

    def _say(self, epoch: int, text: str) -> None:
        if self.verbose > 0:
            print_msg(f"\nEpoch {epoch + 1}: {text}")
