"""The metrics of a run of batches: counted at each batch, or several batches at once."""

from typing import Any

import numpy as np

from scratchnet.data import Batches
from scratchnet.losses.loss import Array

__all__ = ["Tally"]

AT_ONCE = 32  # batches
NUMBERS = 2**18  # of y_pred that are kept, at most


class Tally:
    """Hands the batches of `fit` to a model's metrics.

    Where nobody looks at the metrics in between and all of them count whole numbers (accuracies),
    many batches are counted in one call: the sums are the same, and an update of ten calls into
    NumPy takes as long as a small network's whole step.
    """

    def __init__(self, model: Any, watched: bool) -> None:
        self.model, self.watched = model, watched
        self.counts = False  # whether all metrics count whole numbers; unknown before a batch
        self.waiting: list[tuple[float, Array, Array]] = []

    def add(self, loss: float, batch: Batches, y_pred: Array) -> None:
        """One batch, as it was trained on."""
        if self.watched or not self.counts or batch.sample_weight is not None:
            self.flush()
            self.model._update_metrics(loss, batch, y_pred, training=True)
            metrics = self.model.metrics[1:]  # none before the first batch has shown the shapes
            # of the class itself: a subclass may update in a way of its own
            counts = [vars(type(metric)).get("counts") for metric in metrics]
            self.counts = bool(counts) and all(counts)
            return
        self.waiting.append((loss, batch.y, y_pred.copy()))  # the engine uses its array again
        if len(self.waiting) == AT_ONCE or len(self.waiting) * y_pred.size >= NUMBERS:
            self.flush()

    def flush(self) -> None:
        """Count what waits."""
        if not self.waiting:
            return
        losses, labels, outputs = zip(*self.waiting, strict=True)
        self.waiting = []
        tracker, *metrics = self.model.metrics
        for loss, y_pred in zip(losses, outputs, strict=True):
            tracker.update_state(loss, sample_weight=len(y_pred))
        y, y_pred = np.concatenate(labels), np.concatenate(outputs)
        for metric in metrics:
            metric.update_state(y, y_pred)
