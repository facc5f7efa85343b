"""The progress text, driven by the hooks."""

from typing import Any

from scratchnet.callbacks.callback import Callback, Logs
from scratchnet.utils.console import print_msg
from scratchnet.utils.progbar import Progbar

__all__ = ["ProgbarLogger"]


class ProgbarLogger(Callback):
    """Shows a bar for each epoch of `fit`, for `evaluate` and `predict`; validation is silent.

    source    keras/src/callbacks/progbar_logger.py
    """

    writes = True

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.progbar: Progbar | None = None
        self.target: int | None = None
        self.verbose: Any = 1
        self.epochs = 1
        self._called_in_fit = False

    def set_params(self, params: dict[str, Any]) -> None:
        """Take verbose ("auto" is 1), epochs and steps (None where unknown)."""
        verbose = params["verbose"]
        self.verbose = 1 if verbose == "auto" else verbose
        self.epochs = params["epochs"]
        self.target = params["steps"]

    def on_train_begin(self, logs: Logs = None) -> None:
        """From here on, tests are validations and stay silent."""
        self._called_in_fit = True

    def on_test_begin(self, logs: Logs = None) -> None:
        """A new bar for `evaluate`."""
        if not self._called_in_fit:
            self._new_bar()

    def on_predict_begin(self, logs: Logs = None) -> None:
        """A new bar for `predict`."""
        self._new_bar()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """A new bar, under the line "Epoch 1/5" where there are several."""
        self._new_bar()
        if self.verbose and self.epochs > 1:
            print_msg(f"Epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """One step more."""
        self._advance(batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """One step more, outside `fit`."""
        if not self._called_in_fit:
            self._advance(batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """One step more; the predictions in the logs are not shown."""
        self._advance(batch, None)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """The last form of the bar, with the validation's values."""
        self._finish(logs)

    def on_test_end(self, logs: Logs = None) -> None:
        """The last form of the bar, outside `fit`."""
        if not self._called_in_fit:
            self._finish(logs)

    def on_predict_end(self, logs: Logs = None) -> None:
        """The last form of the bar."""
        self._finish(logs)

    def _new_bar(self) -> Progbar:
        self.seen = 0
        # no metric is averaged here: the logs hold the mean so far
        self.progbar = Progbar(self.target, verbose=self.verbose, stateless_metrics=())
        return self.progbar

    def _advance(self, batch: int, logs: Logs) -> None:
        bar = self.progbar or self._new_bar()
        self.seen = batch + 1
        if self.verbose == 1:
            bar.update(self.seen, list((logs or {}).items()), finalize=False)

    def _finish(self, logs: Logs) -> None:
        bar = self.progbar or self._new_bar()
        if self.target is None:
            self.target = bar.target = self.seen
        bar.update(self.target, list((logs or {}).items()), finalize=True)
