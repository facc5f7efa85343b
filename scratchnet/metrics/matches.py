"""Whether each prediction is right, as 0 or 1: the functions behind the accuracy metrics.

source    keras/src/metrics/accuracy_metrics.py
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scratchnet import config, losses
from scratchnet.errors import expected

__all__ = [
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]

Array = NDArray[Any]


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where y_true == y_pred, else 0.

    shapes    y_true and y_pred alike, or one of them with a last axis of 1 more
    """
    t, p = _same_shape("accuracy", as_array(y_true), as_array(y_pred))
    return _matches(t.astype(p.dtype, copy=False) == p)


def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> Array:
    """1 where y_true == (y_pred > threshold), else 0.

    shapes    y_true and y_pred alike, or one of them with a last axis of 1 more
    """
    t, p = _same_shape("binary_accuracy", as_array(y_true), as_array(y_pred))
    # Keras holds the threshold in the default float type: float32, even for float64 predictions
    return _matches(t == (p > np.asarray(threshold, config.floatx())))


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where the largest score is that of the labelled class; the first of equal scores counts.

    shapes    y_true (..., K), one-hot   y_pred (..., K)   result (...)
    """
    t, p = as_array(y_true), as_array(y_pred)
    _check_classes("categorical_accuracy", t, p)
    return _matches(argmax(t) == argmax(p))


def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """1 where the largest score is that of class y_true; the first of equal scores counts.

    shapes    y_true (...) or (..., 1), class numbers   y_pred (..., K)   result (...)
    """
    t, p = _labels("sparse_categorical_accuracy", as_array(y_true), as_array(y_pred))
    return _matches(t == argmax(p))


def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Array:
    """1 where fewer than k scores are larger than the labelled class's: equals of the k-th count.

    shapes    y_true (..., K), one-hot   y_pred (..., K)   result (...)
    """
    t, p = as_array(y_true), as_array(y_pred)
    _check_classes("top_k_categorical_accuracy", t, p)
    return _matches(in_top_k(argmax(t), p, k))


def sparse_top_k_categorical_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> Array:
    """1 where fewer than k scores are larger than that of class y_true: equals of the k-th count.

    With `from_sorted_ids`, y_pred holds class numbers, best first, and the first k are looked at.

    shapes    y_true (...) or (..., 1), class numbers   y_pred (..., K)   result as y_true
    """
    t, p = as_array(y_true), as_array(y_pred)
    labels, p = _labels("sparse_top_k_categorical_accuracy", t, p)
    if from_sorted_ids:
        matches = (labels[..., None] == p[..., :k]).any(axis=-1)
    else:
        matches = in_top_k(labels.astype(np.int64), p, k)
    return _matches(matches.reshape(t.shape))


def as_array(x: ArrayLike) -> Array:
    """An array as it is; lists and Python floats in the default float type, as Keras takes them."""
    array = np.asarray(x)
    if not hasattr(x, "dtype") and array.dtype == np.float64:
        return array.astype(config.floatx())
    return array


def argmax(x: Array) -> Array:
    """Where the last axis is largest: the first of equals, -0.0 below 0.0, never a NaN.

    source    keras/src/backend/tensorflow/numpy.py, argmax; for NaN, TensorFlow 2.21 itself
    """
    plain = x.size and x.min() >= 0 and not np.signbit(x).any()  # as probabilities and labels are
    if x.dtype.kind == "f" and not plain:
        nan, negative_zero = np.isnan(x), (x == 0) & np.signbit(x)
        if nan.any() or negative_zero.any():
            x = np.where(nan, -np.inf, np.where(negative_zero, -np.finfo(x.dtype).tiny, x))
    return x.argmax(axis=-1)


def in_top_k(labels: Array, scores: Array, k: int) -> Array:
    """True where fewer than k scores are larger than scores[..., label].

    False where the label is no class, and where a score is not finite, as TensorFlow has it.

    shapes    labels (...), integers   scores (..., K)
    source    tensorflow/core/kernels/in_topk_op.h
    """
    known = (labels >= 0) & (labels < scores.shape[-1])
    own = np.take_along_axis(scores, np.where(known, labels, 0)[..., None], axis=-1)
    larger = (scores > own).sum(axis=-1)
    return known & (larger < k) & np.isfinite(scores).all(axis=-1)


def _matches(equal: Array) -> Array:
    return equal.astype(config.floatx())


def _same_shape(owner: str, t: Array, p: Array) -> tuple[Array, Array]:
    """Both with the same rank, refused when their shapes still differ."""
    t_, p_ = losses.squeeze_or_expand_to_same_rank(t, p)
    if t_.shape != p_.shape:
        raise ValueError(
            expected(
                owner,
                f"y_true of the shape of y_pred, {p.shape}",
                str(t.shape),
                "Use a categorical accuracy where y_pred holds one score for each class.",
            )
        )
    return t_, p_


def _check_classes(owner: str, t: Array, p: Array) -> None:
    """Labels and scores must have one shape (..., K)."""
    if t.shape != p.shape or p.ndim == 0:
        raise ValueError(
            expected(
                owner,
                f"one-hot y_true of the shape of y_pred, {p.shape}",
                str(t.shape),
                f"Use sparse_{owner} for class numbers.",
            )
        )


def _labels(owner: str, t: Array, p: Array) -> tuple[Array, Array]:
    """Class numbers with one axis less than y_pred; an axis of 1 is repeated, as in Keras."""
    labels = t[..., 0] if t.ndim == p.ndim and t.ndim and t.shape[-1] == 1 else t
    if labels.ndim != p.ndim - 1 or any(
        n != m and 1 not in (n, m) for n, m in zip(labels.shape, p.shape, strict=False)
    ):
        raise ValueError(
            expected(
                owner,
                f"class numbers y_true of shape {p.shape[:-1]} for y_pred {p.shape}",
                str(t.shape),
                f"Use {owner.removeprefix('sparse_')} for one-hot labels.",
            )
        )
    return labels, p
