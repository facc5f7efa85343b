"""Losses, by Keras's names."""

from typing import Any

from scratchnet import registry
from scratchnet.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from scratchnet.losses.loss import Loss, squeeze_or_expand_to_same_rank
from scratchnet.losses.regression import (
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    huber,
    mean_absolute_error,
    mean_squared_error,
)

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "binary_crossentropy",
    "categorical_crossentropy",
    "deserialize",
    "get",
    "huber",
    "mean_absolute_error",
    "mean_squared_error",
    "serialize",
    "sparse_categorical_crossentropy",
    "squeeze_or_expand_to_same_rank",
]

LOSSES = registry.names(
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
    bce=BinaryCrossentropy,
    BCE=BinaryCrossentropy,
    mse=MeanSquaredError,
    MSE=MeanSquaredError,
    mae=MeanAbsoluteError,
    MAE=MeanAbsoluteError,
)

_FUNCTIONS: dict[Any, type[Loss]] = {
    binary_crossentropy: BinaryCrossentropy,
    categorical_crossentropy: CategoricalCrossentropy,
    huber: Huber,
    mean_absolute_error: MeanAbsoluteError,
    mean_squared_error: MeanSquaredError,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
}


def get(identifier: Any) -> Loss | None:
    """The loss of this name, config or class; a function of this package stands for its class."""
    if callable(identifier) and not isinstance(identifier, Loss | type):
        if identifier in _FUNCTIONS:
            return _FUNCTIONS[identifier]()
        identifier = getattr(identifier, "__name__", repr(identifier))
    return registry.lookup("Loss", identifier, LOSSES, Loss)  # type: ignore[no-any-return]


def serialize(loss: Loss) -> dict[str, Any] | None:
    """The config under which `deserialize` finds it again."""
    return registry.serialize(loss)


def deserialize(config: dict[str, Any]) -> Loss:
    """The loss that `serialize` described."""
    return registry.deserialize("Loss", config, LOSSES)  # type: ignore[no-any-return]
