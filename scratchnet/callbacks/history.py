"""The record of a training, which `fit` returns."""

from typing import Any

from scratchnet.callbacks.callback import Callback, Logs

__all__ = ["History"]


class History(Callback):
    """`history` maps each name in the logs to its values; `epoch` lists the epochs."""

    backed_up = ("history", "epoch")

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        """A second `fit` with the same object lists its epochs anew and continues the history."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the epoch down."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self
