"""What every loss is: one value for each sample, a rule that makes them one number, and the
gradient.

The 1/N of the mean is applied here, once: `gradient` is that of the reduced loss, so no layer
divides by anything. Losses are computed in float64 whatever the predictions' dtype, and rounded
once.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scratchnet.config import standardize_dtype
from scratchnet.errors import expected, unknown
from scratchnet.registry import Configurable
from scratchnet.utils.naming import auto_name

__all__ = ["Array", "Loss", "as_float", "squeeze_or_expand_to_same_rank", "values_of", "with_n"]

Array = NDArray[Any]
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss(Configurable):
    """The base of all losses.

    call       values (N,) or (N, ...): one for each sample (or position)
    __call__   their reduction: a number
    gradient   d(reduction) / d(y_pred), of the shape of y_pred

    reduction  "sum_over_batch_size" (= "mean"): sum / number of values;  "sum";
               "mean_with_sample_weight": sum / sum of weights;  "none" or None: the values
               themselves
    """

    takes_logits = False  # True for the cross-entropies, which can start from the logits

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: Any = None,
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(expected(type(self).__name__, "name as a str or None", repr(name)))
        self.name = name or auto_name(type(self).__name__)
        if reduction not in REDUCTIONS:
            known = [str(r) for r in REDUCTIONS]
            raise ValueError(unknown("Reduction", reduction, known))
        self.reduction = reduction
        self.dtype = standardize_dtype(dtype)

    @property
    def owner(self) -> str:
        return f"{type(self).__name__} '{self.name}'"

    # ------------------------------------------------------------------ what a loss defines

    def call(self, y_true: Array, y_pred: Array) -> Array:
        """The values, before weights and reduction."""
        raise NotImplementedError(f"{self.owner}: expected a call method, got none. Write one.")

    def values_gradient(self, y_true: Array, y_pred: Array, dvalues: Array) -> Array:
        """d(sum of values * dvalues) / d(y_pred), with dvalues what the reduction gives each."""
        wanted = "a values_gradient method, which training needs"
        raise NotImplementedError(expected(self.owner, wanted, "none", "Write one."))

    def check_labels(self, y_true: Array, output_shape: tuple[int | None, ...]) -> None:
        """Raise unless these labels fit predictions of this shape (N, ...)."""
        shape = tuple(output_shape[1:])
        got = y_true.shape[1:]
        if got != shape and not (shape[-1:] == (1,) and got == shape[:-1]):
            wanted = f"labels of shape {with_n(shape)}"
            raise ValueError(expected(self.owner, wanted, with_n(got)))

    def check_weights(self, weight: Array, output_shape: tuple[int | None, ...]) -> None:
        """Raise unless these sample weights fit predictions of this shape (N, ...)."""
        self._fitted((len(weight), *(d or 1 for d in output_shape[1:-1])), weight)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "reduction": self.reduction}

    # ------------------------------------------------------------------ the reduction

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss, as a NumPy scalar (an array for reduction "none")."""
        y_true, y_pred = as_float(y_true), as_float(y_pred)
        values = np.asarray(self.call(y_true, y_pred), np.float64)
        values = values * self._weights(y_true, y_pred, values, sample_weight)
        if self.reduction in (None, "none"):
            column = np.shape(sample_weight) == (len(y_pred), 1) and values.ndim == 1
            return (values[:, None] if column else values).astype(y_pred.dtype)
        with np.errstate(over="ignore"):  # a loss that float32 cannot hold is infinite, as in Keras
            return y_pred.dtype.type(values.sum() * self._factor(values.shape, sample_weight))

    def gradient(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Array:
        """d(loss) / d(y_pred), of the shape and dtype of y_pred."""
        y_true, y_pred = as_float(y_true), as_float(y_pred)
        values = self.call(y_true, y_pred)
        dvalues = self._weights(y_true, y_pred, values, sample_weight)
        dvalues = dvalues * self._factor(values.shape, sample_weight)
        dy = self.values_gradient(y_true, y_pred, dvalues)
        return np.ascontiguousarray(dy.reshape(y_pred.shape), dtype=y_pred.dtype)

    def _weights(self, y_true: Array, y_pred: Array, values: Array, sample_weight: Any) -> Array:
        """What each value counts, in the shape of the values."""
        if sample_weight is None:
            return np.ones(values.shape)
        return np.array(self._fitted(values.shape, np.asarray(sample_weight, np.float64)))

    def _fitted(self, shape: tuple[int, ...], weight: Array) -> Array:
        """The weights stretched to values of this shape."""
        # a column (N, 1) of weights is one weight a sample, where there is one value a sample
        values = np.broadcast_to(0.0, shape)
        _, fitted = squeeze_or_expand_to_same_rank(values, weight, expand_rank_1=weight.ndim == 1)
        try:
            return np.broadcast_to(fitted, shape)
        except ValueError:
            wanted = f"sample_weight that fits values of shape {shape}"
            raise ValueError(expected(self.owner, wanted, str(weight.shape))) from None

    def mass(self, y_true: Array, sample_weight: Array | None) -> float:
        """What these rows count beside others: the mean over a batch is that of the means of its
        parts, weighted with their masses."""
        if self.reduction == "mean_with_sample_weight" and sample_weight is not None:
            return float(np.sum(sample_weight, dtype=np.float64))
        return float(len(y_true))

    def _factor(self, shape: tuple[int, ...], sample_weight: Any) -> float:
        """What the sum of the weighted values is multiplied with."""
        if self.reduction in ("sum", "none", None):
            return 1.0
        if self.reduction == "mean_with_sample_weight" and sample_weight is not None:
            total = float(np.sum(np.asarray(sample_weight, np.float64)))
        else:
            total = float(np.prod(shape))
        return 1.0 / total if total else 0.0  # no values, no loss (tf.math.divide_no_nan)


def as_float(x: Any) -> Array:
    """x as a float array: float32 and float64 stay, everything else becomes the default float."""
    array = np.asarray(x)
    return (
        array if array.dtype in (np.float32, np.float64) else array.astype(standardize_dtype(None))
    )


def values_of(loss: Loss, y_true: Any, y_pred: Any) -> Array:
    """The values of a loss in the dtype of y_pred: what the functions of this package return."""
    y_pred = as_float(y_pred)
    return np.asarray(loss.call(np.asarray(y_true), y_pred)).astype(y_pred.dtype)


def squeeze_or_expand_to_same_rank(
    x1: Array, x2: Array, expand_rank_1: bool = True
) -> tuple[Array, Array]:
    """Make the ranks equal where they differ by one last axis of size 1 (as `losses/loss.py`)."""
    if x1.ndim == x2.ndim + 1 and x1.shape[-1] == 1:
        if x2.ndim == 1 and expand_rank_1:
            x2 = x2[:, None]
        else:
            x1 = x1[..., 0]
    elif x2.ndim == x1.ndim + 1 and x2.shape[-1] == 1:
        if x1.ndim == 1 and expand_rank_1:
            x1 = x1[:, None]
        else:
            x2 = x2[..., 0]
    return x1, x2


def with_n(shape: tuple[int | None, ...]) -> str:
    """(10,) as (N, 10)."""
    return f"({', '.join(['N', *map(str, shape)])}{',' if not shape else ''})"
