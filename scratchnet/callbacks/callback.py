"""The moments of training, evaluating and predicting at which a callback may act."""

from typing import Any

__all__ = ["Callback", "Logs"]

Logs = dict[str, Any] | None


class Callback:
    """Base of all callbacks: every hook does nothing until a subclass writes it.

    `params` holds verbose, epochs and steps; `model` is the model at work. A batch index counts
    within its epoch. `logs` maps a metric's name to its value so far.

    `backed_up` names the attributes in which a callback remembers what it has seen: numbers,
    strings, arrays, and lists and dicts of them. BackupAndRestore keeps them. `writes` says whether
    it shows or writes something: of many ranks that train together the first one alone does it.
    """

    backed_up: tuple[str, ...] = ()
    writes = False

    def __init__(self) -> None:
        self.params: dict[str, Any] | None = None
        self._model: Any = None

    def set_params(self, params: dict[str, Any]) -> None:
        """Called once before the first hook."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Called once before the first hook."""
        self._model = model

    @property
    def model(self) -> Any:
        """The model that is trained, evaluated or asked to predict."""
        return self._model

    def get_state(self) -> dict[str, Any]:
        """What `backed_up` names; nothing for a callback that remembers nothing."""
        return {name: getattr(self, name) for name in self.backed_up}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` gave; called after `on_train_begin`."""
        for name, value in state.items():
            setattr(self, name, value)

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """The older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """The older name of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Before the first batch of an epoch of `fit`."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """After an epoch of `fit` and its validation, whose names start with val_."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of `fit`."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of `fit`."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of `evaluate`, or of the validation inside `fit`."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of `evaluate`, or of the validation inside `fit`."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of `predict`; logs["outputs"] holds its predictions."""

    def on_train_begin(self, logs: Logs = None) -> None:
        """When `fit` starts."""

    def on_train_end(self, logs: Logs = None) -> None:
        """When `fit` ends; logs are those of the last epoch."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """When `evaluate`, or a validation, starts."""

    def on_test_end(self, logs: Logs = None) -> None:
        """When `evaluate`, or a validation, ends; logs are those of its last batch."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """When `predict` starts."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """When `predict` ends."""
