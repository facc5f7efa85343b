"""How far predictions are from their targets: squared, absolute, root of the mean square."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scratchnet import losses
from scratchnet.metrics.matches import as_array
from scratchnet.metrics.reductions import FunctionMetric, Mean, divide_no_nan

__all__ = ["MeanAbsoluteError", "MeanSquaredError", "RootMeanSquaredError"]


class MeanSquaredError(FunctionMetric):
    """The mean of (y_pred - y_true)**2."""

    _direction = "down"

    def __init__(self, name: str | None = "mean_squared_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


class MeanAbsoluteError(FunctionMetric):
    """The mean of |y_pred - y_true|."""

    _direction = "down"

    def __init__(self, name: str | None = "mean_absolute_error", dtype: Any = None) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


class RootMeanSquaredError(Mean):
    """The root of the mean of (y_pred - y_true)**2, taken once over everything seen."""

    _direction = "down"

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: Any = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]  # by Keras, a Mean of other things
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add one batch of targets and predictions of one shape."""
        t, p = losses.squeeze_or_expand_to_same_rank(
            as_array(y_true).astype(self.dtype), as_array(y_pred).astype(self.dtype)
        )
        super().update_state(np.square(p - t), sample_weight)

    def result(self) -> Any:
        """The root so far."""
        return self._rounded(np.sqrt(divide_no_nan(self.total, self.count)))
