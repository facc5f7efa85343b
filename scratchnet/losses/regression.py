"""Losses of the difference e = y_pred - y_true: squared, absolute, and Huber's mixture of both.

values     the mean over the last axis
gradient   that of the mean: what follows, times dvalues / K
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchnet.errors import expected
from scratchnet.losses.loss import Array, Loss, squeeze_or_expand_to_same_rank, values_of
from scratchnet.utils.options import LARGEST, is_number

__all__ = [
    "Huber",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "huber",
    "mean_absolute_error",
    "mean_squared_error",
]


class DifferenceLoss(Loss):
    """A loss f(e), averaged over the last axis."""

    f: Callable[[Array], Array]
    df: Callable[[Array], Array]

    def _difference(self, y_true: Array, y_pred: Array) -> Array:
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        try:
            return y_pred.astype(np.float64) - y_true
        except ValueError:
            wanted = f"y_true that fits y_pred of shape {y_pred.shape}"
            raise ValueError(expected(self.owner, wanted, str(y_true.shape))) from None

    def call(self, y_true: Array, y_pred: Array) -> Array:
        return self.f(self._difference(y_true, y_pred)).mean(axis=-1)

    def values_gradient(self, y_true: Array, y_pred: Array, dvalues: Array) -> Array:
        e = self._difference(y_true, y_pred)
        return self.df(e) * (dvalues / e.shape[-1])[..., None]


class MeanSquaredError(DifferenceLoss):
    """f(e) = e^2     f' = 2 * e"""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)

    def f(self, e: Array) -> Array:
        return e * e

    def df(self, e: Array) -> Array:
        return 2 * e


class MeanAbsoluteError(DifferenceLoss):
    """f(e) = |e|     f' = sign(e), 0 at 0"""

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)

    def f(self, e: Array) -> Array:
        return np.abs(e)

    def df(self, e: Array) -> Array:
        return np.sign(e)


class Huber(DifferenceLoss):
    """f(e) = e^2 / 2 where |e| <= delta, else delta * (|e| - delta / 2)
    f' = e where |e| <= delta, else delta * sign(e)

    source     Huber, "Robust Estimation of a Location Parameter" (1964)
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        if not is_number(delta):
            raise ValueError(expected(self.owner, "delta as a number", repr(delta)))
        if not 0 < delta <= LARGEST:
            raise ValueError(expected(self.owner, "delta above 0", repr(delta)))
        self.delta = float(delta)

    def f(self, e: Array) -> Array:
        size = np.abs(e)
        return np.where(size <= self.delta, e * e / 2, self.delta * (size - self.delta / 2))

    def df(self, e: Array) -> Array:
        return np.clip(e, -self.delta, self.delta)

    def get_config(self) -> dict[str, Any]:
        # Keras writes no delta, and so forgets it; ours is written where it is not the default, and
        # Keras can read it
        delta = {} if self.delta == 1.0 else {"delta": self.delta}
        return {**delta, **super().get_config()}


def mean_squared_error(y_true: Any, y_pred: Any) -> Array:
    """The values of MeanSquaredError."""
    return values_of(MeanSquaredError(), y_true, y_pred)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Array:
    """The values of MeanAbsoluteError."""
    return values_of(MeanAbsoluteError(), y_true, y_pred)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Array:
    """The values of Huber."""
    return values_of(Huber(delta), y_true, y_pred)
