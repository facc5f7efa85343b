"""Many callbacks called as one."""

from collections.abc import Iterable
from typing import Any

from scratchnet.callbacks.backup_and_restore import BackupAndRestore
from scratchnet.callbacks.callback import Callback, Logs
from scratchnet.callbacks.history import History
from scratchnet.callbacks.progbar_logger import ProgbarLogger
from scratchnet.distributed.world import leads
from scratchnet.errors import expected

__all__ = ["CallbackList"]


class CallbackList(Callback):
    """Hands every hook to each callback in turn: those given, then History and the progress bar.

    Where many ranks train together, those that show or write something act on the first one alone.
    Logs reach the callbacks as plain floats, sorted by name; what one callback adds to them, the
    next one sees.

    source    keras/src/callbacks/callback_list.py. Keras may run batch hooks on another thread
              where nobody overrides them; here all run in order.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks = list(_flatten(callbacks)) if callbacks else []
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(
                    expected(
                        "callbacks",
                        "objects of classes that extend Callback",
                        repr(callback),
                        "LambdaCallback makes one from functions.",
                    )
                )
        if not leads():
            self.callbacks = [callback for callback in self.callbacks if not callback.writes]
        self._history = self._last(History)
        if self._history is None and add_history:
            self._history = History()
            self.callbacks.append(self._history)
        if self._last(ProgbarLogger) is None and add_progbar and leads():
            self.callbacks.append(ProgbarLogger())
        self.backup = self._last(BackupAndRestore)
        if self.backup is not None:  # the last: what it keeps is the state after all others
            if sum(isinstance(callback, BackupAndRestore) for callback in self.callbacks) > 1:
                raise ValueError(expected("callbacks", "one BackupAndRestore at most", "several"))
            self.callbacks.remove(self.backup)
            self.callbacks.append(self.backup)
        self.set_model(model)
        self.set_params(params)

    def follows(self, mode: str) -> bool:
        """Whether a callback has something to do at every batch of mode "train" or "predict"."""
        hooks = [f"on_{mode}_batch_begin", f"on_{mode}_batch_end"]
        if mode == "train":
            hooks += ["on_batch_begin", "on_batch_end"]
        return any(
            getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
            for callback in self.callbacks
            for hook in hooks
        )

    def _last(self, kind: type) -> Any:
        found = [callback for callback in self.callbacks if isinstance(callback, kind)]
        return found[-1] if found else None

    def set_params(self, params: dict[str, Any]) -> None:
        """Tell every callback verbose, epochs, steps."""
        self.params = params
        if params:
            for callback in self.callbacks:
                callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Give every callback its model, and the model its history."""
        if model is None:
            return
        super().set_model(model)
        if self._history is not None:
            model.history = self._history
        for callback in self.callbacks:
            callback.set_model(model)

    def _batch(self, hook: str, batch: int, logs: Logs) -> None:
        logs = plain_logs(logs)
        for callback in self.callbacks:
            getattr(callback, hook)(batch, logs=logs)

    def _epoch(self, hook: str, epoch: int, logs: Logs) -> None:
        logs = plain_logs(logs)
        for callback in self.callbacks:
            getattr(callback, hook)(epoch, logs)

    def _once(self, hook: str, logs: Logs) -> None:
        logs = plain_logs(logs)
        for callback in self.callbacks:
            getattr(callback, hook)(logs)

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of `fit`, by its older name."""
        self._batch("on_batch_begin", batch, logs)

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of `fit`, by its older name."""
        self._batch("on_batch_end", batch, logs)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Before an epoch."""
        self._epoch("on_epoch_begin", epoch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """After an epoch."""
        self._epoch("on_epoch_end", epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of `fit`."""
        self._batch("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of `fit`."""
        self._batch("on_train_batch_end", batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of `evaluate`."""
        self._batch("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of `evaluate`."""
        self._batch("on_test_batch_end", batch, logs)

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of `predict`."""
        self._batch("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of `predict`."""
        self._batch("on_predict_batch_end", batch, logs)

    def on_train_begin(self, logs: Logs = None) -> None:
        """When `fit` starts."""
        self._once("on_train_begin", logs)

    def on_train_end(self, logs: Logs = None) -> None:
        """When `fit` ends."""
        self._once("on_train_end", logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        """When `evaluate` starts."""
        self._once("on_test_begin", logs)

    def on_test_end(self, logs: Logs = None) -> None:
        """When `evaluate` ends."""
        self._once("on_test_end", logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        """When `predict` starts."""
        self._once("on_predict_begin", logs)

    def on_predict_end(self, logs: Logs = None) -> None:
        """When `predict` ends."""
        self._once("on_predict_end", logs)


def plain_logs(logs: Logs) -> dict[str, Any]:
    """Logs sorted by name, nested dicts opened, each value a float where it can be one.

    source    keras/src/utils/python_utils.py, pythonify_logs
    """
    plain: dict[str, Any] = {}
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            plain.update(plain_logs(value))
            continue
        try:
            plain[name] = float(value)
        except (TypeError, ValueError):
            plain[name] = value
    return plain


def _flatten(callbacks: Any) -> Iterable[Any]:
    if isinstance(callbacks, list | tuple):
        for callback in callbacks:
            yield from _flatten(callback)
    else:
        yield callbacks
