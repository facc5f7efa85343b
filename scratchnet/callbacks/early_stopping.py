"""Stop when it gets no better."""

import warnings
from typing import Any

from scratchnet.callbacks.callback import Logs
from scratchnet.callbacks.monitor import MonitorCallback
from scratchnet.errors import expected
from scratchnet.utils.console import print_msg
from scratchnet.utils.options import is_number

__all__ = ["EarlyStopping"]


class EarlyStopping(MonitorCallback):
    """Stops `fit` after `patience` epochs without an improvement of more than `min_delta`.

    With a `baseline`, waiting ends only for a value that beats it too. `restore_best_weights` puts
    back the weights of the best epoch when training ends, stopped or not. Epochs before
    `start_from_epoch` are not looked at.

    source    keras/src/callbacks/early_stopping.py
    """

    backed_up = ("wait", "stopped_epoch", "best", "best_epoch", "best_weights")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        for argument, value in (("patience", patience), ("start_from_epoch", start_from_epoch)):
            if not is_number(value):
                wanted = f"{argument} as a number of epochs"
                raise ValueError(expected("EarlyStopping", wanted, repr(value), "Try 3."))
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.wait = 0
        self.stopped_epoch = 0
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Logs = None) -> None:
        """Forget the `fit` before."""
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Keep the best, count the rest, stop when the count reaches `patience`."""
        if self.monitor_op is None:
            self._set_monitor_op()
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self._keep(epoch)
        self.wait += 1
        if self._is_improvement(current, self.best):
            self.best = current
            self._keep(epoch)
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        """Say what happened, and put the best weights back where that was asked for."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            print_msg(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                best = self.best_epoch + 1
                print_msg(f"Restoring model weights from the end of the best epoch: {best}.")
            self.model.set_weights(self.best_weights)

    def get_monitor_value(self, logs: Logs) -> Any:
        """The monitored value, or None with a warning where the logs lack it."""
        logs = logs or {}
        value = logs.get(self.monitor)
        if value is None:
            warnings.warn(
                expected(
                    "EarlyStopping",
                    f"{self.monitor!r} among the logged metrics",
                    ", ".join(logs) or "none",
                    "Training is not stopped early.",
                ),
                stacklevel=2,
            )
        return value

    def _keep(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()
