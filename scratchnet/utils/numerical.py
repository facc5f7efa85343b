"""Labels as one-hot rows, and rows of length one."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scratchnet import config
from scratchnet.errors import expected
from scratchnet.utils.options import is_int

__all__ = ["normalize", "to_categorical"]


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> NDArray[np.float64]:
    """y[i, k] = 1 where x[i] = k, else 0: whole labels 0, 1, 2 ... become rows with a single one.

    shapes    x (...) or (..., 1)   y (..., K); K is num_classes, or the largest label + 1
    dtype     float64, as in Keras
    errors    TypeError where x is not numeric, ValueError where a label is not one of 0 ... K - 1
    """
    labels = _whole_labels(x)
    if num_classes is not None and not is_int(num_classes):
        raise TypeError(
            expected(
                "to_categorical", "num_classes to be a whole number or None", repr(num_classes)
            )
        )
    if num_classes is not None and num_classes < 0:
        raise ValueError(
            expected("to_categorical", "num_classes of 1 or more, or None", repr(num_classes))
        )
    if labels.size and labels.min() < 0:
        raise ValueError(
            expected(
                "to_categorical",
                "labels of 0 or more",
                f"{labels.min()}",
                "Number the classes 0, 1, 2 ...; np.unique(x, return_inverse=True) does it.",
            )
        )
    if not num_classes:  # as in Keras, 0 means "find out" too
        if not labels.size:
            raise ValueError(
                expected(
                    "to_categorical",
                    "at least one label",
                    "none",
                    "Pass num_classes for empty labels.",
                )
            )
        num_classes = int(labels.max()) + 1
    elif labels.size and labels.max() >= num_classes:
        raise ValueError(
            expected(
                "to_categorical",
                f"labels below num_classes={num_classes}",
                f"{labels.max()}",
                "Pass a larger num_classes, or number the classes from 0.",
            )
        )
    # (N, 1) is a column of labels; (1,) is one label, and () too
    shape = labels.shape[:-1] if labels.ndim > 1 and labels.shape[-1] == 1 else labels.shape
    labels = labels.reshape(-1).astype(np.intp)
    y = np.zeros((labels.size, num_classes))
    y[np.arange(labels.size), labels] = 1
    return y.reshape(*shape, num_classes)


def _whole_labels(x: ArrayLike) -> NDArray[Any]:
    """x as an array of whole numbers; Keras would cut 1.9 down to 1 here."""
    try:
        labels = np.asarray(x)
    except ValueError as error:
        raise ValueError(
            expected("to_categorical", "an array of labels", f"rows of unequal length ({error})")
        ) from error
    if labels.dtype.kind not in "biuf":
        raise TypeError(
            expected(
                "to_categorical",
                "labels that are whole numbers",
                f"dtype {labels.dtype}",
                "Number the classes first; np.unique(x, return_inverse=True) does it.",
            )
        )
    if labels.dtype.kind == "f" and not np.all(whole := np.floor(labels) == labels):
        odd = labels[~whole].flat[0]
        raise ValueError(
            expected(
                "to_categorical", "labels that are whole numbers", f"{odd}", "Round them first."
            )
        )
    if labels.dtype.kind == "f" and not np.all(np.isfinite(labels)):
        raise ValueError(
            expected(
                "to_categorical", "labels that are whole numbers", "infinity", "Clean the data."
            )
        )
    return labels.astype(np.int8) if labels.dtype.kind == "b" else labels


def normalize(x: ArrayLike, axis: int | None = -1, order: int = 2) -> NDArray[Any]:
    """y = x / ||x||, the norm of that order taken along the axis; where it is zero, y = x.

    shapes    x, y the same; a one-dimensional array of D numbers comes back as (1, D), as in Keras
    dtype     that of x for floats, float64 for whole numbers; a list becomes config.floatx()
    differs   Keras 3.15 divides along the last axis when axis=0 is asked for; here axis=0 is axis 0
    """
    if not isinstance(x, np.ndarray):  # what Keras does with a tensor
        x = np.asarray(x, dtype=config.floatx())
        norm = np.linalg.norm(x, order, axis, keepdims=True)
        return x / np.maximum(norm, x.dtype.type(config.epsilon()))
    norm = np.atleast_1d(np.linalg.norm(x, order, axis))
    norm[norm == 0] = 1
    return x / np.expand_dims(norm, -1 if axis is None else axis)
