"""What is measured beside the loss: classes that add up batches, and functions of one batch."""

from typing import Any

from scratchnet import registry
from scratchnet.errors import unknown
from scratchnet.losses import (
    binary_crossentropy,
    categorical_crossentropy,
    huber,
    mean_absolute_error,
    mean_squared_error,
    sparse_categorical_crossentropy,
)
from scratchnet.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from scratchnet.metrics.confusion import Precision, Recall
from scratchnet.metrics.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from scratchnet.metrics.matches import (
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from scratchnet.metrics.metric import Metric
from scratchnet.metrics.reductions import Mean, MeanMetricWrapper, Sum
from scratchnet.metrics.regression import MeanAbsoluteError, MeanSquaredError, RootMeanSquaredError

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "Sum",
    "TopKCategoricalAccuracy",
    "binary_accuracy",
    "binary_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "deserialize",
    "get",
    "huber",
    "mean_absolute_error",
    "mean_squared_error",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]

METRICS = registry.names(
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    Mean,
    MeanAbsoluteError,
    MeanMetricWrapper,
    MeanSquaredError,
    Precision,
    Recall,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    Sum,
    TopKCategoricalAccuracy,
    bce=BinaryCrossentropy,
    BCE=BinaryCrossentropy,
    mae=MeanAbsoluteError,
    MAE=MeanAbsoluteError,
    mse=MeanSquaredError,
    MSE=MeanSquaredError,
)


def serialize(metric: Metric) -> dict[str, Any] | None:
    """`{"class_name": ..., "config": ...}`."""
    return registry.serialize(metric)


def deserialize(config: dict[str, Any]) -> Metric:
    """The metric that `serialize` described."""
    return registry.deserialize("metric", config, METRICS)


def get(identifier: Any) -> Any:
    """A metric from its name, alias, config or class; None and functions stay as they are."""
    if callable(identifier) and not isinstance(identifier, type | Metric):
        return identifier
    return registry.lookup("metric", identifier, METRICS, Metric)


def __getattr__(name: str) -> Any:
    raise AttributeError(unknown("scratchnet.metrics", name, __all__))
