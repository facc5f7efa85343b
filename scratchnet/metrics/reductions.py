"""Sums and means over batches, and the mean of a function of labels and predictions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scratchnet import losses
from scratchnet.errors import expected, unknown
from scratchnet.metrics import matches
from scratchnet.metrics.metric import Metric

__all__ = ["FunctionMetric", "Mean", "MeanMetricWrapper", "Sum", "divide_no_nan"]


class Sum(Metric):
    """The sum of values times weights.

    source    keras/src/metrics/reduction_metrics.py
    """

    def __init__(self, name: str | None = "sum", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable()

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add `values` (any shape), each times its `sample_weight` (broadcast to that shape)."""
        weighted, _ = weigh_samples(self._owner(), values, sample_weight, np.sum)
        self.total += weighted.sum()

    def result(self) -> Any:
        """The sum so far."""
        return self._rounded(self.total)


class Mean(Metric):
    """The weighted mean: sum of value * weight, divided by the sum of weight; 0 where that is 0.

    source    keras/src/metrics/reduction_metrics.py
    """

    def __init__(self, name: str | None = "mean", dtype: Any = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.total = self.add_variable()
        self.count = self.add_variable()

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add `values` of shape (N, ...): a sample counts once, as the mean of its own values."""
        if sample_weight is None and isinstance(values, np.ndarray) and values.ndim == 1:
            self.total += values.sum(dtype=np.float64)
            self.count += len(values)
            return
        if type(sample_weight) is int and isinstance(values, float | np.floating):
            self.total += float(values) * sample_weight  # the loss of a batch
            self.count += sample_weight
            return
        weighted, weight = weigh_samples(self._owner(), values, sample_weight, np.mean)
        self.total += weighted.sum()
        self.count += (len(weighted) if weighted.ndim else 1) if weight is None else weight.sum()

    def result(self) -> Any:
        """The mean so far."""
        return self._rounded(divide_no_nan(self.total, self.count))


class MeanMetricWrapper(Mean):
    """The mean of `fn(y_true, y_pred, **kwargs)`, a function that gives a value for each sample."""

    def __init__(
        self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if not callable(fn):
            raise TypeError(expected(self._owner(), "fn as a function or a loss", repr(fn)))
        if any(fn is known for known in LOSS_FUNCTIONS.values()):
            self._check_options(fn, kwargs)
        self._fn: Any = fn
        self._fn_kwargs = kwargs
        # a loss is better when it is smaller
        if isinstance(fn, losses.Loss) or fn in list(LOSS_FUNCTIONS.values()):
            self._direction = "down"

    def _check_options(self, fn: Any, options: dict[str, Any]) -> None:
        """Raise unless a loss function of ours takes these options."""
        wrong = sorted(set(options) - set(fn.__code__.co_varnames[: fn.__code__.co_argcount]))
        if wrong:
            raise TypeError(expected(self._owner(), f"options of {fn.__name__}", ", ".join(wrong)))
        type(losses.as_loss(fn))(**options)  # type: ignore[misc]  # its constructor checks the values

    def update_state(  # type: ignore[override]  # by Keras, a Mean of other things
        self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """Add one batch of labels and predictions."""
        super().update_state(self._fn(y_true, y_pred, **self._fn_kwargs), sample_weight)

    def update_state_from_logits(
        self, y_true: ArrayLike, logits: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> None:
        """The same for a cross-entropy whose y_pred came from softmax or sigmoid of `logits`."""
        if hasattr(self._fn, "on_logits"):  # a loss object
            values = self._fn.on_logits()(y_true, logits)
        else:
            values = self._fn(y_true, logits, **(self._fn_kwargs | {"from_logits": True}))
        super().update_state(values, sample_weight)

    @property
    def takes_logits(self) -> bool:
        """True where `update_state_from_logits` has a meaning: the function is a cross-entropy."""
        return self._fn in CROSSENTROPIES or getattr(self._fn, "takes_logits", False)

    def get_config(self) -> dict[str, Any]:
        """A function of ours is written by its name; any other stays the object it is."""
        known = {function: name for name, function in FUNCTIONS.items()}
        return super().get_config() | {"fn": known.get(self._fn, self._fn)} | self._fn_kwargs

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MeanMetricWrapper":
        """The metric that `get_config` described."""
        fn = config.get("fn")
        if isinstance(fn, str) and fn in FUNCTIONS:
            config = config | {"fn": FUNCTIONS[fn]}
        elif "fn" in config and not callable(fn):
            raise ValueError(unknown("metric", fn, FUNCTIONS))
        return cls(**config)


class FunctionMetric(MeanMetricWrapper):
    """A MeanMetricWrapper whose class fixes the function; its config holds the rest."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return Metric.get_config(self) | self._fn_kwargs


LOSS_FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: getattr(losses, name)
    for name in (
        "binary_crossentropy",
        "categorical_crossentropy",
        "huber",
        "mean_absolute_error",
        "mean_squared_error",
        "sparse_categorical_crossentropy",
    )
}

# all that a config may name
FUNCTIONS = LOSS_FUNCTIONS | {
    name: getattr(matches, name) for name in matches.__all__ if name.endswith("accuracy")
}

CROSSENTROPIES = [fn for name, fn in LOSS_FUNCTIONS.items() if name.endswith("crossentropy")]


def divide_no_nan(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """x / y, and 0 where y is 0."""
    with np.errstate(invalid="ignore"):
        return np.divide(x, y, out=np.zeros_like(x), where=y != 0)


def weigh_samples(
    owner: str,
    values: ArrayLike,
    sample_weight: ArrayLike | None,
    reduce: Callable[..., Any],
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """One weighted value for each sample, and the weight that each one had.

    A weight may have any rank up to that of the values; values are reduced to its rank first, then
    both are reduced to one number for each sample. Float64.

    shapes    values (N, ...) or ()   sample_weight broadcasts to the values reduced to its rank
    source    keras/src/metrics/reduction_metrics.py, reduce_to_samplewise_values
    """
    v = np.asarray(values, dtype=np.float64)
    if sample_weight is None:
        return (reduce(v, axis=tuple(range(1, v.ndim))) if v.ndim > 1 else v), None
    v, weight = losses.squeeze_or_expand_to_same_rank(v, np.asarray(sample_weight, np.float64))
    rank = weight.ndim
    if v.ndim > rank:
        v = reduce(v, axis=tuple(range(rank, v.ndim)))
    try:
        weight = np.broadcast_to(weight, v.shape)
    except ValueError:
        raise ValueError(
            expected(
                owner,
                f"sample_weight that broadcasts to shape {v.shape}",
                f"shape {np.shape(sample_weight)}",
                "Give one weight for each sample.",
            )
        ) from None
    with np.errstate(invalid="ignore"):  # infinity with weight 0 is NaN, and is shown as such
        v = v * weight
    if rank > 1:
        weight = reduce(weight, axis=tuple(range(1, rank)))
    return (reduce(v, axis=tuple(range(1, v.ndim))) if v.ndim > 1 else v), weight
