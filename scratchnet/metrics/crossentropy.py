"""The cross-entropies as metrics: the mean of the loss functions of the same names."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scratchnet import losses
from scratchnet.metrics.reductions import FunctionMetric

__all__ = ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"]


class BinaryCrossentropy(FunctionMetric):
    """The mean cross-entropy between labels 0 or 1 and probabilities (or logits)."""

    _direction = "down"

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            losses.binary_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


class CategoricalCrossentropy(FunctionMetric):
    """The mean cross-entropy between one-hot labels and probabilities (or logits)."""

    _direction = "down"

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class SparseCategoricalCrossentropy(FunctionMetric):
    """The mean cross-entropy between class numbers and probabilities (or logits)."""

    _direction = "down"

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def update_state(  # type: ignore[override]  # by Keras, a Mean of other things
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add one batch of class numbers and probabilities (or logits)."""
        super().update_state(y_true, y_pred, self._counted(y_true, y_pred, sample_weight))

    def update_state_from_logits(
        self, y_true: ArrayLike, logits: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """The same where y_pred came from softmax or sigmoid of `logits`."""
        counted = self._counted(y_true, logits, sample_weight)
        super().update_state_from_logits(y_true, logits, counted)

    def _counted(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
    ) -> ArrayLike | None:
        """The weights, 0 for the class to ignore.

        Without weights the ignored samples count, with the value 0: Keras looks at its mask only
        where there are weights (keras/src/metrics/reduction_metrics.py).
        """
        if sample_weight is None or self.ignore_class is None:
            return sample_weight
        labels = np.asarray(y_true).reshape(np.shape(y_pred)[:-1])
        mask, weight = losses.squeeze_or_expand_to_same_rank(
            (labels != self.ignore_class).astype(np.float64), np.asarray(sample_weight, np.float64)
        )
        return weight * mask
