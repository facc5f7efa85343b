"""Cross-entropies: how surprised the prediction is by the label.

Each has two paths. From *logits* z nothing can overflow, and the gradient is as plain as p - y.
From *probabilities* p the logarithm must be kept finite, so p is clipped to [epsilon, 1 - epsilon],
and where that happened no gradient flows.

Keras on TensorFlow takes the logits' path whenever it can see them: a softmax or a sigmoid
remembers what went into it (`_keras_logits`), and every one of these losses starts from there,
whichever of the two it was. Training here does the same (`steps.py`), by asking the loss for
`on_logits()`.
"""

from typing import Any

import numpy as np

from scratchnet import config
from scratchnet.errors import expected
from scratchnet.losses.loss import (
    Array,
    Loss,
    squeeze_or_expand_to_same_rank,
    values_of,
    with_n,
)
from scratchnet.utils.options import flag, is_int, is_number

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
    "sparse_categorical_crossentropy",
]


def log_softmax(z: Array) -> Array:
    """log of softmax along the last axis, in float64 and free of overflow."""
    shifted = z.astype(np.float64) - z.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def clip_probabilities(p: Array, dtype: Any) -> tuple[Array, Array]:
    """p kept within [epsilon, 1 - epsilon], and where it was already (only there a gradient flows).

    The bounds are numbers of `dtype`, the predictions' own: 1 - 1e-7 in float32 is 1 - 1.19e-7,
    which decides how large the loss of a saturated float32 output can get, here as in Keras.
    """
    kind = np.dtype(dtype).type
    low, high = float(kind(config.epsilon())), float(kind(1 - config.epsilon()))
    return np.clip(p, low, high), (p >= low) & (p <= high)


class Crossentropy(Loss):
    """What the three share: the two paths."""

    takes_logits = True
    from_logits: bool

    def on_logits(self) -> "Crossentropy":
        """The same loss, from logits: precondition, y_pred is what went into softmax or sigmoid."""
        config = {**self.get_config(), "from_logits": True}
        return self.from_config(config)  # type: ignore[no-any-return]

    def _check_smoothing(self, label_smoothing: float) -> float:
        number = is_number(label_smoothing)
        if not number or not 0 <= label_smoothing <= 1:
            wanted = "label_smoothing from 0 to 1"
            raise ValueError(expected(self.owner, wanted, repr(label_smoothing)))
        return float(label_smoothing)

    def _check_axis(self, axis: int) -> int:
        if not is_int(axis):
            raise ValueError(expected(self.owner, "axis as an int", repr(axis)))
        return int(axis)


