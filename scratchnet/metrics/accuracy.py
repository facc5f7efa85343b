"""How often predictions are right: exactly, past a threshold, by the k largest scores."""

from typing import Any

from scratchnet.metrics import matches
from scratchnet.metrics.reductions import FunctionMetric
from scratchnet.utils.options import count, finite, flag

__all__ = [
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
]


class Accuracy(FunctionMetric):
    """How often y_true == y_pred."""

    _direction, counts = "up", True

    def __init__(self, name: str | None = "accuracy", dtype: Any = None) -> None:
        super().__init__(matches.accuracy, name, dtype)


class BinaryAccuracy(FunctionMetric):
    """How often y_true == (y_pred > threshold)."""

    _direction, counts = "up", True

    def __init__(
        self, name: str | None = "binary_accuracy", dtype: Any = None, threshold: float = 0.5
    ) -> None:
        super().__init__(matches.binary_accuracy, name, dtype, threshold=threshold)
        self.threshold = finite(self._owner(), "threshold", threshold)


class CategoricalAccuracy(FunctionMetric):
    """How often the largest score is that of the one-hot label."""

    _direction, counts = "up", True

    def __init__(self, name: str | None = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(matches.categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(FunctionMetric):
    """How often the largest score is that of the labelled class number."""

    _direction, counts = "up", True

    def __init__(self, name: str | None = "sparse_categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(matches.sparse_categorical_accuracy, name, dtype)


class TopKCategoricalAccuracy(FunctionMetric):
    """How often the one-hot label is among the k largest scores."""

    _direction, counts = "up", True

    def __init__(
        self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(matches.top_k_categorical_accuracy, name, dtype, k=k)
        self.k = count(self._owner(), "k", k)


class SparseTopKCategoricalAccuracy(FunctionMetric):
    """How often the labelled class number is among the k largest scores (or first k numbers)."""

    _direction, counts = "up", True

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
        from_sorted_ids: bool = False,
    ) -> None:
        super().__init__(
            matches.sparse_top_k_categorical_accuracy,
            name,
            dtype,
            k=k,
            from_sorted_ids=from_sorted_ids,
        )
        self.k = count(self._owner(), "k", k)
        self.from_sorted_ids = flag(self._owner(), "from_sorted_ids", from_sorted_ids)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; `from_sorted_ids` only where it is True, as in Keras."""
        config = super().get_config()
        if not self.from_sorted_ids:
            del config["from_sorted_ids"]
        return config
