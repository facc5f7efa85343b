"""A training in a file: all that it needs to go on as if it had never stopped.

    vars, layers/..., optimizer/...   the weights file (weights.py)
    training/state                    the rest, as JSON; an array stands in it as {"array": n}
    training/arrays/0, 1 ...          those arrays

The rest is where the training stood, the order of the samples, the counters of the dropout masks,
the metrics' sums and what the callbacks remember.
"""

import io
import json
import warnings
from typing import Any, NamedTuple

import numpy as np

from scratchnet import random
from scratchnet.callbacks.callback import Callback
from scratchnet.data import Batches
from scratchnet.distributed.world import leads
from scratchnet.errors import expected
from scratchnet.layers.dropout import Dropout
from scratchnet.saving import weights

__all__ = ["Backup", "Progress"]

FORMAT = 1


class Progress(NamedTuple):
    """Where a training stands: `batch` batches of epoch number `epoch` are done."""

    epoch: int
    batch: int = 0
    logs: dict[str, float] | None = None  # of the last whole epoch


class Backup:
    """The training of `model` on `batches` with `callbacks`, to and from bytes."""

    def __init__(self, model: Any, batches: Batches, callbacks: list[Callback]) -> None:
        self.model, self.batches = model, batches
        self.callbacks = [
            callback
            for callback in callbacks
            if callback.backed_up or type(callback).get_state is not Callback.get_state
        ]

    # ------------------------------------------------------------------ to bytes

    def write(self, progress: Progress) -> bytes:
        """The content of the file."""
        import h5py

        arrays: list[Any] = []
        text = json.dumps(_plain(self._state(progress), arrays))
        buffer = io.BytesIO(weights.write(self.model))
        with h5py.File(buffer, "r+") as file:
            group = file.create_group("training")
            group["state"] = np.frombuffer(text.encode(), np.uint8)
            for n, array in enumerate(arrays):
                group[f"arrays/{n}"] = array
        return buffer.getvalue()

    def _state(self, progress: Progress) -> dict[str, Any]:
        inside = progress.batch > 0
        return {
            "format": FORMAT,
            "progress": list(progress),
            "stopped": bool(self.model.stop_training),
            "run": self._run(),
            # from a seed the order comes again; without one it is drawn and must be kept
            "order": self.batches.current if inside and random.global_seed() is None else None,
            "dropout": [list(layer.seed_generator.state) for layer in self._dropouts()],
            "metrics": [m.variables for m in self.model.metrics] if inside else None,
            "callbacks": [[type(c).__name__, c.writes, c.get_state()] for c in self.callbacks],
        }

    def _run(self) -> dict[str, Any]:
        """What must be the same for the rest of the training to be the rest of this one."""
        batches = self.batches
        return {
            "samples": len(batches.x),
            "batch_size": batches.batch_size,
            "shuffle": batches.shuffled,
            "seed": random.global_seed(),
            "dtype": self.model.dtype,
        }

    def _dropouts(self) -> list[Any]:
        return [
            layer
            for layer in self.model.layers
            if isinstance(layer, Dropout) and layer.seed_generator is not None
        ]

    # ------------------------------------------------------------------ from bytes

    def read(self, content: bytes, owner: str) -> Progress:
        """Put the training where the file says, and say where that is.

        Raises ValueError, before anything has changed, for a damaged file and for one of another
        training.
        """
        self.owner = owner
        state = self._open(content)
        # of many ranks only the first one has the callbacks that write
        kept = [c for c in state["callbacks"] if leads() or not c[1]]
        theirs = state["run"] | {"callbacks": [name for name, _, _ in kept]}
        ours = self._run() | {"callbacks": [type(c).__name__ for c in self.callbacks]}
        for key, value in ours.items():
            if theirs.get(key) != value:
                hint = "Start it as before, or delete the backup to start anew."
                wanted, got = f"{key} {theirs.get(key)!r} of the training it is of", repr(value)
                raise ValueError(expected(owner, wanted, got, hint))
        state["callbacks"] = [remembered for _, _, remembered in kept]
        if len(state["dropout"]) != len(self._dropouts()):
            raise ValueError(expected(owner, "the backup of this model", "another model's"))
        self.model.build_optimizer()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                weights.read(self.model, io.BytesIO(content), owner)
            except UserWarning as error:  # an optimizer that would start anew
                raise ValueError(str(error)) from error
        self._set(state)
        epoch, batch, logs = state["progress"]
        return Progress(epoch, batch, logs)

    def _open(self, content: bytes) -> dict[str, Any]:
        store = weights.open_weights(io.BytesIO(content), self.owner)
        group: Any = store.get("training")
        arrays: Any = store.get("training/arrays", {})
        try:
            text = group["state"][()].tobytes().decode()
            state = _full(json.loads(text), {n: arrays[n][()] for n in arrays})
            good = state["format"] == FORMAT and isinstance(state["run"], dict)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            hint = "The file is damaged or of another kind."
            raise ValueError(expected(self.owner, "a whole backup", f"{error}", hint)) from error
        if not good:
            raise ValueError(expected(self.owner, f"format {FORMAT}", repr(state["format"])))
        return state  # type: ignore[no-any-return]

    def _set(self, state: dict[str, Any]) -> None:
        model = self.model
        model.stop_training = state["stopped"]
        self.batches.current = state["order"]
        for layer, (seed, counter) in zip(self._dropouts(), state["dropout"], strict=True):
            layer.seed_generator.state = seed, counter
        if state["metrics"] is not None:
            model.make_metrics(self.batches.rows(slice(0, 1)).y)
            for metric, variables in zip(model.metrics, state["metrics"], strict=True):
                for mine, kept in zip(metric.variables, variables, strict=True):
                    mine[...] = kept
        for callback, remembered in zip(self.callbacks, state["callbacks"], strict=True):
            callback.set_state(remembered)


def _plain(value: Any, arrays: list[Any]) -> Any:
    """The value for JSON; its arrays go to the list."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {"dict": [[key, _plain(v, arrays)] for key, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_plain(v, arrays) for v in value]
    if value is None or isinstance(value, str | int | float):
        return value
    wanted, hint = "plain values and arrays in a callback's state", "Leave it out of `backed_up`."
    raise TypeError(expected("Backup", wanted, repr(value), hint))


def _full(value: Any, arrays: dict[str, Any]) -> Any:
    """The way back."""
    if isinstance(value, dict):
        if "array" in value:
            return arrays[str(value["array"])]
        return {key: _full(v, arrays) for key, v in value["dict"]}
    if isinstance(value, list):
        return [_full(v, arrays) for v in value]
    return value