class CategoricalCrossentropy(Crossentropy):
    """- sum over k of y_true[k] * log(p[k]), y_true one-hot or a distribution.

    logits          p = softmax(z)                              dz = p - y_true
    probabilities   p = clip(y_pred / sum of y_pred)            dp = - y_true / p where not clipped
    smoothing       y_true becomes y_true * (1 - label_smoothing) + label_smoothing / K
    shapes          y_true, y_pred (N, ..., K)     values (N, ...)
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = flag(self.owner, "from_logits", from_logits)
        self.label_smoothing = self._check_smoothing(label_smoothing)
        self.axis = self._check_axis(axis)

    def _prepare(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """Labels and predictions with the class axis last, in float64."""
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        if y_true.shape != y_pred.shape:
            hint = (
                "Use to_categorical(labels), or sparse_categorical_crossentropy for class numbers: "
                "here both must have the same shape."
            )
            wanted = f"y_true of the shape of y_pred {y_pred.shape}"
            raise ValueError(expected(self.owner, wanted, str(y_true.shape), hint))
        y_true, y_pred = y_true.astype(np.float64), y_pred.astype(np.float64)
        if self.label_smoothing:
            K = y_true.shape[-1]  # Keras counts the last axis, whatever `axis` says
            y_true = y_true * (1 - self.label_smoothing) + self.label_smoothing / K
        return np.moveaxis(y_true, self.axis, -1), np.moveaxis(y_pred, self.axis, -1)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        dtype = y_pred.dtype
        y_true, y_pred = self._prepare(y_true, y_pred)
        if self.from_logits:
            return -(y_true * log_softmax(y_pred)).sum(axis=-1)
        p, _ = clip_probabilities(y_pred / y_pred.sum(axis=-1, keepdims=True), dtype)
        return -(y_true * np.log(p)).sum(axis=-1)

    def values_gradient(self, y_true: Array, y_pred: Array, dvalues: Array) -> Array:
        dtype = y_pred.dtype
        y_true, y_pred = self._prepare(y_true, y_pred)
        if self.from_logits:
            dy = np.exp(log_softmax(y_pred)) - y_true
        else:
            total = y_pred.sum(axis=-1, keepdims=True)
            q = y_pred / total
            p, inside = clip_probabilities(q, dtype)
            dq = np.where(inside, -y_true / p, 0)
            dy = (dq - (dq * q).sum(axis=-1, keepdims=True)) / total
        return np.moveaxis(dy * dvalues[..., None], -1, self.axis)

    def check_labels(self, y_true: Array, output_shape: tuple[int | None, ...]) -> None:
        if y_true.shape[1:] != tuple(output_shape[1:]):
            hint = "Use to_categorical(labels), or sparse_categorical_crossentropy for classes."
            wanted = f"labels of shape {with_n(output_shape[1:])}"
            raise ValueError(expected(self.owner, wanted, with_n(y_true.shape[1:]), hint))
        check_range(self.owner, y_true)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": self.axis,
        }


class SparseCategoricalCrossentropy(Crossentropy):
    """- log(p[y_true]), y_true a class number.

    logits          p = softmax(z)                              dz = p - one-hot of y_true
    probabilities   p = softmax(log(clip(y_pred)))              through the clipped logarithm
    shapes          y_true (N, ...) or (N, ..., 1)     y_pred (N, ..., K)     values (N, ...)

    Samples of the class `ignore_class` count nothing, neither in the sum nor in its divisor.
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = flag(self.owner, "from_logits", from_logits)
        if ignore_class is not None and not is_int(ignore_class):
            wanted = "ignore_class as an int or None"
            raise ValueError(expected(self.owner, wanted, repr(ignore_class)))
        self.ignore_class = None if ignore_class is None else int(ignore_class)
        if axis != -1:
            hint = f"Only axis=-1 is currently supported. Received: axis={axis}"
            raise ValueError(expected(self.owner, "axis -1", repr(axis), hint))
        self.axis = -1

    def _labels(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        """Class numbers (those to ignore as class 0), and which of them count."""
        labels = y_true[..., 0] if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
        if labels.shape != y_pred.shape[:-1]:
            wanted = f"y_true of shape {y_pred.shape[:-1]} for y_pred {y_pred.shape}"
            hint = "Use categorical_crossentropy for one-hot labels."
            raise ValueError(expected(self.owner, wanted, str(y_true.shape), hint))
        counted = np.ones(labels.shape, bool)
        if self.ignore_class is not None:
            counted = labels != self.ignore_class
        labels = np.where(counted, labels, 0).astype(np.int64)
        K = y_pred.shape[-1]
        if labels.size and (labels.min() < 0 or labels.max() >= K):
            bad = labels.min() if labels.min() < 0 else labels.max()
            raise ValueError(expected(self.owner, f"labels from 0 to {K - 1}", str(bad)))
        return labels, counted

    def _log_p(self, y_pred: Array) -> Array:
        if self.from_logits:
            return log_softmax(y_pred)
        clipped, _ = clip_probabilities(y_pred.astype(np.float64), y_pred.dtype)
        return log_softmax(np.log(clipped))

    def call(self, y_true: Array, y_pred: Array) -> Array:
        labels, counted = self._labels(y_true, y_pred)
        log_p = np.take_along_axis(self._log_p(y_pred), labels[..., None], axis=-1)[..., 0]
        return np.where(counted, -log_p, 0)

    def values_gradient(self, y_true: Array, y_pred: Array, dvalues: Array) -> Array:
        labels, counted = self._labels(y_true, y_pred)
        dz = np.exp(self._log_p(y_pred))
        np.put_along_axis(
            dz, labels[..., None], np.take_along_axis(dz, labels[..., None], -1) - 1, -1
        )
        if not self.from_logits:
            clipped, inside = clip_probabilities(y_pred.astype(np.float64), y_pred.dtype)
            dz = np.where(inside, dz / clipped, 0)
        return dz * np.where(counted, dvalues, 0)[..., None]

    def _weights(self, y_true: Array, y_pred: Array, values: Array, sample_weight: Any) -> Array:
        weights = super()._weights(y_true, y_pred, values, sample_weight)
        if self.ignore_class is None:
            return weights
        _, counted = self._labels(y_true, y_pred)
        share = 1.0
        if self.reduction in ("sum_over_batch_size", "mean"):
            share = counted.size / max(counted.sum(), 1)
        return weights * counted * share

    def mass(self, y_true: Array, sample_weight: Array | None) -> float:
        if self.ignore_class is None or self.reduction not in ("sum_over_batch_size", "mean"):
            return super().mass(y_true, sample_weight)
        return float(np.count_nonzero(y_true != self.ignore_class))

    def check_labels(self, y_true: Array, output_shape: tuple[int | None, ...]) -> None:
        if not np.all(np.equal(np.mod(y_true, 1), 0)):
            bad = y_true[np.mod(y_true, 1) != 0].flat[0]
            raise ValueError(expected(self.owner, "labels that are class numbers", str(bad)))
        known = tuple(y_true.shape[: 1 + len(output_shape[1:-1])])
        self._labels(y_true, np.broadcast_to(np.float32(0), (*known, output_shape[-1] or 0)))

    def get_config(self) -> dict[str, Any]:
        config = {"from_logits": self.from_logits, "ignore_class": self.ignore_class}
        return {**super().get_config(), **config}


class BinaryCrossentropy(Crossentropy):
    """- y_true * log(p) - (1 - y_true) * log(1 - p), averaged over the last axis.

    logits          p = sigmoid(z)                              dz = (p - y_true) / K
    probabilities   p = clip(y_pred)                            dp where not clipped
    smoothing       y_true becomes y_true * (1 - label_smoothing) + label_smoothing / 2
    shapes          y_true, y_pred (N, ..., K)     values (N, ...)
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.from_logits = flag(self.owner, "from_logits", from_logits)
        self.label_smoothing = self._check_smoothing(label_smoothing)
        self.axis = self._check_axis(axis)

    def _prepare(self, y_true: Array, y_pred: Array) -> tuple[Array, Array]:
        y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        if y_true.shape != y_pred.shape:
            wanted = f"y_true of the shape of y_pred {y_pred.shape}"
            hint = "Both must have the same shape."
            raise ValueError(expected(self.owner, wanted, str(y_true.shape), hint))
        y_true, y_pred = y_true.astype(np.float64), y_pred.astype(np.float64)
        if self.label_smoothing:
            y_true = y_true * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
        return y_true, y_pred

    def call(self, y_true: Array, y_pred: Array) -> Array:
        dtype = y_pred.dtype
        y_true, y_pred = self._prepare(y_true, y_pred)
        if self.from_logits:
            values = np.maximum(y_pred, 0) - y_pred * y_true + np.log1p(np.exp(-np.abs(y_pred)))
        else:
            p, _ = clip_probabilities(y_pred, dtype)
            values = -(y_true * np.log(p) + (1 - y_true) * np.log1p(-p))
        return values.mean(axis=self.axis)

    def values_gradient(self, y_true: Array, y_pred: Array, dvalues: Array) -> Array:
        dtype = y_pred.dtype
        y_true, y_pred = self._prepare(y_true, y_pred)
        if self.from_logits:
            e = np.exp(-np.abs(y_pred))
            dy = np.where(y_pred >= 0, 1, e) / (1 + e) - y_true
        else:
            p, inside = clip_probabilities(y_pred, dtype)
            dy = np.where(inside, (1 - y_true) / (1 - p) - y_true / p, 0)
        return dy * np.expand_dims(dvalues, self.axis) / y_pred.shape[self.axis]

    def check_labels(self, y_true: Array, output_shape: tuple[int | None, ...]) -> None:
        super().check_labels(y_true, output_shape)
        check_range(self.owner, y_true)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "label_smoothing": self.label_smoothing,
            "axis": self.axis,
        }


def check_range(owner: str, y_true: Array) -> None:
    """Raise unless all labels are from 0 to 1."""
    if y_true.size and (y_true.min() < 0 or y_true.max() > 1):
        bad = y_true.min() if y_true.min() < 0 else y_true.max()
        raise ValueError(expected(owner, "labels from 0 to 1", str(bad)))


def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """The values of CategoricalCrossentropy."""
    return values_of(CategoricalCrossentropy(from_logits, label_smoothing, axis), y_true, y_pred)


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    """The values of SparseCategoricalCrossentropy."""
    loss = SparseCategoricalCrossentropy(from_logits, ignore_class, axis)
    return values_of(loss, y_true, y_pred)


def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """The values of BinaryCrossentropy."""
    return values_of(BinaryCrossentropy(from_logits, label_smoothing, axis), y_true, y_pred)
