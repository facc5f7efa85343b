"""What a contestant must be able to do, and what ScratchNet and Keras do with the same lines."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_ref.race.measure import memory
from keras_ref.race.strangers import find
from scratchnet.networks import Network

__all__ = ["ModelSide", "Side", "load_weights"]

SHORTEST = 0.1  # seconds that a turn of prediction takes at least: one call may be too short
ONES = 100  # single images a turn, at least
TRY_ONES = 30  # single images for the choice of the fastest call


def load_weights(folder: str | Path) -> list[NDArray[Any]]:
    """The initial weights that everybody starts from, in Keras's order and layout."""
    with np.load(Path(folder) / "weights.npz") as arrays:
        return [arrays[f"{index}"] for index in range(len(arrays.files))]


class Side:
    """One contestant, inside its own process. Every answer can be written as JSON.

    The order: load, read, build; then first, reset, epoch ... as they are asked for.
    """

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.network: Network = find(task["network"])
        self.options: dict[str, Any] = task["options"]
        self.threads: int = task["threads"]
        self.batch_size: int = task["batch_size"]
        self.shape: tuple[int, ...] = tuple(task["shape"])  # of one input

    # ------------------------------------------------------------------ getting ready

    def load(self) -> None:
        """Import the library."""
        raise NotImplementedError

    def read(self) -> None:
        """The data, as float32; what others keep in another form they turn here."""

        def array(name: str) -> NDArray[Any]:
            loaded: NDArray[Any] = np.load(Path(self.task["folder"]) / f"{name}.npy")
            return loaded.reshape(len(loaded), *self.shape) if name.startswith("x") else loaded

        self.x, self.y = array("x_train"), array("y_train")
        self.x_test, self.y_test = array("x_test"), array("y_test")
        self.weights = load_weights(self.task["folder"])

    def build(self) -> None:
        """Make the network with the initial weights."""
        raise NotImplementedError

    # ------------------------------------------------------------------ what is asked for

    def first(self) -> dict[str, Any]:
        """Seconds for the first batch: with whatever has to be compiled for it."""
        return {"seconds": self._timed(self._first)}

    def losses(self, rows: int, steps: int) -> dict[str, Any]:
        """Without dropout, from the initial weights: the loss of test rows, then that of each
        training step before its update. Batch i is rows i * rows to (i+1) * rows, unshuffled."""
        raise NotImplementedError

    def evaluate(self, rows: int | None = None) -> dict[str, Any]:
        """Loss and accuracy of the first rows, or all, of the test data."""
        raise NotImplementedError

    def epoch(self) -> dict[str, Any]:
        """Seconds for one epoch over all rows, in a new order."""
        return {"seconds": self._timed(self._epoch)}

    def reset(self) -> dict[str, Any]:
        """Back to the initial weights and a fresh optimizer."""
        raise NotImplementedError

    def predict(self, rows: int) -> dict[str, Any]:
        """Seconds to predict so many test rows in one call: the mean over a tenth of a second."""
        x = self.x_test[:rows]
        return {"seconds": _mean(lambda: self._predict(x))}

    def one(self) -> dict[str, Any]:
        """Seconds for one image, the mean over at least a hundred that are predicted one by one;
        and by which call, the fastest that there is."""
        if not hasattr(self, "_call"):
            self._call = self._fastest_call()
        name, call = self._call
        images = [self.x_test[i : i + 1] for i in np.arange(ONES) % len(self.x_test)]

        def all_of_them() -> None:
            for image in images:
                call(image)

        return {"seconds": _mean(all_of_them) / ONES, "call": name}

    def peak(self) -> dict[str, Any]:
        """The largest resident set so far, in megabytes."""
        return {"megabytes": memory()}

    def facts(self) -> dict[str, Any]:
        """What it ran on: versions, device, thread pools and BLAS kernels."""
        from threadpoolctl import threadpool_info

        pools = [
            {name: value for name, value in pool.items() if name != "filepath"}
            for pool in threadpool_info()
        ]
        return {"device": "CPU", "versions": self._versions(), "pools": pools, **self._facts()}

    # ------------------------------------------------------------------ what a side fills in

    def _first(self) -> None:
        raise NotImplementedError

    def _epoch(self) -> None:
        raise NotImplementedError

    def _predict(self, x: NDArray[Any]) -> NDArray[Any]:
        raise NotImplementedError

    def _calls(self) -> dict[str, Any]:
        """The ways to predict one image: name -> call, which returns an array."""
        return {"predict": self._predict}

    def _versions(self) -> dict[str, str]:
        return {"numpy": np.__version__}

    def _facts(self) -> dict[str, Any]:
        return {}

    # ------------------------------------------------------------------ for all

    @staticmethod
    def _timed(work: Callable[[], Any]) -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    def _fastest_call(self) -> tuple[str, Any]:
        """The fastest of the calls; all must give what `predict` gives."""
        calls = self._calls()
        image = self.x_test[:1]
        wanted = self._predict(image)
        seconds = {}
        for name, call in calls.items():
            np.testing.assert_allclose(call(image), wanted, rtol=1e-3, atol=1e-5)
            call(image)  # what it compiles for itself, it has compiled
            start = time.perf_counter()
            for _ in range(TRY_ONES if len(calls) > 1 else 0):
                call(image)
            seconds[name] = time.perf_counter() - start
        name = min(seconds, key=lambda name: seconds[name])
        return name, calls[name]


