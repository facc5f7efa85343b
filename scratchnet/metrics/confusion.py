"""Precision: what part of the called is true. Recall: what part of the true is called."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scratchnet import losses
from scratchnet.errors import expected
from scratchnet.metrics.matches import as_array
from scratchnet.metrics.metric import Metric
from scratchnet.metrics.reductions import divide_no_nan
from scratchnet.utils.options import LARGEST, count, is_number

__all__ = ["Precision", "Recall"]

NEG_INF = -1e10  # Keras's score for what is not among the top k: below every threshold but this one


class PositiveRate(Metric):
    """True positives divided by the true positives and the mistakes that the subclass counts.

    A prediction is positive where it is greater than the threshold. One result for each threshold.

    source    keras/src/metrics/confusion_metrics.py and metrics_utils.py. For evenly spaced
              thresholds Keras sorts predictions into buckets; here every one is compared.
    """

    _direction = "up"

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.top_k = top_k
        self.class_id = class_id
        if thresholds is None:
            self.thresholds = [0.5 if top_k is None else NEG_INF]
        else:
            each: Any = thresholds if isinstance(thresholds, list | tuple) else [thresholds]
            numbers = all(is_number(one) and abs(one) <= LARGEST for one in each)
            if not isinstance(thresholds, np.ndarray) and not numbers:
                wanted = "thresholds as a number or a list of numbers"
                raise ValueError(expected(self._owner(), wanted, repr(thresholds)))
            self.thresholds = list(np.atleast_1d(np.asarray(thresholds, dtype=np.float64)).tolist())
            if not self.thresholds or not all(0 <= t <= 1 for t in self.thresholds):
                raise ValueError(
                    expected(self._owner(), "one or more thresholds in [0, 1]", repr(thresholds))
                )
        if top_k is not None:
            count(self._owner(), "top_k", top_k)
        if class_id is not None:
            count(self._owner(), "class_id", class_id, least=0)
        self.true_positives = self.add_variable((len(self.thresholds),))

    def _confusion(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The weight of true positives, false positives, false negatives at each threshold."""
        p, t = losses.squeeze_or_expand_to_same_rank(
            as_array(y_pred).astype(self.dtype), as_array(y_true)
        )
        if p.shape != t.shape:
            raise ValueError(
                expected(self._owner(), f"y_true of the shape of y_pred, {p.shape}", str(t.shape))
            )
        weight = self._weight(t, sample_weight)
        if self.top_k is not None:
            if p.shape[-1] < self.top_k:
                raise ValueError(
                    expected(
                        self._owner(), f"at least top_k={self.top_k} classes", str(p.shape[-1])
                    )
                )
            p = keep_top_k(p, self.top_k)
        if self.class_id is not None:
            if p.ndim < 2 or not 0 <= self.class_id < p.shape[-1]:
                raise ValueError(
                    expected(
                        self._owner(),
                        f"y_pred of shape (N, K) with a class {self.class_id}",
                        str(p.shape),
                        "When class_id is provided, y_pred must be a 2D array with shape "
                        f"(num_samples, num_classes), found shape: {p.shape}.",
                    )
                )
            p, t = p[..., self.class_id, None], t[..., self.class_id, None]
        w = self._broadcast(weight, p.shape)
        thresholds = np.asarray(self.thresholds, self.dtype)
        called = p.reshape(1, -1) > thresholds[:, None]
        true = t.reshape(1, -1).astype(bool)
        return (called & true) @ w, (called & ~true) @ w, (~called & true) @ w

    def _weight(self, t: NDArray[Any], sample_weight: ArrayLike | None) -> NDArray[Any]:
        if sample_weight is None:
            return np.ones((), np.float64)
        weight = np.asarray(sample_weight, np.float64)[..., None]
        return losses.squeeze_or_expand_to_same_rank(t, weight, expand_rank_1=False)[1]

    def _broadcast(self, weight: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        try:
            return np.broadcast_to(weight, shape).reshape(-1)
        except ValueError:
            raise ValueError(
                expected(
                    self._owner(),
                    f"sample_weight that broadcasts to shape {shape}",
                    f"shape {weight.shape}",
                    "Give one weight for each sample.",
                )
            ) from None

    def _rate(self, mistakes: NDArray[Any]) -> Any:
        rate = self._rounded(divide_no_nan(self.true_positives, self.true_positives + mistakes))
        return rate[0] if len(self.thresholds) == 1 else rate

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


class Precision(PositiveRate):
    """True positives / (true positives + false positives); 0 where nothing was called positive."""

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name, dtype)
        self.false_positives = self.add_variable((len(self.thresholds),))

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add one batch; y_true is read as true or false."""
        hits, false_alarms, _ = self._confusion(y_true, y_pred, sample_weight)
        self.true_positives += hits
        self.false_positives += false_alarms

    def result(self) -> Any:
        """The precision so far, an array where there are several thresholds."""
        return self._rate(self.false_positives)


class Recall(PositiveRate):
    """True positives / (true positives + false negatives); 0 where nothing was true."""

    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(thresholds, top_k, class_id, name, dtype)
        self.false_negatives = self.add_variable((len(self.thresholds),))

    def update_state(
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add one batch; y_true is read as true or false."""
        hits, _, misses = self._confusion(y_true, y_pred, sample_weight)
        self.true_positives += hits
        self.false_negatives += misses

    def result(self) -> Any:
        """The recall so far, an array where there are several thresholds."""
        return self._rate(self.false_negatives)


def keep_top_k(x: NDArray[Any], k: int) -> NDArray[Any]:
    """x where it is among the k largest of the last axis (first of equals), NEG_INF elsewhere."""
    order = np.argsort(-x, axis=-1, kind="stable")
    kept = np.full_like(x, NEG_INF)
    best = order[..., :k]
    np.put_along_axis(kept, best, np.take_along_axis(x, best, axis=-1), axis=-1)
    return kept
