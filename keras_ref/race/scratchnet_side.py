"""ScratchNet, with one of its engines."""

import os
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_ref.race.side import ModelSide

__all__ = ["LOOPS_SECONDS", "MORE", "SIDE", "LoopsSide", "ScratchnetSide", "scaled"]

LOOPS_SECONDS = 0.5  # what a turn of `loops` should take at least, where one sample takes less
MORE = 5  # how many times as many samples the second step of a turn has


class ScratchnetSide(ModelSide):
    """`fit`, `predict` and `predict_on_batch` of an engine."""

    def load(self) -> None:
        import scratchnet

        scratchnet.set_engine(self.options["engine"])
        scratchnet.engines.load(self.options["engine"])
        self.library = scratchnet

    def _build_optimizer(self, model: Any) -> None:
        model.build_optimizer()

    def _versions(self) -> dict[str, str]:
        import numba

        return {
            "scratchnet": self.library.__version__,
            "numba": numba.__version__,
            "numpy": np.__version__,
        }

    def _facts(self) -> dict[str, Any]:
        import numba

        try:
            layer = numba.threading_layer()
        except ValueError:  # nothing of it has run in parallel
            layer = "not used"
        return {
            "engine": self.library.get_engine(),
            "numba_threads": numba.get_num_threads(),
            "numba_threading_layer": layer,
            "cache": "a folder of its own" if os.environ.get("NUMBA_CACHE_DIR") else "the usual",
        }


def scaled(few: float, many: float, rows: int, samples: int, batch_size: int) -> float:
    """Seconds of an epoch, from a step with `rows` samples and one with MORE times as many.

    A step costs so much a sample, and the optimizer's update however many samples there are:
    few = update + rows * sample, many = update + MORE * rows * sample.
    """
    sample = max(many - few, 0.0) / ((MORE - 1) * rows)
    update = max(few - rows * sample, 0.0)
    steps = -(-samples // batch_size)
    return samples * sample + steps * update


class LoopsSide(ScratchnetSide):
    """Engine `loops`: Python takes hours for an epoch, so it does a few samples and is scaled."""

    def build(self) -> None:
        super().build()
        self.rows = 1

    def first(self) -> dict[str, Any]:
        """The first sample; it also tells how many samples a turn can have."""
        seconds = self._step(1)
        most = min(self.batch_size, len(self.x)) // MORE
        self.rows = max(1, min(most, int(LOOPS_SECONDS / seconds / (1 + MORE))))
        return {"seconds": seconds, "rows": 1}

    def _step(self, rows: int) -> float:
        return self._timed(lambda: self._fit(self.model, slice(rows)))

    def epoch(self) -> dict[str, Any]:
        few, many = self._step(self.rows), self._step(MORE * self.rows)
        seconds = scaled(few, many, self.rows, len(self.x), self.batch_size)
        return {"seconds": seconds, "scaled_from": (1 + MORE) * self.rows}

    def evaluate(self, rows: int | None = None) -> dict[str, Any]:
        if rows is None:  # all of them would take too long, and it has not trained on all
            return {"loss": None, "accuracy": None}
        return super().evaluate(rows)

    def predict(self, rows: int) -> dict[str, Any]:
        few = min(self.rows, rows)
        seconds = super().predict(few)["seconds"]
        return {"seconds": seconds * rows / few, "scaled_from": few}

    def one(self) -> dict[str, Any]:
        start = time.perf_counter()
        image: NDArray[Any] = self.x_test[:1]
        self.model.predict_on_batch(image)
        return {"seconds": time.perf_counter() - start, "call": "predict_on_batch"}


def SIDE(task: dict[str, Any]) -> ScratchnetSide:  # noqa: N802 (one name in every side)
    """The side for the engine that is asked for."""
    return (LoopsSide if task["options"]["engine"] == "loops" else ScratchnetSide)(task)