def _mean(work: Callable[[], Any]) -> float:
    """Seconds of a call, the mean over as many as fill SHORTEST."""
    calls, start = 0, time.perf_counter()
    while True:
        work()
        calls += 1
        seconds = time.perf_counter() - start
        if seconds >= SHORTEST:
            return seconds / calls


class ModelSide(Side):
    """A side whose library speaks Keras's interface: ScratchNet and Keras."""

    library: Any
    compile_options: dict[str, Any] = {}  # noqa: RUF012 (replaced, never written to)

    def build(self) -> None:
        self.library.utils.set_random_seed(self.task["seed"])
        self.model = self._make()
        # a Keras variable turns itself into an array, ours are arrays already
        state = self.model.optimizer.variables
        self._fresh = [np.array(v.numpy() if hasattr(v, "numpy") else v) for v in state]

    def _make(self, dropout: bool = True) -> Any:
        model = self.network.compiled(self.library, **self.compile_options)
        if not dropout:  # before anything is traced
            for layer in model.layers:
                if type(layer).__name__ == "Dropout":
                    layer.rate = 0.0
        model.set_weights(self.weights)
        self._build_optimizer(model)
        return model

    def _build_optimizer(self, model: Any) -> None:
        model.optimizer.build(model.trainable_variables)

    def _fit(self, model: Any, rows: slice, shuffle: bool = True) -> float:
        """One `fit` of one epoch, as the tutorials call it; the loss."""
        history = model.fit(
            self.x[rows],
            self.y[rows],
            batch_size=self.batch_size,
            epochs=1,
            verbose=0,
            shuffle=shuffle,
        ).history
        return float(history["loss"][0])

    def _first(self) -> None:
        self._fit(self.model, slice(self.batch_size))

    def _epoch(self) -> None:
        self._fit(self.model, slice(None))

    def losses(self, rows: int, steps: int) -> dict[str, Any]:
        model = self._make(dropout=False)
        x, y = self.x_test[:rows], self.y_test[:rows]
        tested = float(model.evaluate(x, y, batch_size=self.batch_size, verbose=0)[0])
        cuts = [slice(i * rows, (i + 1) * rows) for i in range(steps)]
        return {"test": tested, "steps": [self._fit(model, cut, shuffle=False) for cut in cuts]}

    def evaluate(self, rows: int | None = None) -> dict[str, Any]:
        x, y = self.x_test[:rows], self.y_test[:rows]
        loss, accuracy = self.model.evaluate(x, y, batch_size=self.batch_size, verbose=0)
        return {"loss": float(loss), "accuracy": float(accuracy)}

    def reset(self) -> dict[str, Any]:
        self.model.set_weights(self.weights)
        self.model.optimizer.set_weights([value.copy() for value in self._fresh])
        return {}

    def _predict(self, x: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(self.model.predict(x, verbose=0))

    def _calls(self) -> dict[str, Any]:
        return {"predict_on_batch": self.model.predict_on_batch}
